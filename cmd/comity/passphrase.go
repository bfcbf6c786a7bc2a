package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/term"

	"comity/crypto/keys"
	"comity/crypto/seal"
	"comity/node/control"
	"comity/node/operate"
)

// aboutPassphrases is the flag that every command knows.
const aboutPassphrases = "`[WHOSE=]FILE` with the passphrase of protected keys; WHOSE is node, offline, office-AUTHORITY or act-AUTHORITY (default: all but offline), or steward or online in a federation; repeatable" //nolint:gosec // a help text

// passphrases are where a command finds the passphrases of protected keys. On a
// terminal the person is asked last. A passphrase is never a word of the command
// line nor of the environment, where other programs could read it.
//
// A file for anybody but the holders given is refused: it would be ignored, and the
// keys that it was meant for stay locked. Without any holders, all are let pass.
func (p *program) passphrases(ctx context.Context, holders []operate.Holder) (*operate.Passphrases, error) {
	from := &operate.Passphrases{Files: map[operate.Holder]string{}, Credentials: p.env["CREDENTIALS_DIRECTORY"]}
	for _, word := range p.passphraseFiles {
		h, path, err := holderOf(word)
		if err != nil {
			return nil, err
		}
		if h != "" && holders != nil && !slices.Contains(holders, h) {
			return nil, misuse("it has "+joined(holders), "--passphrase-file: there are no keys of %s in this node", h)
		}
		if before, twice := from.Files[h]; twice {
			return nil, misuse("", "--passphrase-file names both %s and %s for the same keys", before, path)
		}
		full, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		from.Files[h] = full
	}
	if isTerminal(p.stdin) {
		from.Ask = func(h operate.Holder) (string, error) { return p.askPassphrase(ctx, "Passphrase for "+h.Of()) }
	}
	return from, nil
}

// holdersIn are the holders of a node's keys, and the offline ones wherever they
// are; nil when there is no node that says so.
func holdersIn(dir string) []operate.Holder {
	config, err := control.ReadConfig(dir)
	if err != nil {
		return nil // whoever opens it says why
	}
	holders := operate.Layout{Dir: dir}.Holders(config)
	if !slices.Contains(holders, operate.OfflineHolder) {
		holders = append(holders, operate.OfflineHolder)
	}
	return holders
}

// holderOf splits WHOSE=FILE; a word without a holder is a path.
func holderOf(word string) (operate.Holder, string, error) {
	before, path, found := strings.Cut(word, "=")
	h := operate.Holder(before)
	switch {
	case !found || strings.Contains(before, "/"):
		return "", word, nil
	case h == operate.NodeHolder || h == operate.OfflineHolder || h == operate.StewardHolder || h == operate.OnlineHolder || strings.HasPrefix(before, "office-") || strings.HasPrefix(before, "act-"):
		return h, path, nil
	}
	return "", "", misuse("a file whose name has = in it is written ./"+word,
		"--passphrase-file: %s is no holder: want node, office-NAME, act-NAME or offline, in a federation steward or online", before)
}

// askPassphrase reads a passphrase from the terminal without showing it; an
// empty one is none.
func (p *program) askPassphrase(ctx context.Context, what string) (string, error) {
	terminal, ok := p.stdin.(*os.File)
	if !ok || !isTerminal(terminal) {
		return "", operate.ErrNoPassphrase
	}
	before, err := term.GetState(int(terminal.Fd()))
	if err != nil {
		return "", err
	}
	fmt.Fprintf(p.stderr, "%s: ", what)
	type line struct {
		text []byte
		err  error
	}
	read := make(chan line, 1)
	go func() { // ends with the line, or with the process
		text, err := term.ReadPassword(int(terminal.Fd()))
		read <- line{text, err}
	}()
	select {
	case l := <-read:
		fmt.Fprintln(p.stderr)
		if l.err == nil && len(l.text) == 0 {
			l.err = operate.ErrNoPassphrase
		}
		return string(l.text), l.err
	case <-ctx.Done():
		fmt.Fprintln(p.stderr)
		return "", errors.Join(ctx.Err(), term.Restore(int(terminal.Fd()), before))
	}
}

// newPassphrase gets a passphrase that keys are to have: from a file, or typed twice.
func (p *program) newPassphrase(ctx context.Context, h operate.Holder, path, flag string) (*seal.Passphrase, error) {
	if path != "" {
		text, err := keys.ReadPassphrase(path)
		if err != nil {
			return nil, badPassphrase(err)
		}
		pass, err := seal.NewPassphrase(text)
		if err != nil {
			return nil, badPassphrase(fmt.Errorf("the passphrase from %s: %w", path, err))
		}
		return pass, nil
	}
	text, err := p.askPassphrase(ctx, "New passphrase for "+h.Of())
	if errors.Is(err, operate.ErrNoPassphrase) {
		return nil, misuse(fmt.Sprintf("give %s, or type the command on a terminal", flag), "there is no new passphrase for %s", h.Of())
	} else if err != nil {
		return nil, err
	}
	pass, err := seal.NewPassphrase(text)
	if err != nil {
		return nil, badPassphrase(err)
	}
	again, err := p.askPassphrase(ctx, "The same again")
	if err != nil && !errors.Is(err, operate.ErrNoPassphrase) {
		return nil, err
	}
	if again != text {
		return nil, problem("type the command again", "the two are not the same; nothing was changed")
	}
	return pass, nil
}

// badPassphrase adds what to do about a passphrase, or a file of one, that
// cannot be taken. About the mode of a file the error itself says it.
func badPassphrase(err error) error {
	hint := ""
	switch {
	case errors.Is(err, os.ErrNotExist):
		hint = `check the path; "comity key passphrase FILE" makes such a file`
	case errors.Is(err, seal.ErrWeak):
		hint = fmt.Sprintf("choose one of %d characters or more that no book has, or let \"comity key passphrase FILE\" make one", seal.MinPassphrase)
	}
	return problem(hint, "%v", err)
}
