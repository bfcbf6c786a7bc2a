package operate

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"comity/crypto/keys"
	"comity/crypto/merkle"
	"comity/crypto/pgp"
	"comity/crypto/seal"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/record"
	"comity/protocol/statement"
	"comity/store"
)

// ceremony makes the keys and documents of a new node, in order.
type ceremony struct {
	plan   Plan
	layout Layout
}

func (c *ceremony) run(ctx context.Context) (*record.State, error) {
	for _, dir := range []string{c.layout.Node(), c.layout.Offline(), filepath.Dir(c.layout.Record())} {
		if err := keys.MkdirPrivate(dir); err != nil {
			return nil, err
		}
	}
	node, logKey, err := c.node()
	if err != nil {
		return nil, err
	}
	var entries []record.Entry
	config := Config{Node: c.plan.Node, Listen: c.plan.Listen, PassphraseFiles: c.plan.PassphraseFiles, Store: c.plan.Store}
	for _, a := range c.plan.Authorities {
		entry, err := c.authority(ctx, a)
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry)
		config.Authorities = append(config.Authorities, a.ID)
	}
	signed, state, err := c.record(node, entries)
	if err != nil {
		return nil, err
	}
	if err := c.firstLeaf(ctx, signed, state, logKey); err != nil {
		return nil, err
	}
	text, err := config.encode()
	if err != nil {
		return nil, err
	}
	return state, keys.WriteNew(c.layout.Config(), text)
}

// valid starts a little early, so that a peer whose clock is behind does not
// refuse a TLS key on its first day.
func (c *ceremony) valid(d time.Duration) protocol.Window {
	return protocol.Window{
		From:  protocol.At(c.plan.Now.Add(-protocol.MaxSkew)),
		Until: protocol.At(c.plan.Now.Add(d)),
	}
}

func (c *ceremony) key(role evidence.Role, digest protocol.Digest) record.Key {
	return record.Key{Role: role, Digest: digest, Valid: protocol.Window{
		From: protocol.At(c.plan.Now), Until: protocol.At(c.plan.Now.Add(keyLifetime)),
	}}
}

func (c *ceremony) node() (*record.Node, *merkle.Signer, error) {
	p := c.plan
	made, err := pgp.Generate("Comity node "+string(p.Node), p.Algorithm, 1, p.Now, keyLifetime)
	if err != nil {
		return nil, nil, err
	}
	origin := "comity/log/" + string(p.Node) + "/1"
	logKey, err := merkle.GenerateLog(origin)
	if err != nil {
		return nil, nil, err
	}
	logSecret, err := logKey.Marshal()
	if err != nil {
		return nil, nil, err
	}
	witnessSecret, witnessEd, witnessPQ, err := merkle.GenerateKeypair("comity/witness/" + string(p.Node))
	if err != nil {
		return nil, nil, err
	}
	pin, err := c.tls(NodeHolder, c.layout.NodeFile(tlsFile), string(p.Node))
	if err != nil {
		return nil, nil, err
	}
	err = errors.Join(
		keys.WriteNew(c.layout.NodeFile(certificateFile), made.Certificate.Bytes()),
		c.secret(NodeHolder, c.layout.NodeFile(nodeKeyFile), made.Subkeys[0]),
		c.secret(OfflineHolder, c.layout.OfflineFile("node.key"), made.Primary),
		c.keep(NodeHolder, c.layout.NodeFile(logKeyFile), logSecret),
		c.keep(NodeHolder, c.layout.NodeFile(witnessKeyFile), witnessSecret),
	)
	if err != nil {
		return nil, nil, err
	}
	ed, pq := logKey.VerifierKeys()
	return &record.Node{
		ID:          p.Node,
		Certificate: made.Certificate.Bytes(),
		Keys: []record.Key{
			c.key(evidence.Primary, made.Primary.Digest()),
			c.key(evidence.Node, made.Subkeys[0].Digest()),
		},
		TLS:       []record.Pin{{SPKI: pin, Valid: c.valid(keyLifetime)}},
		Endpoints: p.Endpoints,
		Log:       record.Log{Origin: origin, Keys: record.Keypair{Ed25519: ed, MLDSA44: pq}},
		Witness:   record.Keypair{Ed25519: witnessEd, MLDSA44: witnessPQ},
		Limits:    record.Limits{Sealed: DefaultSealedLimit},
	}, logKey, nil
}

// authority makes the office of one authority with its database.
func (c *ceremony) authority(ctx context.Context, a PlannedAuthority) (record.Entry, error) {
	entry, err := c.office(a)
	if err != nil {
		return record.Entry{}, err
	}
	place, err := c.plan.Store.office(c.layout, c.plan.Node, a.ID, store.Config{})
	if err == nil {
		err = store.CreateOffice(ctx, place, a.ID)
	}
	return entry, err
}

// office makes the keys of one authority, and its first entry.
func (c *ceremony) office(a PlannedAuthority) (record.Entry, error) {
	dir := c.layout.Office(a.ID)
	if err := keys.MkdirPrivate(filepath.Join(dir, ageFolder)); err != nil {
		return record.Entry{}, err
	}
	made, err := pgp.Generate(string(a.ID), c.plan.Algorithm, 2, c.plan.Now, keyLifetime)
	if err != nil {
		return record.Entry{}, err
	}
	identity, err := seal.GenerateIdentity()
	if err != nil {
		return record.Entry{}, err
	}
	if _, err := c.tls(OfficeHolder(a.ID), c.layout.OfficeFile(a.ID, tlsFile), a.ID.Name()); err != nil {
		return record.Entry{}, err
	}
	ageFile := filepath.Join(dir, ageFolder, c.plan.Now.UTC().Format(time.DateOnly)+identitySuffix)
	err = errors.Join(
		keys.WriteNew(c.layout.OfficeFile(a.ID, certificateFile), made.Certificate.Bytes()),
		c.secret(ActHolder(a.ID), c.layout.OfficeFile(a.ID, actKeyFile), made.Subkeys[0]),
		c.secret(OfficeHolder(a.ID), c.layout.OfficeFile(a.ID, attestKeyFile), made.Subkeys[1]),
		c.secret(OfflineHolder, primaryKey(c.layout.Offline(), a.ID), made.Primary),
		c.keep(OfficeHolder(a.ID), ageFile, identity.File(c.plan.Now)),
	)
	if err != nil {
		return record.Entry{}, err
	}
	return record.SignAuthority(&record.Authority{
		ID:          a.ID,
		Name:        a.Name,
		Sequence:    1,
		Created:     protocol.At(c.plan.Now),
		Host:        c.plan.Node,
		Certificate: made.Certificate.Bytes(),
		Keys: []record.Key{
			c.key(evidence.Primary, made.Primary.Digest()),
			c.key(evidence.Act, made.Subkeys[0].Digest()),
			c.key(evidence.Attest, made.Subkeys[1].Digest()),
		},
		Recipients: []record.Recipient{{Recipient: identity.Recipient().String(), Valid: c.valid(recipientLifetime)}},
	}, made.Primary, c.plan.Now)
}

// record signs the first record with a fresh state key.
func (c *ceremony) record(node *record.Node, entries []record.Entry) (statement.Signed, *record.State, error) {
	none := statement.Signed{}
	made, err := pgp.Generate("State "+string(c.plan.Node.State()), c.plan.Algorithm, 0, c.plan.Now, 0)
	if err != nil {
		return none, nil, err
	}
	signed, err := record.SignRecord(&record.Record{
		State:       c.plan.Node.State(),
		Name:        c.plan.StateName,
		Sequence:    1,
		Created:     protocol.At(c.plan.Now),
		Valid:       c.valid(recordLifetime),
		Versions:    []string{protocol.Version},
		Certificate: made.Certificate.Bytes(),
		Keys:        []record.Key{c.key(evidence.Primary, made.Primary.Digest())},
		Node:        *node,
		Authorities: entries,
	}, made.Primary, c.plan.Now)
	if err != nil {
		return none, nil, err
	}
	state, err := record.Verify(signed, nil)
	if err != nil {
		return none, nil, err
	}
	return signed, state, errors.Join(
		keys.WriteNew(c.layout.OfflineFile("state.gpg"), made.Certificate.Bytes()),
		c.secret(OfflineHolder, c.layout.OfflineFile("state.key"), made.Primary),
		keys.WriteNew(c.layout.Record(), signed.Document),
		keys.WriteNew(c.layout.Record()+".asc", signed.Signature),
	)
}

// firstLeaf creates the gateway's database; the node's own record is the first
// leaf of its log.
func (c *ceremony) firstLeaf(ctx context.Context, signed statement.Signed, state *record.State, logKey *merkle.Signer) error {
	cfg, err := c.plan.Store.gateway(c.layout, c.plan.Node, store.Config{Now: func() time.Time { return c.plan.Now }})
	if err != nil {
		return err
	}
	if err := store.CreateGateway(ctx, cfg); err != nil {
		return err
	}
	db, err := store.OpenGateway(ctx, cfg)
	if err != nil {
		return err
	}
	outcomes, err := db.Commit(ctx, []store.Fact{&store.AdoptRecord{Record: store.Record{
		State:    state.Record().State,
		Node:     state.Record().Node.ID,
		Sequence: state.Record().Sequence,
		Signed:   signed,
		Own:      true,
		Pinned:   true,
	}}}, func(size int64, root merkle.Hash) ([]byte, error) { return logKey.Checkpoint(size, root, c.plan.Now) })
	if err == nil {
		err = outcomes[0].Err
	}
	return errors.Join(err, db.Close())
}

func (c *ceremony) tls(h Holder, path, name string) (protocol.Digest, error) {
	pem, err := keys.GenerateTLS(name, c.plan.Now.Add(-protocol.MaxSkew), c.plan.Now.Add(keyLifetime))
	if err != nil {
		return protocol.Digest{}, err
	}
	cert, err := keys.ParseTLS(pem)
	if err != nil {
		return protocol.Digest{}, err
	}
	return keys.SPKI(cert.Leaf), c.keep(h, path, pem)
}

// keep writes the key file of a holder: a protected one never lies open on the
// disk, not even for a moment.
func (c *ceremony) keep(h Holder, path string, secret []byte) error {
	if p := c.plan.Passphrases[h]; p != nil {
		var err error
		if secret, err = protect(p, secret); err != nil {
			return err
		}
	}
	return keys.WriteNew(path, secret)
}

func (c *ceremony) secret(h Holder, path string, s *pgp.Secret) error {
	b, err := s.Marshal()
	if err != nil {
		return err
	}
	return c.keep(h, path, b)
}
