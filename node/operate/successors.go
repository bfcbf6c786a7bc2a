package operate

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"comity/crypto/keys"
	"comity/crypto/merkle"
	"comity/crypto/seal"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/record"
)

// nodeKey adds a subkey to the node's certificate.
func (r *rotation) nodeKey() error {
	certificate := r.Layout.NodeFile(certificateFile)
	primary, err := readSecret(r.keys, filepath.Join(r.offline, "node.key"), certificate)
	if err != nil {
		return err
	}
	g, err := r.grow(primary, NodeHolder, certificate, r.Layout.NodeFile(nodeKeyFile))
	if err != nil {
		return err
	}
	n := &r.record.Node
	n.Certificate = g.Certificate.Bytes()
	n.Keys = r.succeed(n.Keys, evidence.Node, g.Subkeys[0].Digest())
	return nil
}

// officeKey adds a subkey to an authority's certificate.
func (r *rotation) officeKey(e *entryDraft, role evidence.Role, h Holder, file string) error {
	g, err := r.grow(e.primary, h, r.Layout.OfficeFile(e.ID, certificateFile), r.Layout.OfficeFile(e.ID, file))
	if err != nil {
		return err
	}
	e.primary, e.Certificate = g.Primary, g.Certificate.Bytes()
	e.Keys, e.Former = r.succeed(e.Keys, role, g.Subkeys[0].Digest()), r.markFormer(e.Former, role)
	return nil
}

// identity makes what parcels are sealed to from now on. The old identities stay
// in the office, and listed until their end: a sender that has not heard of the new
// record seals to what it knows. Once stolen they are left out, so that nothing
// more is sealed to them, and opening what was goes on.
func (r *rotation) identity(e *entryDraft) error {
	made, err := seal.GenerateIdentity()
	if err != nil {
		return err
	}
	folder := filepath.Join(r.Layout.Office(e.ID), ageFolder)
	present, err := secretsIn(folder, identitySuffix)
	if err != nil {
		return err
	}
	name := r.at.UTC().Format("2006-01-02T150405Z-") + protocol.Digest(made.Recipient().Digest()).Short() // names sort by age
	path := filepath.Join(folder, name+identitySuffix)
	secret := made.File(r.at)
	if len(present) > 0 {
		if secret, err = r.protectAlike(OfficeHolder(e.ID), present[len(present)-1], secret); err != nil {
			return err
		}
	}
	r.files[path] = secret
	e.Recipients = slices.DeleteFunc(e.Recipients, func(old record.Recipient) bool {
		return r.since != nil || old.Valid.Until.Add(protocol.MaxLifetime+protocol.MaxSkew).Before(r.at) // no envelope is under way that names it
	})
	e.Recipients = append(e.Recipients, record.Recipient{Recipient: made.Recipient().String(), Valid: r.early(recipientLifetime)})
	return nil
}

// early starts a little early, so that a peer whose clock is behind takes a new key
// on its first day.
func (r *rotation) early(d time.Duration) protocol.Window {
	return protocol.Window{From: protocol.At(r.at.Add(-protocol.MaxSkew)), Until: protocol.At(r.at.Add(d))}
}

// tlsKey makes the next TLS key. Peers let only keys in that they know, so the node
// keeps the one before, and shows that to whoever has not adopted the new record.
// Of several that were replaced one after the other, it is the oldest that counts
// still: every peer knows that.
func (r *rotation) tlsKey() error {
	path, former := r.Layout.NodeFile(tlsFile), r.Layout.NodeFile(formerTLSFile)
	n := &r.record.Node
	kept, err := readTLS(&keyring{holder: NodeHolder, from: r.from, config: r.Config}, former)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil || !r.Gateway.Own.PinValid(keys.SPKI(kept.Leaf), r.at) {
		file, err := keys.Read(path, seal.MaxProtected) // as it lies there, protected or not
		if err != nil {
			return err
		}
		r.files[former] = file
	}
	pem, err := keys.GenerateTLS(string(n.ID), r.at.Add(-protocol.MaxSkew), r.at.Add(keyLifetime))
	if err != nil {
		return err
	}
	made, err := keys.ParseTLS(pem)
	if err != nil {
		return err
	}
	n.TLS = slices.DeleteFunc(slices.Clone(n.TLS), func(p record.Pin) bool { return r.since != nil || !p.Valid.Until.After(r.at) })
	n.TLS = append(n.TLS, record.Pin{SPKI: keys.SPKI(made.Leaf), Valid: r.early(keyLifetime)})
	return r.keep(NodeHolder, path, pem)
}

// witnessKeys makes other keys with which the node cosigns. What it remembers of
// the logs that it cosigned stays.
func (r *rotation) witnessKeys() error {
	n := &r.record.Node
	secret, ed, pq, err := merkle.GenerateKeypair("comity/witness/" + string(n.ID))
	if err != nil {
		return err
	}
	r.markPair(n.Witness)
	n.Witness = record.Keypair{Ed25519: ed, MLDSA44: pq}
	return r.keep(NodeHolder, r.Layout.NodeFile(witnessKeyFile), secret)
}

// logKeys lets the log give way to one of the next era: no log has two pairs of keys.
func (r *rotation) logKeys() (err error) {
	n := &r.record.Node
	r.markPair(n.Log.Keys)
	r.log, n.Log, err = logAfter(n.Log)
	return err
}

func (r *rotation) markPair(k record.Keypair) {
	if r.since != nil {
		n := &r.record.Node
		n.Compromised = append(slices.Clone(n.Compromised), record.Mark{Keys: k, Compromised: *r.mark()})
	}
}
