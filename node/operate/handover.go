package operate

import (
	"context"
	"encoding/hex"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"comity/crypto/keys"
	"comity/crypto/pgp"
	"comity/crypto/seal"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/record"
	"comity/store"
)

// Offline keys hand over to others (R-REC-12). Their files are on a medium of its
// own, which may be pulled at any moment: the new ones wait there beside the old
// ones until the node has the record that names them.

const (
	stateKeyFile         = "state.key"
	stateCertificateFile = "state.gpg"
	pendingFile          = "record.sha256" // with the ending next: of the record for which files wait on the medium
)

// authorityKeys gives an authority another certificate, with another act and attest
// key. The one before stays listed as former, and hands over.
func (r *rotation) authorityKeys(e *entryDraft) error {
	g, err := r.newCertificate(e.primary.Certificate(), 2)
	if err != nil {
		return err
	}
	before, err := record.HandOver(string(e.ID), r.retired(e.Keys), e.primary, g.Primary.Digest(), r.at)
	if err != nil {
		return err
	}
	e.Former = appendFormer(e.Former, before)
	e.primary, e.Certificate = g.Primary, g.Certificate.Bytes()
	e.Keys = []record.Key{r.fresh(evidence.Primary, g.Primary), r.fresh(evidence.Act, g.Subkeys[0]), r.fresh(evidence.Attest, g.Subkeys[1])}
	r.files[r.Layout.OfficeFile(e.ID, certificateFile)] = g.Certificate.Bytes()
	return errors.Join(
		r.keepSecret(ActHolder(e.ID), r.Layout.OfficeFile(e.ID, actKeyFile), g.Subkeys[0]),
		r.keepSecret(OfficeHolder(e.ID), r.Layout.OfficeFile(e.ID, attestKeyFile), g.Subkeys[1]),
		r.keepOffline(primaryKey(r.offline, e.ID), g.Primary),
	)
}

// stateKey gives the state another key, which signs the next record, and to which
// the one before hands over.
func (r *rotation) stateKey() error {
	primary, err := readSecret(r.keys, filepath.Join(r.offline, stateKeyFile), filepath.Join(r.offline, stateCertificateFile))
	if err != nil {
		return err
	}
	g, err := r.newCertificate(primary.Certificate(), 0)
	if err != nil {
		return err
	}
	n := &r.record
	before, err := record.HandOver(string(n.State), r.retired(n.Keys), primary, g.Primary.Digest(), r.at)
	if err != nil {
		return err
	}
	n.Former = appendFormer(n.Former, before)
	n.Certificate, n.Keys = g.Certificate.Bytes(), []record.Key{r.fresh(evidence.Primary, g.Primary)}
	r.signer = g.Primary
	r.medium[filepath.Join(r.offline, stateCertificateFile)] = g.Certificate.Bytes()
	return r.keepOffline(filepath.Join(r.offline, stateKeyFile), g.Primary)
}

// newCertificate makes one like another: with its name, of its algorithm.
func (r *rotation) newCertificate(like *pgp.Certificate, subkeys int) (*pgp.Generated, error) {
	return pgp.Generate(like.Name(), like.Keys()[0].Algorithm, subkeys, r.at, keyLifetime)
}

func (r *rotation) fresh(role evidence.Role, key *pgp.Secret) record.Key {
	return record.Key{Role: role, Digest: key.Digest(), Valid: protocol.Window{From: protocol.At(r.at), Until: protocol.At(r.at.Add(keyLifetime))}}
}

// retired are keys whose certificate gives way: they count no longer than now. Of a
// stolen primary key its other keys were not stolen.
func (r *rotation) retired(list []record.Key) []record.Key {
	list = slices.Clone(list)
	for i := range list {
		if end := protocol.At(r.at.Add(overlap)); end.Before(list[i].Valid.Until.Time) {
			list[i].Valid.Until = end
		}
		if r.since != nil && list[i].Role == evidence.Primary {
			list[i].Compromised = r.mark()
		}
	}
	return list
}

// appendFormer lists a certificate after those before it. The oldest goes when there
// are too many: who has not heard from this state since has to be told by words.
func appendFormer(list []record.Former, one record.Former) []record.Former {
	list = append(slices.Clone(list), one)
	return list[max(0, len(list)-protocol.MaxFormer):]
}

func (r *rotation) keepSecret(h Holder, path string, key *pgp.Secret) error {
	secret, err := key.Marshal()
	if err != nil {
		return err
	}
	return r.keep(h, path, secret)
}

// keepOffline puts a key on the medium, protected as the one before is.
func (r *rotation) keepOffline(path string, key *pgp.Secret) error {
	secret, err := key.Marshal()
	if err != nil {
		return err
	}
	r.medium[path], err = r.protectAlike(OfflineHolder, path, secret)
	return err
}

// writeMedium lets the new offline keys wait on the medium. The name of their record
// is written first and goes last, so whenever one of them waits, it is known for what.
func (r *rotation) writeMedium(of protocol.Digest) error {
	if len(r.medium) == 0 {
		return nil
	}
	if err := keys.WriteNew(filepath.Join(r.offline, pendingFile+next), []byte(of.String())); err != nil {
		return err
	}
	for _, path := range slices.Sorted(maps.Keys(r.medium)) {
		if err := keys.WriteNew(path+next, r.medium[path]); err != nil {
			return err
		}
	}
	return nil
}

// settleMedium gives what waits on a medium its place when the record exists, and puts
// it aside when nobody here knows of it. The old keys are gone then, from this medium.
//
// A key that waits is never removed: an older copy of the node may have been put in
// the place of the one that published the record, and then it is the only key that
// peers take.
func settleMedium(ctx context.Context, folder string, db *store.Gateway) error {
	pending := filepath.Join(folder, pendingFile+next)
	text, err := keys.Read(pending, seal.MaxProtected)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	var of protocol.Digest
	if n, err := hex.Decode(of[:], text[:min(len(text), 2*len(of))]); err != nil || n != len(of) {
		return os.Remove(pending) // cut off while it was written: nothing else waits
	}
	published, err := isPublished(ctx, db, of)
	if err != nil {
		return err
	}
	waits, err := secretsIn(folder, next)
	if err != nil {
		return err
	}
	for _, path := range waits {
		if path == pending {
			continue
		}
		place := strings.TrimSuffix(path, next)
		if !published {
			place += ".unused-" + of.Short()
		}
		if err = os.Rename(path, place); err == nil {
			err = keys.SyncDir(folder)
		}
		if err != nil {
			return err
		}
	}
	return errors.Join(os.Remove(pending), keys.SyncDir(folder))
}

// isPublished reports whether this node has a record, or a peer has shown it.
func isPublished(ctx context.Context, db *store.Gateway, of protocol.Digest) (bool, error) {
	_, err := db.RecordByDigest(ctx, of)
	if err == nil || !errors.Is(err, store.ErrNotFound) {
		return err == nil, err
	}
	shown, err := db.Shown(ctx)
	return slices.ContainsFunc(shown, func(s store.Shown) bool { return s.Record.Digest() == of }), err
}
