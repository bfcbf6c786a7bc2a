package main

import (
	"slices"

	"comity/node/control"
	"comity/node/federation"
	"comity/protocol"
	"comity/protocol/record"
)

// draftView is a draft for programs.
type draftView struct {
	Kind      federation.Kind          `json:"kind"`
	Number    int64                    `json:"number"`
	Ends      protocol.Time            `json:"ends"`
	Content   protocol.Digest          `json:"content_sha256"` // of what is signed
	Words     []string                 `json:"words,omitempty"`
	Stewards  []federation.Steward     `json:"stewards"`
	Threshold int                      `json:"threshold"`
	Adds      []addedView              `json:"adds,omitempty"`
	Signed    []federation.StewardName `json:"signed"`
	Missing   []string                 `json:"missing,omitempty"`
	Published bool                     `json:"published"`
	Path      string                   `json:"path,omitempty"`
	Behind    int64                    `json:"medium_from_before_root,omitempty"` // with which it was signed; 0: the medium is no old copy
}

// addedView is a record that a draft adds. First says that its state is new, so
// that only the words tell whose it is.
type addedView struct {
	State  protocol.StateID `json:"state"`
	Record int64            `json:"record"`
	First  bool             `json:"first"`
	Words  []string         `json:"words"`
	Handed []string         `json:"handed_over,omitempty"` // whose offline key is another one
	Passed []int64          `json:"passed_over,omitempty"` // listed records that the state never signed
}

func viewOf(d *federation.Draft, path string, published bool) (*draftView, error) {
	content, err := d.Content()
	if err != nil {
		return nil, err
	}
	v := &draftView{
		Kind: d.Kind(), Number: d.Number(), Ends: protocol.At(d.Ends()), Content: content, Stewards: d.Council().Stewards, Threshold: d.Council().Threshold,
		Signed: d.Signers(), Missing: d.Missing(), Published: published, Path: path,
	}
	if v.Signed == nil {
		v.Signed = []federation.StewardName{}
	}
	if r := d.Root(); r != nil {
		v.Words = r.Words()
	}
	for _, a := range d.Added() {
		added := addedView{a.State.Ref().State, a.State.Ref().Sequence, a.Before == nil, a.State.Words(), a.HandedOver(), nil}
		for _, i := range a.Passed {
			added.Passed = append(added.Passed, i.Sequence)
		}
		v.Adds = append(v.Adds, added)
	}
	return v, nil
}

// showDraft tells what a draft would change, as a steward's own program sees it.
func (p *program) showDraft(d *federation.Draft) error {
	if d.Kind() == federation.RootKind {
		p.showRoot(d)
		return nil
	}
	return p.showEdition(d)
}

func (p *program) showRoot(d *federation.Draft) {
	now, before := d.Council(), d.Former()
	if before == nil {
		p.say("This is a draft of root 1, with which a federation begins.")
	} else {
		p.say("This is a draft of root %d, which takes the place of root %d.", d.Number(), d.Number()-1)
	}
	if d.OnlyRenews() {
		p.say("It changes nothing: it only renews the root, so that it does not end.")
	}
	for _, s := range now.Stewards {
		p.say("  steward     %s%s", s.Name, changed(s, before))
	}
	if before != nil {
		for _, s := range before.Stewards {
			if _, stays := now.Steward(s.Name); !stays {
				p.say("  leaves      %s", s.Name)
			}
		}
	}
	p.say("  signatures  %d of %d together, for a root and for an edition", now.Threshold, len(now.Stewards))
	p.say("  online key  %.16s…%s", now.Online, map[bool]string{true: ", another one than before"}[before != nil && before.Online != now.Online])
	p.say("  ends        %s UTC", moment(protocol.At(d.Ends())))
	if now.Threshold == len(now.Stewards) {
		p.say("\nALL of them must sign: nothing can be published as long as one is away, and once one has lost")
		p.say("a root key no root can follow this one, so that the federation ends with it. Better have more")
		p.say("stewards than must sign.")
	}
	r := d.Root()
	p.say("\nIts words, which the stewards compare by telephone before they sign, and later whoever joins:\n")
	p.words(r.Words(), r.Digits())
	p.say("")
}

// changed says what a root has other for a steward than the one before.
func changed(s federation.Steward, before *federation.Council) string {
	if before == nil {
		return ""
	}
	was, there := before.Steward(s.Name)
	switch {
	case !there:
		return ", new"
	case was == s:
		return ""
	case was.Root == s.Root:
		return ", with a new edition key"
	case was.Edition == s.Edition:
		return ", with a new root key"
	}
	return ", with new keys"
}

func (p *program) showEdition(d *federation.Draft) error {
	after := ", the first one"
	if before := d.Before(); before != nil {
		after = ", after one with " + recordsOf(before)
	}
	p.say("This is a draft of edition %d%s. It takes nothing back, and adds", d.Number(), after)
	if len(d.Added()) == 0 {
		p.say("  nothing: it only renews the edition, so that it does not end.")
	}
	for _, a := range d.Added() {
		r := a.State.Record()
		for _, i := range a.Passed {
			p.say("  Record %d of state %s is listed, and DOES NOT FOLLOW from the records before it: stewards signed what the state had not. It is passed over.", i.Sequence, i.State)
		}
		if a.Before != nil {
			p.say("  record %d of state %s (%s); it follows from record %d, which is listed", r.Sequence, r.State, name(inAll(r.Name)), a.Before.Ref().Sequence)
			for _, of := range a.HandedOver() {
				p.say("    %s has ANOTHER OFFLINE KEY, to which the one before handed over: call, and ask", of)
			}
			continue
		}
		p.say("  state %s (%s), with record %d, NEW HERE", r.State, name(inAll(r.Name)), r.Sequence)
	}
	p.say("It ends on %s UTC.", moment(protocol.At(d.Ends())))
	for _, a := range newStates(d) {
		i, err := introductionOf(a.State)
		if err != nil {
			return err
		}
		p.say("\nState %s is new. Call it at a number that you knew before: if the record is theirs, they read\n", i.State)
		p.words(i.Words, i.Digits)
	}
	p.say("")
	return nil
}

// recordsOf says how much an edition lists. Each change of a state is a record more.
func recordsOf(e *federation.Edition) string {
	return count(len(e.Items()), "record") + " of " + count(e.States(), "state")
}

// newStates are the additions of which only words tell whose they are.
func newStates(d *federation.Draft) []federation.Addition {
	return slices.DeleteFunc(slices.Clone(d.Added()), func(a federation.Addition) bool { return a.Before != nil })
}

// introductionOf is a verified record as people compare it.
func introductionOf(s *record.State) (*control.Introduction, error) {
	file, err := record.EncodeIntroduction(s.Signed())
	if err != nil {
		return nil, err
	}
	return control.ReadIntroduction(file)
}

// progress says who has signed, and who is missing.
func (p *program) progress(d *federation.Draft) {
	p.signedBy(d)
	missing := d.Missing()
	for _, m := range missing {
		p.say("Still to sign: %s.", m)
	}
	if len(missing) == 0 {
		p.say("Enough have signed: nobody else must.")
	}
}

func (p *program) signedBy(d *federation.Draft) {
	by := "nobody yet"
	if all := d.Signers(); len(all) > 0 {
		by = joined(all)
	}
	p.say("Signed by %s.", by)
}

// handOut tells the registrar what is to be handed to whom.
func (p *program) handOut(d *federation.Drafted) error {
	if p.json {
		v, err := viewOf(d.Draft, d.Path, false)
		if err != nil {
			return err
		}
		return p.object(v)
	}
	if err := p.showDraft(d.Draft); err != nil {
		return err
	}
	if d.Already {
		p.say("It was drafted before; nothing has changed.")
	}
	p.progress(d.Draft)
	p.say("\nHand this file to the stewards, each a copy, or to one after the other:\n  %s", d.Path)
	p.say("Each looks at it and types: comity federation sign %s.json --keys FOLDER", d.Name())
	p.say("With what they give back, type: comity federation collect FILE … --dir %s", quoted(p.dir))
	return nil
}
