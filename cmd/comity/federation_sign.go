package main

import (
	stdbytes "bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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
on a machine of their own. Those of a state that is new in an edition: call that state,
at a number that you knew before. On a terminal you are asked; elsewhere give what you
heard with --words, once for each, the twelve words in quotation marks.

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
	c.Flags().BoolVar(&s.instead, "instead", false, "another draft with this number, which was signed here, has been given up")
	return c
}

func (p *program) signDraft(ctx context.Context, path string, s signing) error {
	data, err := p.readInput(path, federation.MaxPaper)
	if err != nil {
		return err
	}
	d, err := federation.ReadDraft(data)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
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
	if err := p.compareDraft(ctx, d, s.heard); err != nil {
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
	return p.giveBack(d, path, s.out, who)
}

// compareDraft has all words compared that the draft rests on.
func (p *program) compareDraft(ctx context.Context, d *federation.Draft, heard []string) error {
	var all []*control.Introduction
	if r := d.Root(); r != nil {
		all = append(all, &control.Introduction{Name: "another steward", Words: r.Words(), Digits: r.Digits()})
	}
	for _, a := range newStates(d) {
		i, err := introductionOf(a.State)
		if err != nil {
			return err
		}
		i.Name = "state " + string(i.State)
		all = append(all, i)
	}
	for _, h := range heard {
		if len(all) == 0 {
			break // what follows by itself
		}
		if err := checkHeard(h, all[0]); err != nil {
			return err
		}
	}
	stray := slices.ContainsFunc(heard, func(h string) bool {
		return !slices.ContainsFunc(all, func(i *control.Introduction) bool { return i.Confirms(h) })
	})
	for _, i := range all {
		if err := p.compareOne(ctx, i, heard, stray); err != nil {
			return err
		}
	}
	return nil
}

// checkHeard refuses what cannot be anybody's words: too few, or those of two in one.
func checkHeard(heard string, like *control.Introduction) error {
	wanted, digits := len(like.Words), len(strings.ReplaceAll(like.Digits, " ", ""))
	fields := strings.Fields(heard)
	has, right := count(len(fields), "word"), len(fields) == wanted
	if n := strings.Join(fields, ""); strings.Trim(n, "0123456789") == "" {
		has, right = count(len(n), "digit"), len(n) == digits
	}
	if right {
		return nil
	}
	return misuse(`give those of each in quotation marks, with a --words of their own: --words "…" --words "…"`,
		"not signed: %q has %s, and %d are wanted, or %d digits", heard, has, wanted, digits)
}

// compareOne has one's words compared. Stray says that something was heard which are
// nobody's words here.
func (p *program) compareOne(ctx context.Context, i *control.Introduction, heard []string, stray bool) error {
	if slices.ContainsFunc(heard, i.Confirms) {
		return nil
	}
	if stray {
		return problem("call again, at a number that you knew before; sign nothing as long as they differ", "not signed: none of the words given are those of %s", i.Name)
	}
	if !isTerminal(p.stdin) {
		return misuse(`give what was read to you, once for each: --words "…"`, "there is nobody at a terminal to compare the words of %s", i.Name)
	}
	yes, err := p.confirmed(ctx, fmt.Sprintf("Did %s read exactly these words to you: %s … %s? [y/N] ", i.Name, i.Words[0], i.Words[len(i.Words)-1]))
	if err != nil {
		return err
	}
	if !yes {
		return problem("call them at a number that you knew before, and compare", "not signed: the words of %s were not confirmed", i.Name)
	}
	return nil
}

// giveBack writes the signed copy.
func (p *program) giveBack(d *federation.Draft, path, out string, who federation.StewardName) error {
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
	p.say("Lock the medium with the keys away again.")
	return nil
}
