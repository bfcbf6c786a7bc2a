package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"comity/crypto/keys"
	"comity/crypto/seal"
	"comity/node/control"
	"comity/node/federation"
	"comity/node/operate"
	"comity/protocol"
)

// federationGroup is what stewards and the registrar of a federation type. None of
// it needs a node.
func (p *program) federationGroup() *cobra.Command {
	c := group("federation", "For stewards: found a federation, list states, renew keys", "peers",
		p.federationKeys(), p.federationShow(), p.federationSign(),
		p.federationCreate(), p.federationAdd(), p.federationChange(), p.federationCollect(), p.federationGiveUp(), p.federationStamp(), p.federationStatus())
	c.Long = `A federation is states that share a directory of their records. Stewards sign it:
persons of several states, each with two keys on a medium of their own, in a safe.
No steward can do anything alone, and all of them together cannot put another
record in the place of one that a state signed.

A registrar keeps the folder of the federation (--dir FOLDER), drafts what stewards
are to sign, collects the signatures, and publishes. The registrar also has the
online key, which only says which edition is the newest, and is trusted with
nothing else.

Each steward:     comity federation keys, comity federation show, comity federation sign
The registrar:    all the others; "comity federation status" says what is to be done next

Any of these may be typed again when it was interrupted.`
	c.PersistentFlags().StringVar(&p.dir, "dir", "", "`FOLDER` of the federation, which its registrar keeps; keys, show and sign do without")
	return c
}

// registry opens the folder of the federation, and closes it again.
func (p *program) registry(open func(dir string) (*federation.Registry, error), use func(*federation.Registry) error) error {
	if p.dir == "" {
		return misuse("name it: --dir FOLDER", "which federation is meant?")
	}
	r, err := open(p.dir)
	if err == nil {
		err = errors.Join(use(r), r.Close())
	}
	return p.federationError(err)
}

// federationError says what to do about what the stewards' side refuses.
func (p *program) federationError(err error) error {
	var shown *control.Error
	var open *federation.OpenError
	var card *federation.CardError
	switch {
	case err == nil || errors.As(err, &shown):
		return err
	case errors.Is(err, federation.ErrNoFederation):
		return problem("see whether --dir names the right folder; comity federation create CARD CARD … makes a new one", "there is no federation in %s", p.dir)
	case errors.Is(err, federation.ErrNoDraft):
		return problem(`"comity federation status" says what is published`, "%v", err)
	case errors.Is(err, federation.ErrBusy):
		return problem("wait for it to end, and type this again", "%v", err)
	case errors.As(err, &open):
		return problem(`hand it to the stewards, or take it off the table with "comity federation give-up"; "comity federation status" says who has signed`,
			"%v: only one draft is open at a time", err)
	case errors.As(err, &card):
		return problem(`the newest card has the largest number in its name; a steward makes the next one with: comity federation keys FOLDER --renew root (or edition). To renew the root alone, before it ends, type "comity federation change" without any card`,
			"%v", err)
	case errors.Is(err, federation.ErrOldCopy), errors.Is(err, federation.ErrLeft), errors.Is(err, federation.ErrNoSteward):
		return problem(mediumHint(err), "%s", sentenceOf(err))
	case errors.Is(err, seal.ErrPassphrase):
		return problem("type it again, or see whether --passphrase-file names the right file", "%v", err)
	case errors.Is(err, operate.ErrNoPassphrase), errors.Is(err, federation.ErrLocked):
		return problem("type the command on a terminal, or name a file with the passphrase: --passphrase-file steward=FILE for a steward's keys, online=FILE for the online key", "%v", err)
	case errors.Is(err, keys.ErrOpen):
		return problem("type the chmod that is named; where that changes nothing, or is not permitted, the medium has a file system without permissions, such as FAT: use one with ext4", "%v", err)
	case errors.Is(err, os.ErrPermission):
		return problem("see whether the folder is yours and can be written, and has a file system with permissions, such as ext4: FAT has none", "%v", err)
	case errors.Is(err, os.ErrNotExist):
		return problem("check the path, and whether the medium is there", "%v", err)
	}
	return federationRefusal(err)
}

// federationHints say what to do about a refusal.
var federationHints = map[protocol.Code]string{
	protocol.BadSignature:   "nothing was taken; ask for the file again, from whom it must come",
	protocol.WrongRole:      "nothing was signed or taken; call whoever gave you the file",
	protocol.Equivocation:   "sign and publish nothing; call the other stewards at numbers that you knew before",
	protocol.TooLarge:       "see whether it is the right file",
	protocol.Malformed:      "nothing was taken; ask for the file again, from whom it must come",
	protocol.Expired:        "ask for one of today; a draft that has ended is taken off the table with: comity federation give-up",
	protocol.DigestMismatch: "nothing was taken; bring the folder back from a copy, or from a mirror",
}

// mediumHint says what to do where a steward's keys do not count.
func mediumHint(err error) string {
	switch {
	case errors.Is(err, federation.ErrOldCopy):
		return "use the newest copy of the medium, and make the others anew from it; if it says the same, call the other stewards at numbers that you knew before"
	case errors.Is(err, federation.ErrLeft):
		return "the other stewards sign without you; a medium whose keys count no more is destroyed"
	}
	return "see whether --keys names your medium, and whether the file is of your federation; else call whoever gave it to you"
}

// sentenceOf is a refusal without its code, which may stand amid the text, or any other
// error as it is.
func sentenceOf(err error) string {
	code := protocol.CodeOf(err)
	if code == "" {
		return err.Error()
	}
	return strings.Replace(err.Error(), string(code)+": ", "", 1)
}

func federationRefusal(err error) error {
	code, message := protocol.CodeOf(err), sentenceOf(err)
	if code == protocol.Equivocation {
		return &control.Error{Code: control.Integrity, Message: message, Hint: federationHints[code]}
	}
	return problem(federationHints[code], "%s", message)
}

// unlocking finds the passphrase of keys that are protected, or are to be: from a
// file, a systemd credential, or a person, who types a new one twice. Nobody is
// asked where the keys lie open on purpose.
func (p *program) unlocking(ctx context.Context, h operate.Holder, made, open bool) (federation.Unlock, error) {
	from, err := p.passphrases(ctx, []operate.Holder{h})
	if err != nil {
		return nil, err
	}
	if open && (len(p.passphraseFiles) > 0) {
		return nil, misuse("leave one of the two away", "--unprotected and --passphrase-file contradict each other")
	}
	return func() (*seal.Passphrase, error) {
		if open {
			return nil, nil
		}
		if !made {
			from.Ask = nil // a new one is asked for twice
		}
		pass, _, err := from.Find(h, operate.Config{})
		switch {
		case err == nil:
			return pass, nil
		case !errors.Is(err, operate.ErrNoPassphrase):
			return nil, badPassphrase(err)
		case !made:
			return p.newPassphrase(ctx, h, "", fmt.Sprintf("--passphrase-file %s=FILE (or --unprotected)", h))
		}
		return nil, err
	}, nil
}

// cards reads the files of stewards' cards.
func (p *program) cards(paths []string) (all []federation.Steward, err error) {
	for _, path := range paths {
		data, err := p.readInput(path, federation.MaxCard)
		if err != nil {
			return nil, err
		}
		s, err := federation.DecodeCard(data)
		if err != nil {
			return nil, problem("a card is the file that a steward got from: comity federation keys FOLDER --name NAME", "%s is no steward's card: %s", path, plain(err))
		}
		all = append(all, s)
	}
	return all, nil
}
