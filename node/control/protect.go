package control

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"comity/crypto/seal"
	"comity/node/operate"
	"comity/store"
)

// Protect says which key files get which passphrase.
type Protect struct {
	Holder operate.Holder
	// Folder is where the offline keys are, if they were moved away; "" otherwise.
	Folder string
	// New is the passphrase afterwards; nil: none.
	New *seal.Passphrase
	// Old are the sources of the one before.
	Old *operate.Passphrases
}

// Protected says what Protect did.
type Protected struct {
	Holder  operate.Holder `json:"holder"`
	Changed int            `json:"changed"` // files
	Files   int            `json:"files"`
	// Unnoted says why the act does not stand in the node's report of exceptions;
	// empty: it does, or the keys are in no node's directory.
	Unnoted string `json:"unnoted,omitempty"`
}

// ProtectKeys gives the key files of a holder another passphrase, their first or
// none. The node must not run. When it was interrupted it is called again with
// the same two passphrases; a wrong one changes nothing.
func ProtectKeys(ctx context.Context, dir string, p Protect) (*Protected, error) {
	done, err := p.run(ctx, dir)
	if err == nil && p.Folder == "" {
		// After the keys, not before: a database in trouble must not keep anybody
		// from protecting them.
		if err := p.note(ctx, dir, done); err != nil {
			done.Unnoted = explain(err).Message
		}
	}
	return done, err
}

// note tells the node's store of the change, for the report of exceptions.
func (p Protect) note(ctx context.Context, dir string, done *Protected) error {
	c, err := Dial(ctx, dir)
	if err != nil {
		return err
	}
	kind := store.ActUnprotect
	if p.New != nil {
		kind = store.ActProtect
	}
	_, err = call[nothing](ctx, c, "/v1/act", actRequest{Kind: kind, Subject: p.Holder.Of(), Detail: fmt.Sprintf("%d of %d files changed", done.Changed, done.Files)})
	return errors.Join(err, c.Close())
}

func (p Protect) run(ctx context.Context, dir string) (*Protected, error) {
	l := operate.Layout{Dir: dir}
	config := operate.Config{}
	if p.Folder == "" {
		var err error
		if config, err = ReadConfig(dir); err != nil {
			return nil, err
		}
		if Running(ctx, dir) {
			return nil, fail(Locked, `stop "comity serve" first: it takes the directory for itself`, "a node runs on %s", dir)
		}
		lock, err := operate.TakeLock(l)
		if err != nil {
			return nil, explain(err)
		}
		defer func() { _ = lock.Release() }() // the process ends soon
	}
	paths, err := p.paths(l, config)
	if err != nil {
		return nil, err
	}
	source := ""
	change := operate.Change{Holder: p.Holder, Paths: paths, New: p.New, Old: func() (pass *seal.Passphrase, err error) {
		pass, source, err = p.Old.Find(p.Holder, config)
		return pass, err
	}}
	changed, err := change.Run()
	var locked *operate.LockedError
	switch {
	case errors.As(err, &locked) && locked.Wrong:
		return nil, fail(NoPassphrase, fmt.Sprintf("give the passphrase that they have now: %s has another; after an interrupted change, that and the new one as before", source), "%v", err)
	case errors.As(err, &locked):
		return nil, fail(NoPassphrase, fmt.Sprintf("give the passphrase that they have now with --passphrase-file %s=FILE, or on a terminal; after an interrupted change, that and the new one as before", p.Holder), "%v", err)
	case err != nil:
		return nil, fail(Failed, fmt.Sprintf(`each file is either as it was or as it should be: type the command again; "comity doctor" shows where %s stand`, p.Holder.Of()), "%v", err)
	}
	return &Protected{Holder: p.Holder, Changed: changed, Files: len(paths)}, nil
}

func (p Protect) paths(l operate.Layout, c operate.Config) ([]string, error) {
	switch {
	case p.Folder != "" && p.Holder == operate.OfflineHolder:
		paths, err := operate.SecretsOn(p.Folder)
		if err != nil || len(paths) == 0 {
			return nil, fail(NotFound, "name the folder that the offline keys were moved to", "there is no key file in %s", p.Folder)
		}
		return paths, nil
	case p.Holder == operate.OfflineHolder:
		paths, err := l.Secrets(p.Holder)
		if err != nil || len(paths) == 0 {
			return nil, fail(NotFound, "if they were moved away, name the place with --folder", "there are no offline keys in %s", l.Offline())
		}
		return paths, nil
	case !slices.Contains(l.Holders(c), p.Holder):
		return nil, fail(Usage, "name one of "+joined(l.Holders(c)), "this node has no keys of %q", string(p.Holder))
	}
	return l.Secrets(p.Holder)
}
