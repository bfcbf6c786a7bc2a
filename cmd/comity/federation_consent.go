package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"comity/node/control"
	"comity/node/federation"
)

// consent has a steward compare and ask all that a draft rests on. On a terminal nothing
// is signed without a question.
func (p *program) consent(ctx context.Context, safe *federation.Safe, d *federation.Draft, s signing) error {
	handed := handedOver(d)
	for _, name := range s.asked {
		if !slices.ContainsFunc(handed, func(of string) bool { return isAsked(of, name) }) {
			return misuse("leave --asked away, or name whom the draft itself names", "no other offline key of %q is in this draft", name)
		}
	}
	words, err := p.compareWords(ctx, safe, d, s.heard)
	if err != nil {
		return err
	}
	keys, err := p.askHandedOver(ctx, handed, s.asked)
	if err != nil || words+keys > 0 || !p.asks() {
		return err
	}
	yes, err := p.confirmed(ctx, fmt.Sprintf("Sign %s %d, as it is shown here? [y/N] ", d.Kind(), d.Number()))
	if err == nil && !yes {
		err = problem("call the registrar if it is not what you expected", "not signed: %s %d was not confirmed", d.Kind(), d.Number())
	}
	return err
}

// handedOver are all in a draft whose offline key is another one than before.
func handedOver(d *federation.Draft) (all []string) {
	for _, a := range d.Added() {
		for _, of := range a.HandedOver() {
			if !slices.Contains(all, of) {
				all = append(all, of)
			}
		}
	}
	return all
}

// isAsked reports whether a person means one of them: "xb" is state xb.
func isAsked(of, name string) bool { return name == of || "state "+name == of }

// askHandedOver asks whether each of them has told the steward of another offline key,
// and counts the questions. A thief of the key before could have signed that it hands
// over, so nobody signs it by default.
func (p *program) askHandedOver(ctx context.Context, handed, asked []string) (questions int, err error) {
	for _, of := range handed {
		if slices.ContainsFunc(asked, func(name string) bool { return isAsked(of, name) }) {
			continue
		}
		if !p.asks() {
			return 0, misuse("call them at a number that you knew before; if they say so, give --asked "+strings.TrimPrefix(of, "state "),
				"%s to say whether %s has told you of another offline key", p.nobody(), of)
		}
		yes, err := p.confirmed(ctx, fmt.Sprintf("Has %s told you of another offline key, at a number that you knew before? [y/N] ", of))
		if err != nil {
			return 0, err
		}
		if !yes {
			return 0, problem("call them at a number that you knew before; if they know of no other key, the one before was stolen", "not signed: %s has told you of no other offline key", of)
		}
		questions++
	}
	return questions, nil
}

// compareWords has all words compared that the draft rests on, and counts the questions.
func (p *program) compareWords(ctx context.Context, safe *federation.Safe, d *federation.Draft, heard []string) (questions int, err error) {
	all, err := p.toCompare(safe, d)
	if err != nil {
		return 0, err
	}
	for _, h := range heard {
		if len(all) == 0 {
			break // what follows by itself
		}
		if err := checkHeard(h, all[0]); err != nil {
			return 0, err
		}
	}
	stray := slices.ContainsFunc(heard, func(h string) bool {
		return !slices.ContainsFunc(all, func(i *control.Introduction) bool { return i.Confirms(h) })
	})
	for _, i := range all {
		if slices.ContainsFunc(heard, i.Confirms) {
			continue
		}
		if err := p.compareOne(ctx, i, stray); err != nil {
			return 0, err
		}
		questions++
	}
	return questions, nil
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

// compareOne asks for one's words. Stray says that something was heard which are
// nobody's words here.
func (p *program) compareOne(ctx context.Context, i *control.Introduction, stray bool) error {
	if stray {
		return problem("call again, at a number that you knew before; sign nothing as long as they differ", "not signed: none of the words given are those of %s", i.Name)
	}
	if !p.asks() {
		return misuse(`give what was read to you, once for each: --words "…"`, "%s to compare the words of %s", p.nobody(), i.Name)
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
