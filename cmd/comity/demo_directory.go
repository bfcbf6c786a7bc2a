package main

import (
	"context"
	"path/filepath"
	"slices"

	"comity/node/control"
	"comity/node/operate"
	"comity/protocol"
	"comity/protocol/directory"
	"comity/protocol/record"
)

// federated are the authorities that take part, in turns, and what each tells of itself.
var federated = []struct {
	authority, title string
	articles         []string // of the UNTOC
	functions        []record.Term
	languages        []string // the one it likes best first
}{
	{"central-authority", "Central Authority", []string{"18"}, []record.Term{"mutual-legal-assistance"}, []string{"fr", "en"}},
	{"prosecution-service", "Prosecution Service", []string{"18", "21"}, []record.Term{"mutual-legal-assistance", "transfer-of-proceedings"}, []string{"en", "es"}},
	{"ministry-of-justice", "Ministry of Justice", []string{"16", "17"}, []record.Term{"extradition", "sentenced-persons"}, []string{"fr", "ar"}},
	{"court-of-appeal", "Court of Appeal", []string{"16"}, []record.Term{"extradition"}, []string{"es", "fr"}},
	{"attorney-general", "Office of the Attorney General", []string{"16", "18"}, []record.Term{"extradition", "mutual-legal-assistance"}, []string{"ar", "en"}},
}

// tell publishes what the authority of a side is competent for, as "comity directory
// publish" does: its own offline key signs it, and its state's.
func (d *federationDemo) tell(ctx context.Context, s *side, n int) error {
	of := federated[n%len(federated)]
	entry := operate.EntryOf(s.record.Members()[0].Document())
	p := &entry.Particulars
	p.Competences = []record.Competence{{Instrument: "UNTOC", Articles: of.articles, Functions: of.functions}}
	for _, l := range of.languages {
		p.Languages = append(p.Languages, record.Language{Language: l})
	}
	var err error
	s.record, err = operate.Publish(ctx, operate.PublishPlan{
		Amendment: operate.Amendment{Dir: s.dir, Offline: filepath.Join(s.dir, "offline")}, Entry: entry,
	})
	if err != nil {
		return err
	}
	d.told(s, p)
	return nil
}

// searches are what an officer of the first state asks the directory.
var searches = []struct {
	words string
	directory.Question
}{
	{"Who takes a request for extradition, by article 16 of the UNTOC, in French?", directory.Question{For: "extradition", Article: "16", Language: "fr"}},
	{`The officer types "ministri of justise", with an error in each word:`, directory.Question{Text: []string{"ministri", "of", "justise"}}},
}

// look asks them at a node that knows nothing but the directory, and sees that exactly
// those answer who should.
func (d *federationDemo) look(ctx context.Context) error {
	d.chapter("An officer of state A looks for the right authority")
	d.say("All that follows is known from the directory, and signed by whom it is about.")
	for _, q := range searches {
		found, err := d.sides[0].node.Find(ctx, control.FindRequest{Question: q.Question})
		if err != nil {
			return err
		}
		var got []protocol.AuthorityID
		for _, h := range found.Hits {
			got = append(got, h.Authority)
		}
		slices.Sort(got)
		if want := d.fitting(q.Question); !slices.Equal(got, want) {
			return integrity("%s: %v, want %v", q.words, got, want)
		}
		d.foundBy(q.words, found)
	}
	return nil
}

// fitting are the authorities that a question should find, by their order.
func (d *federationDemo) fitting(q directory.Question) (all []protocol.AuthorityID) {
	for n, s := range d.sides {
		of := federated[n%len(federated)]
		fits := of.authority == "ministry-of-justice"
		if len(q.Text) == 0 {
			fits = slices.Contains(of.functions, record.Term(q.For)) && slices.Contains(of.articles, q.Article) && slices.Contains(of.languages, q.Language)
		}
		if fits {
			all = append(all, s.authority)
		}
	}
	slices.Sort(all)
	return all
}

func (d *federationDemo) told(s *side, p *record.Particulars) {
	d.step(step{Step: "tell", Side: s.state, Authority: s.authority})
	d.say("         %s; it takes %s", competence(p.Competences[0]), languagesOf(p.Languages))
}

func (d *federationDemo) foundBy(words string, f *control.Found) {
	d.say("")
	d.say("%s", words)
	for _, h := range f.Hits {
		d.step(step{Step: "find", Side: d.sides[0].state, Authority: h.Authority})
		d.say("   %s, %s (%s), which takes %s", inAll(h.Name), inAll(h.StateName), h.Authority, languagesOf(h.Particulars.Languages))
	}
}
