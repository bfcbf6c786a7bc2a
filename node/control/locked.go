package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"comity/node/office"
	"comity/node/operate"
	"comity/protocol"
)

// explainLocked says how to give the passphrase of keys that stayed closed, and
// what goes on without it.
func explainLocked(l *operate.LockedError, err error) *Error {
	h := string(l.Holder)
	give := fmt.Sprintf("give it as the systemd credential comity-%s, as passphrase_files.%s in comity.toml, with --passphrase-file %s=FILE, or on a terminal", h, h, h)
	var hint string
	switch {
	case l.Mixed:
		hint = fmt.Sprintf("a change of the passphrase was interrupted: stop the node and type \"comity key protect %s\" again, with the same passphrases before and after", h)
	case l.Wrong && l.Source == operate.Terminal:
		hint = "type the command again, with the passphrase of " + l.Holder.Of()
	case l.Wrong:
		hint = fmt.Sprintf("see whether %s is the file of %s; --passphrase-file %s=FILE names another", l.Source, l.Holder.Of(), h)
	case l.Holder == operate.NodeHolder:
		hint = give + `; without it the node cannot run, and "comity inbox", "comity show", "comity peer list", "comity parcel export" and "comity log check" work`
	case strings.HasPrefix(h, "act-"):
		hint = fmt.Sprintf("type the command on a terminal, where it asks for the passphrase, or add --passphrase-file %s=FILE", h)
	case l.Holder == operate.OfflineHolder:
		hint = fmt.Sprintf("add --passphrase-file %s=FILE, or type the command on a terminal", h)
	default:
		hint = give + `, and start "comity serve" again; until then the node takes, delivers and keeps parcels, and what arrives for this office waits`
	}
	e := fail(NoPassphrase, hint, "%v", err)
	e.Holder = l.Holder
	return e
}

// acting returns the office for an act of a person: with the act key that the
// passphrase opens, if one came with the request. Keys are opened one after the other,
// so each authority has its turns: who tries many passphrases delays its own people.
func (s *Service) acting(ctx context.Context, o *office.Office, given operate.Given) (*office.Office, error) {
	if given.Text == "" {
		return o, nil
	}
	leave, err := s.turns.enter(ctx, o.Authority())
	if err != nil {
		return nil, err
	}
	defer leave()
	key, err := s.node.ActKey(o.Authority(), given)
	if err != nil {
		return nil, err
	}
	return o.By(key), nil
}

// lockedOffices are those of a running node whose passphrase is missing or
// wrong. A command that only looks has not asked for any.
func (s *Service) lockedOffices() []protocol.AuthorityID {
	if !s.running {
		return nil
	}
	var all []protocol.AuthorityID
	for _, a := range s.node.Config.Authorities {
		if s.node.Locked[operate.OfficeHolder(a)] != nil {
			all = append(all, a)
		}
	}
	return all
}

// acting does an act of a person, and once more with a passphrase if the act
// key is locked. The passphrase goes to the node for this one act.
func (c *Client) acting(do func(given operate.Given) error) error {
	err := do(operate.Given{})
	var e *Error
	if !errors.As(err, &e) || e.Code != NoPassphrase || !strings.HasPrefix(string(e.Holder), "act-") || c.passphrases == nil {
		return err
	}
	text, source, textErr := c.passphrases.Text(e.Holder, operate.Config{})
	switch {
	case errors.Is(textErr, operate.ErrNoPassphrase):
		return err
	case errors.Is(textErr, fs.ErrNotExist):
		return fail(NotFound, "check the path", "%v", textErr)
	case textErr != nil:
		return explain(textErr)
	}
	return do(operate.Given{Text: text, Source: source})
}

// checkLocked says which keys stayed closed.
func (s *Service) checkLocked(each func(Check)) {
	for _, h := range s.node.Layout.Holders(s.node.Config) {
		if s.party != "" && h != operate.OfficeHolder(s.party) && h != operate.ActHolder(s.party) {
			continue
		}
		l := s.node.Locked[h]
		switch {
		case l == nil:
		case strings.HasPrefix(string(h), "act-") && !l.Wrong:
			each(good("passphrases", "%s is asked for when a person acts", h.Of()))
		default:
			e := explainLocked(l, l)
			each(bad("passphrases", e.Hint, "%s", e.Message))
		}
	}
}

// protection says which keys a passphrase protects.
func protection(l operate.Layout, c operate.Config) []Check {
	const name = "key files"
	var protected, open []string
	var checks []Check
	for _, h := range l.Holders(c) {
		p, err := l.ProtectionOf(h)
		switch {
		case err != nil:
			checks = append(checks, bad(name, "restore the key files from their backup", "%v", err))
		case p.Protected == p.Files:
			protected = append(protected, h.Of())
		case p.Protected > 0:
			checks = append(checks, bad(name, fmt.Sprintf("a change was interrupted: stop the node and type \"comity key protect %s\" again, or \"comity key unprotect %s\"", h, h),
				"%s: %d of %d files are protected", h.Of(), p.Protected, p.Files))
		default:
			open = append(open, h.Of())
		}
	}
	if len(protected) > 0 {
		checks = append(checks, good(name, "protected by a passphrase: %s", strings.Join(protected, ", ")))
	}
	if len(open) > 0 {
		checks = append(checks, good(name, "without a passphrase, so that the disk and its copies must be kept safe: %s", strings.Join(open, ", ")))
	}
	for h, path := range c.PassphraseFiles {
		if l.Contains(path) {
			checks = append(checks, warn(name, "move the file elsewhere, and change passphrase_files in comity.toml",
				"the passphrase for %s stands beside the keys, in %s: whoever copies the directory has both", h.Of(), path))
		}
	}
	return checks
}
