package main

import (
	stdbytes "bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"comity/node/control"
	"comity/node/federation"
	"comity/node/operate"
)

// signing is what a steward types.
type signing struct {
	keys, out string
	heard     []string
	asked     []string // whose other offline key was asked about
	instead   bool
}

func (p *program) federationSign() *cobra.Command {
	var s signing
	c := &cobra.Command{
		Use: "sign DRAFT --keys FOLDER", Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 && len(s.heard) > 0 {
				return nil // which RunE refuses
			}
			return words(1, 1)(c, args)
		},
		Short: "Steward: look at a draft, compare, and sign it",
		Long: `Shows what DRAFT would change, as this program itself finds it: the draft comes with
all that is needed, and nothing that the registrar says of it counts. It then signs
with the keys in FOLDER and writes a copy, to be given back to the registrar or on
to the next steward.

Words are compared first. Those of a root: call another steward, who sees the same
on a machine of their own; also those of the root in force, where you sign an edition
with keys that have signed nothing yet. Those of a state that is new in an edition: call that state,
at a number that you knew before. On a terminal you are asked; elsewhere give what you
heard with --words, once for each, the twelve words in quotation marks.

Where the offline key of a listed state or authority handed over to another one, call
them as well: a thief of the one before could have signed that. On a terminal you are
asked for each; elsewhere say --asked xb, once for each, and without it nothing is
signed. A draft with neither is signed on a terminal after one question, elsewhere at
once. "comity federation show DRAFT" only shows it.

Keys of yours that do not count are told before anything is asked. A copy of the medium
from before a renewal is named as that: its edition key may count still, but use the
newest copy, which alone knows what you have signed since.

What contradicts what was signed or seen with the same keys before is refused. A root
that you signed, and that was given up, leaves its number to the next draft: sign that
one with --instead, once another steward has told you by telephone that the first was
given up. If the others have published it without you, say --instead once at the next
draft that you sign. It is for nothing else.`,
		Example: `  comity federation sign root-1.json --keys /media/stick
  comity federation sign edition-3.json --keys /media/stick --words "ripple ocean … twelve words"`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return misuse(`put all of them in quotation marks: --words "ripple ocean …"`, "only %q was taken as what follows --words", s.heard[len(s.heard)-1])
			}
			if s.keys == "" {
				return misuse("name the medium with your keys: --keys FOLDER", "a draft is signed with a steward's keys")
			}
			return p.federationError(p.signDraft(c.Context(), args[0], s))
		},
	}
	c.Flags().StringVar(&s.keys, "keys", "", "`FOLDER` with the steward's keys")
	c.Flags().StringVarP(&s.out, "output", "o", "", "`FILE` to write (default: beside the draft, with the steward's name)")
	c.Flags().StringArrayVar(&s.heard, "words", nil, "the twelve `WORDS`, or the digits, that were read to you; repeatable")
	c.Flags().StringArrayVar(&s.asked, "asked", nil, "`WHO` has told you of another offline key: a state, or STATE/AUTHORITY; repeatable")
	c.Flags().BoolVar(&s.instead, "instead", false, "another draft with this number, which was signed here, has been given up")
	return c
}

func (p *program) signDraft(ctx context.Context, path string, s signing) error {
	d, err := p.readDraft(path)
	if err != nil {
		return err
	}
	safe, err := federation.OpenSafe(s.keys)
	if err != nil {
		return err
	}
	if !p.json {
		if err := p.showDraft(d); err != nil {
			return err
		}
	}
	if err := safe.Check(d, s.instead, time.Now()); err != nil {
		if safe.Check(d, true, time.Now()) == nil { // another one was signed here under its number
			return &control.Error{Code: control.Integrity, Message: sentenceOf(err), Hint: "sign nothing until another steward, called at a number that you knew before, " +
				"has told you that the one you signed was given up; then add --instead"}
		}
		return err
	}
	behind, err := p.warnOldCopy(safe, d)
	if err != nil {
		return err
	}
	if err := p.consent(ctx, safe, d, s); err != nil {
		return err
	}
	unlock, err := p.unlocking(ctx, operate.StewardHolder, true, false)
	if err != nil {
		return err
	}
	who, err := safe.Sign(d, s.instead, unlock, time.Now())
	if err != nil {
		return err
	}
	return p.giveBack(d, path, s.out, who, behind)
}

// warnOldCopy says loudly, and returns, from before which root the medium is a copy: a
// key of it counts, but what was signed and seen since stands on another one.
func (p *program) warnOldCopy(safe *federation.Safe, d *federation.Draft) (behind int64, err error) {
	behind, err = safe.Behind(d)
	if err == nil && behind > 0 && !p.json {
		p.say("THIS MEDIUM IS A COPY FROM BEFORE ROOT %d, which names other keys for you than its cards. Its %s key", behind, d.Kind())
		p.say("counts still, but what you have signed and seen since is not known here: stop, and use the newest copy.")
		p.say("If there is none, others have put keys in the place of yours: sign nothing, and call the other stewards.\n")
	}
	return behind, err
}

// readDraft reads and verifies the file of a draft.
func (p *program) readDraft(path string) (*federation.Draft, error) {
	data, err := p.readInput(path, federation.MaxPaper)
	if err != nil {
		return nil, err
	}
	d, err := federation.ReadDraft(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}

// giveBack writes the signed copy. Behind is from before which root the medium is a
// copy; 0: it is none.
func (p *program) giveBack(d *federation.Draft, path, out string, who federation.StewardName, behind int64) error {
	data, err := d.Bytes()
	if err != nil {
		return err
	}
	if out == "" {
		base := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(path), ".json"), "-"+string(who))
		out = filepath.Join(filepath.Dir(path), base+"-"+string(who)+".json")
	}
	if before, err := os.ReadFile(out); err != nil || !stdbytes.Equal(before, data) {
		if err := writeNew(out, data); err != nil {
			return err
		}
	}
	if p.json {
		v, err := viewOf(d, out, false)
		if err != nil {
			return err
		}
		v.Behind = behind
		return p.object(v)
	}
	if len(d.Missing()) == 0 {
		p.say("Signed as %s. Give this file back to the registrar, who publishes it with \"comity federation collect\":\n  %s", who, out)
		p.progress(d)
	} else {
		p.say("Signed as %s. Give this file back to the registrar, or on to the next steward:\n  %s", who, out)
		p.progress(d)
		p.say("Signatures on other copies count as well: the registrar puts them together.")
	}
	p.say("Lock the medium with the keys away again, and renew its second copy.")
	return nil
}
