package main

import (
	"comity/node/control"
	"comity/node/federation"
)

// toCompare are all words that a draft rests on, shown before where the draft itself
// does not show them.
func (p *program) toCompare(safe *federation.Safe, d *federation.Draft) (all []*control.Introduction, err error) {
	if r := d.Root(); r != nil {
		return []*control.Introduction{{Name: "another steward", Words: r.Words(), Digits: r.Digits()}}, nil
	}
	known, err := safe.Knows(d)
	if err != nil {
		return nil, err
	}
	if r := d.InForce(); !known && r != nil {
		all = append(all, &control.Introduction{Name: "another steward", Words: r.Words(), Digits: r.Digits()})
		p.aside("Nothing of this federation was signed with these keys before. Call another steward at a number that\n"+
			"you knew before: if it is the federation that both of you mean, they read of its root %d\n", r.Number)
		p.asideWords(all[0])
	}
	unvouched, err := safe.Unvouched(d)
	if err != nil {
		return nil, err
	}
	if len(unvouched) > 0 {
		p.aside("The edition in force was signed with keys that root %d has taken back. Whoever has those can have listed\n"+
			"what was never seen on this medium. Call each of these states, or let a steward sign first who has seen them:\n", d.InForce().Number)
	}
	for n, a := range append(unvouched, newStates(d)...) {
		i, err := introductionOf(a.State)
		if err != nil {
			return nil, err
		}
		if n < len(unvouched) {
			p.aside("State %s reads of its record %d\n", i.State, i.Sequence)
			p.asideWords(i)
		}
		i.Name = "state " + string(i.State)
		all = append(all, i)
	}
	return all, nil
}

// aside says what is not in a draft itself; programs get none of it.
func (p *program) aside(format string, args ...any) {
	if !p.json {
		p.say(format, args...)
	}
}

func (p *program) asideWords(i *control.Introduction) {
	if !p.json {
		p.words(i.Words, i.Digits)
		p.say("")
	}
}
