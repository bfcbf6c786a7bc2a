package operate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
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

// AdditionPlan says what AddAuthority needs.
type AdditionPlan struct {
	Amendment
	Authority PlannedAuthority
	Algorithm pgp.Algorithm // of its signing keys
	// Protect are the passphrases of the new office and of its act key; nil: those
	// keys stay open. Its offline key is protected as the state's is.
	Protect map[Holder]*seal.Passphrase
	// PassphraseFiles go into the configuration, so that "serve" finds them.
	PassphraseFiles map[Holder]string
}

// ErrHosted says that a node hosts an authority already.
var ErrHosted = errors.New("this node hosts it already")

// AddAuthority gives a node one more authority: keys of its own, an office with its
// own database, an entry that its own offline key signs, and the state's next record
// that lists it. The new offline key goes to the medium with the others before
// anything is published: without it the entry could never be changed. The node must
// not run; peers adopt the record at the next contact.
//
// If the power goes: the same call goes on where the last one stopped, with the keys
// that were made first. An authority appears in the record only with all its keys in
// place, and in the configuration only after that, so a node that starts in between
// runs as before.
func AddAuthority(ctx context.Context, p AdditionPlan) (_ *record.State, err error) {
	c, err := p.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	a := &addition{amendment: c, plan: p, id: p.Authority.ID}
	if slices.Contains(a.Config.Authorities, a.id) {
		return nil, fmt.Errorf("add %s: %w", a.id, ErrHosted)
	}
	state := c.Gateway.Own
	if _, listed := state.Authority(a.id); !listed {
		if err := a.check(); err != nil {
			return nil, fmt.Errorf("add %s: %w", a.id, err)
		}
		entry, err := a.prepare(ctx)
		if err != nil {
			return nil, fmt.Errorf("prepare the office of %s: %w", a.id, err)
		}
		signed, next, err := c.next(state, func(r *record.Record) {
			r.Authorities = append(slices.Clone(r.Authorities), entry)
		})
		if err != nil {
			return nil, err
		}
		if err := c.publish(ctx, signed, next, nil); err != nil {
			return nil, err
		}
		state = next
	}
	return state, a.finish()
}

// addition is one that is under way.
type addition struct {
	*amendment
	plan AdditionPlan
	id   protocol.AuthorityID
}

// check refuses what could never be published, before a key is made.
func (a *addition) check() error {
	own := a.Gateway.Own
	if err := record.ValidateNames("authority "+string(a.id), a.plan.Authority.Name); err != nil {
		return err
	}
	switch {
	case a.id.State() != own.Record().State:
		return fmt.Errorf("this node is of the state %s", own.Record().State)
	case len(own.Members()) >= protocol.MaxAuthorities:
		return fmt.Errorf("the record lists %d authorities already, the most that one may", len(own.Members()))
	case a.protected(a.Layout.NodeFile(nodeKeyFile)) && a.plan.Protect == nil:
		return errors.New("the keys of this node are protected, so those of its offices have to be, too")
	}
	for _, m := range own.Members() {
		for _, theirs := range m.Document().Name {
			for _, ours := range a.plan.Authority.Name {
				if strings.EqualFold(theirs.Text, ours.Text) {
					return fmt.Errorf("%s is called %q already: officers abroad could not tell the two apart", m.ID(), theirs.Text)
				}
			}
		}
	}
	return a.checkMedium()
}

// checkMedium refuses a medium whose key could not sign the record: it would be found
// out only when the keys of the authority are there already.
func (a *addition) checkMedium() error {
	primary, err := readSecret(a.keys, filepath.Join(a.offline, "state.key"), filepath.Join(a.offline, "state.gpg"))
	if err != nil {
		return err
	}
	for _, k := range a.Gateway.Own.Record().Keys {
		if k.Role == evidence.Primary && k.Digest == protocol.Digest(primary.Digest()) {
			return nil
		}
	}
	return fmt.Errorf("the offline key in %s is not that of state %s", a.offline, a.id.State())
}

func (a *addition) protected(path string) bool {
	file, err := keys.Read(path, seal.MaxProtected)
	return err == nil && seal.Protected(file)
}

// Files that wait in the office's folder until the record lists it.
const entryFile = "entry.json"

// workplace is where the office is made, until it is whole.
func (a *addition) workplace() Layout {
	return Layout{filepath.Join(a.Layout.Dir, "office", "."+a.id.Name()+".new")}
}

// prepare makes the office, or finds the one that an interrupted call has made, and
// returns its signed entry.
func (a *addition) prepare(ctx context.Context) (record.Entry, error) {
	none := record.Entry{}
	work, office := a.workplace(), a.Layout.Office(a.id)
	if _, err := os.Lstat(office); errors.Is(err, fs.ErrNotExist) {
		if err := a.makeKeys(work); err != nil {
			return none, err
		}
		if err := a.handOver(work); err != nil {
			return none, err
		}
		if err := os.Rename(work.Office(a.id), office); err != nil {
			return none, err
		}
		if err := keys.SyncDir(filepath.Dir(office)); err != nil {
			return none, err
		}
	}
	// The rest of the workplace has a copy of the offline key.
	if err := os.RemoveAll(work.Dir); err != nil {
		return none, err
	}
	if err := a.makeDatabase(ctx); err != nil {
		return none, err
	}
	// On another medium than the first time its offline key would be missing.
	if _, err := readSecret(a.keys, a.primary(), a.Layout.OfficeFile(a.id, certificateFile)); err != nil {
		return none, fmt.Errorf("the offline key that was made for it: %w", err)
	}
	entry, err := a.readEntry(a.Layout)
	if err != nil {
		return none, fmt.Errorf("%s is there and was not made by adding %s: move it away: %w", office, a.id, err)
	}
	return entry, nil
}

// primary is the place of the authority's offline key.
func (a *addition) primary() string { return primaryKey(a.offline, a.id) }

func primaryKey(offline string, id protocol.AuthorityID) string {
	return filepath.Join(offline, "authority-"+id.Name()+".key")
}

// makeKeys makes all keys and the signed entry in the workplace. The entry is the
// last file, so with it the workplace is whole; one that is not is made anew.
func (a *addition) makeKeys(work Layout) error {
	if _, err := a.readEntry(work); err == nil {
		return nil
	}
	if err := os.RemoveAll(work.Dir); err != nil {
		return err
	}
	if err := keys.MkdirPrivate(work.Offline()); err != nil {
		return err
	}
	pass, err := a.passphrases()
	if err != nil {
		return err
	}
	made := ceremony{layout: work, plan: Plan{Node: a.Gateway.Own.Record().Node.ID, Algorithm: a.plan.Algorithm, Now: a.at, Passphrases: pass}}
	entry, err := made.office(a.plan.Authority)
	if err != nil {
		return err
	}
	return errors.Join(
		keys.WriteNew(work.OfficeFile(a.id, entryFile+".asc"), []byte(entry.Signature)),
		keys.WriteNew(work.OfficeFile(a.id, entryFile), []byte(entry.Document)),
	)
}

// passphrases protect the new keys: the offline one as the state's own is.
func (a *addition) passphrases() (map[Holder]*seal.Passphrase, error) {
	all := map[Holder]*seal.Passphrase{}
	for h, pass := range a.plan.Protect {
		all[h] = pass
	}
	if !a.protected(filepath.Join(a.offline, "state.key")) {
		return all, nil
	}
	var err error
	all[OfflineHolder], _, err = a.from.Find(OfflineHolder, a.Config)
	return all, err
}

func (a *addition) readEntry(l Layout) (record.Entry, error) {
	document, err := os.ReadFile(l.OfficeFile(a.id, entryFile))
	if err != nil {
		return record.Entry{}, err
	}
	signature, err := os.ReadFile(l.OfficeFile(a.id, entryFile+".asc"))
	if err != nil {
		return record.Entry{}, err
	}
	return record.Entry{Document: string(document), Signature: string(signature)}, nil
}

// handOver puts the offline key on the medium with the others. What is there already
// is never replaced.
func (a *addition) handOver(work Layout) error {
	secret, err := keys.Read(primaryKey(work.Offline(), a.id), seal.MaxProtected)
	if err != nil {
		return err
	}
	err = keys.WriteNew(a.primary(), secret)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	there, err := keys.Read(a.primary(), seal.MaxProtected)
	if err == nil && !bytes.Equal(there, secret) {
		err = fmt.Errorf("%s is another key: if it belongs to no authority any more, move it away", a.primary())
	}
	return err
}

// makeDatabase makes the office's empty database, if it is not there.
func (a *addition) makeDatabase(ctx context.Context) error {
	place, err := a.Config.Store.office(a.Layout, a.Config.Node, a.id, store.Config{})
	if err != nil {
		return err
	}
	exists := store.CreateOffice(ctx, place, a.id)
	if !errors.Is(exists, store.ErrExists) {
		return exists
	}
	db, err := store.OpenOffice(ctx, place, a.id)
	if err != nil { // it is somebody else's, and nothing is wrong with that
		return fmt.Errorf("%w (%v)", exists, err)
	}
	return db.Close()
}

// finish names the authority in the configuration. Its entry stands in the record now.
func (a *addition) finish() error {
	if _, err := os.Stat(a.Layout.OfficeFile(a.id, certificateFile)); err != nil {
		return fmt.Errorf("the record lists %s, but its keys are not here: put its folder back: %w", a.id, err)
	}
	if err := addToConfig(a.Layout, a.Config, a.id, a.plan.PassphraseFiles); err != nil {
		return fmt.Errorf("the record lists %s, but its office does not run yet: %w", a.id, err)
	}
	for _, name := range []string{entryFile, entryFile + ".asc"} {
		if err := os.Remove(a.Layout.OfficeFile(a.id, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
