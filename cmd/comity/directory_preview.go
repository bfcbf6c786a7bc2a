package main

import (
	"context"
	"fmt"
	"slices"

	"comity/node/control"
	"comity/node/operate"
	"comity/protocol/record"
)

// preview shows what officers abroad will see of an authority, before it is signed for
// ever, with what it replaces. At a terminal a person has to say yes.
func (p *program) preview(ctx context.Context, dir string, next *operate.EntryFile) error {
	own, err := operate.ReadRecord(operate.Layout{Dir: dir})
	if err != nil {
		return control.Explain(err)
	}
	m, ok := own.Authority(next.Authority)
	if !ok {
		return nil // refused where it would be signed
	}
	before, now := factsOf(operate.EntryOf(m.Document())), factsOf(next)
	p.say("Officers abroad will see of %s (+ is new, - is gone):", next.Authority)
	if changed := p.compared(before, now); !changed {
		p.say("Nothing of it changes: it is confirmed as of now.")
	}
	p.say("")
	if !isTerminal(p.stdin) {
		return nil
	}
	yes, err := p.confirmed(ctx, "Sign it? Every peer keeps it for ever. [y/N] ")
	if err == nil && !yes {
		err = problem("edit the file, and type the command again", "nothing was signed or published")
	}
	return err
}

// factsOf are the things that an entry tells.
func factsOf(e *operate.EntryFile) (f facts) {
	f.add("name", inAll(e.Name))
	listing := &control.Listing{}
	listing.Particulars = &e.Particulars
	f.particulars(listing)
	return f
}

// compared shows the facts that are told now among those that were, and reports whether
// they differ.
func (p *program) compared(before, now facts) (changed bool) {
	show := func(mark string, t fact) {
		for _, line := range t.lines {
			p.say("%s %s", mark, line)
		}
	}
	of := func(list facts, what string) fact {
		if i := slices.IndexFunc(list, func(t fact) bool { return t.what == what }); i >= 0 {
			return list[i]
		}
		return fact{}
	}
	for _, t := range now {
		was := of(before, t.what)
		if slices.Equal(was.lines, t.lines) {
			show(" ", t)
			continue
		}
		changed = true
		show("-", was)
		show("+", t)
	}
	for _, t := range before {
		if of(now, t.what).what == "" {
			changed = true
			show("-", t)
		}
	}
	return changed
}

// leftovers names the members whose values are still those of the example, which are
// data of nobody.
func leftovers(f *operate.EntryFile) (members []string) {
	e := exampleEntry()
	look := func(member string, has, example []string) {
		for i, v := range has {
			if slices.Contains(example, v) {
				members = append(members, fmt.Sprintf("%s.%d (%q)", member, i, v))
			}
		}
	}
	look("name", notesOf(f.Name), notesOf(e.Name))
	look("particulars.territory", notesOf(f.Particulars.Territory), notesOf(e.Particulars.Territory))
	if o := f.Particulars.Originals; o != nil {
		look("particulars.originals.waived", instrumentsOf(o.Waived), instrumentsOf(e.Particulars.Originals.Waived))
	}
	if d := f.Particulars.Desk; d != nil {
		look("particulars.desk.phones", d.Phones, e.Particulars.Desk.Phones)
		look("particulars.desk.mailboxes", d.Mailboxes, e.Particulars.Desk.Mailboxes)
	}
	look("particulars.contact.post", f.Particulars.Contact.Post, e.Particulars.Contact.Post)
	look("particulars.contact.phones", f.Particulars.Contact.Phones, e.Particulars.Contact.Phones)
	look("particulars.contact.mailboxes", f.Particulars.Contact.Mailboxes, e.Particulars.Contact.Mailboxes)
	return members
}

func instrumentsOf(list []record.Waiver) []string {
	texts := make([]string, len(list))
	for i, w := range list {
		texts[i] = w.Instrument
	}
	return texts
}
