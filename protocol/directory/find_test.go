package directory

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"comity/protocol"
	"comity/protocol/record"

	"github.com/google/go-cmp/cmp"
)

// authority makes a listing. Names stand as language=text.
func authority(id protocol.AuthorityID, state, name string, p *record.Particulars) Listing {
	l := Listing{
		Authority: id, State: id.State(), StateName: names(state), Name: names(name), Particulars: p,
		Network: &Network{Node: protocol.NodeID(id.State()), Record: 1}, Confirmed: protocol.At(now.Add(-time.Hour)),
	}
	if p == nil {
		l.Confirmed = protocol.Time{}
	}
	return l
}

func names(text string) (all []record.Name) {
	for one := range strings.SplitSeq(text, "|") {
		language, name, _ := strings.Cut(one, "=")
		all = append(all, record.Name{Language: language, Text: name})
	}
	return all
}

func competent(instrument, articles string, functions ...record.Term) record.Competence {
	return record.Competence{Instrument: instrument, Articles: strings.Fields(articles), Functions: functions}
}

// world is a small directory.
func world() []Listing {
	far := authority("xd/court", "en=State D", "en=Court of Appeal", &record.Particulars{
		Competences: []record.Competence{competent("UNTOC", "16", "extradition")}, Languages: []record.Language{{Language: "fr"}},
	})
	far.Network = nil
	old := authority("xe/prosecutor", "en=State E", "en=Prosecutor", &record.Particulars{
		Competences: []record.Competence{competent("UNTOC", "16", "extradition")}, Languages: []record.Language{{Language: "fr"}},
	})
	old.Confirmed = protocol.At(now.AddDate(-2, 0, 0))
	return []Listing{
		authority("pe/ministerio-publico", "es=Perú|en=Peru", "es=Ministerio Público — Fiscalía de la Nación", &record.Particulars{
			Competences: []record.Competence{competent("UNTOC", "18 18(13)", "mutual-legal-assistance"), competent("UNTOC bilateral", "16", "extradition")},
			Languages:   []record.Language{{Language: "es"}, {Language: "fr", UrgentOnly: true}},
		}),
		authority("eg/central-authority", "ar=مِصْر|en=Egypt", "ar=السُّلْطَة المَرْكَزِيَّة للتعاون القضائي|en=Central Authority", &record.Particulars{
			Competences: []record.Competence{competent("UNTOC", "16 17 18", "extradition", "mutual-legal-assistance", "sentenced-persons")},
			Languages:   []record.Language{{Language: "ar"}, {Language: "fr-CA"}},
		}),
		authority("de/bundesamt", "de=Bundesrepublik Straße|en=Germany", "de=Bundesamt für Justiz", &record.Particulars{
			Competences: []record.Competence{{Instrument: "Budapest Convention"}}, Languages: []record.Language{{Language: "de"}},
		}),
		authority("jp/moj", "ja=日本国|en=Japan", "ja=法務省刑事局国際課", nil),
		authority("pl/prokuratura", "pl=Rzeczpospolita Łódź", "pl=Prokuratura Krajowa", nil),
		far, old,
	}
}

func find(q Question) (ids []string, untold int) {
	hits, _, untold := Find(slices.Values(world()), q, now, 100)
	for _, h := range hits {
		ids = append(ids, string(h.Authority))
	}
	return ids, untold
}

// Accents, marks, case and one error in typing are forgiven; another word is not.
func TestFindForgives(t *testing.T) {
	for _, test := range []struct{ typed, want string }{
		{"Perú", "pe/ministerio-publico"},
		{"peru", "pe/ministerio-publico"},
		{"PERU\u0301", "pe/ministerio-publico"},
		{"fiscalia nacion", "pe/ministerio-publico"},
		{"fisclia", "pe/ministerio-publico"},  // a letter less
		{"ficsalia", "pe/ministerio-publico"}, // two that changed places
		{"fiskalia", "pe/ministerio-publico"}, // another letter
		{"fisscalia", "pe/ministerio-publico"},
		{"fisskalia", ""}, // two errors
		{"minist", "pe/ministerio-publico"},
		{"minsiterio publcio", "pe/ministerio-publico"}, // one error in each word
		{"مصر", "eg/central-authority"},
		{"مِصْر", "eg/central-authority"},
		{"السلطة المركزية", "eg/central-authority"},
		{"السُّلْطَة", "eg/central-authority"},
		{"سلطه", "eg/central-authority"},      // without the article, and with another spelling of its end
		{"السلـــطة", "eg/central-authority"}, // lengthened
		{"المركزبة", "eg/central-authority"},  // one error
		{"إلقضائي", "eg/central-authority"},
		{"fur justiz", "de/bundesamt"},
		{"STRASSE", "de/bundesamt"},
		{"法務省", "jp/moj"},
		{"国際", "jp/moj"},
		{"lodz", "pl/prokuratura"},
		{"budapest", "de/bundesamt"},
		{"pero", "pe/ministerio-publico"},
		{"per", "eg/central-authority pe/ministerio-publico"}, // persons, and Peru
		{"xyz", ""},
		{"egy", "eg/central-authority"},
		{"egx", ""}, // three letters are too few to forgive one
	} {
		ids, _ := find(Question{Text: []string{test.typed}})
		if got := strings.Join(ids, " "); got != test.want {
			t.Errorf("find %q: got %q, want %q", test.typed, got, test.want)
		}
	}
}

// Each part of a question has to fit; function and article under one instrument.
func TestFindQuestion(t *testing.T) {
	for _, test := range []struct {
		name   string
		q      Question
		want   string
		untold int
	}{
		{"by the letters of a state", Question{State: "pe"}, "pe/ministerio-publico", 0},
		{"letters are no beginning of a name", Question{State: "ge"}, "", 0},
		{"by the name of a state", Question{State: "perú"}, "pe/ministerio-publico", 0},
		{"by the name of a state with an error", Question{State: "Germny"}, "de/bundesamt", 0},
		{"by what it is for", Question{For: "sentenced-persons"}, "eg/central-authority", 3},
		{"in other words", Question{For: "Sentenced Person"}, "eg/central-authority", 3},
		{"with an error", Question{For: "extraditon", State: "pe"}, "pe/ministerio-publico", 0},
		{"function and article under one instrument", Question{For: "extradition", Article: "18", State: "pe"}, "", 0},
		{"article of another state", Question{For: "extradition", Article: "18"}, "eg/central-authority", 3},
		{"a paragraph of an article", Question{Article: "18(13)"}, "pe/ministerio-publico", 3},
		{"article 1 is not article 18", Question{Article: "1"}, "", 3},
		{"a kind of French is French", Question{Language: "fr", State: "eg"}, "eg/central-authority", 0},
		{"French is taken for a kind of it", Question{Language: "fr-CH", State: "xe"}, "xe/prosecutor", 0},
		{"none of its languages", Question{Language: "ru", State: "eg"}, "", 0},
		{"in the order of use", Question{Language: "fr"}, "eg/central-authority xe/prosecutor xd/court pe/ministerio-publico", 2},
		{"with those that have not told", Question{For: "sentenced-persons", Untold: true}, "eg/central-authority de/bundesamt jp/moj pl/prokuratura", 0},
		{"words and a function", Question{For: "extradition", Text: []string{"central"}}, "eg/central-authority", 0},
	} {
		ids, untold := find(test.q)
		if got := strings.Join(ids, " "); got != test.want || untold != test.untold {
			t.Errorf("%s: got %q and %d untold, want %q and %d", test.name, got, untold, test.want, test.untold)
		}
	}
}

// The order in which records come in changes nothing, and what is left off is counted.
func TestFindOrder(t *testing.T) {
	all := world()
	want, _, _ := Find(slices.Values(all), Question{}, now, 100)
	slices.Reverse(all)
	got, _, _ := Find(slices.Values(all), Question{}, now, 100)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("in another order (-first +reversed):\n%s", diff)
	}
	few, more, _ := Find(slices.Values(all), Question{}, now, 2)
	if diff := cmp.Diff(want[:2], few); diff != "" || more != len(all)-2 {
		t.Errorf("the first two, and %d more:\n%s", more, diff)
	}
}

// A word fits itself and all its beginnings, whatever it is; an error is the same in both directions.
func FuzzWords(f *testing.F) {
	for _, l := range world() {
		for _, n := range l.Name {
			f.Add(n.Text, "peru")
		}
	}
	f.Add("ﬁ\u0301ssß\u0640İ\u1100\u1161", "\xff")
	f.Fuzz(func(t *testing.T, text, typed string) {
		for _, w := range typedWords(text) {
			if w.word == "" || w.distance(w.word) != 0 {
				t.Errorf("%q does not fit itself", w.word)
			}
			if again := words(w.word); len(again) != 1 {
				t.Errorf("the word %q is cut into %q", w.word, again)
			}
		}
		a, b := []rune(text), []rune(typed)
		if oneError(a, b) != oneError(b, a) {
			t.Errorf("one error from %q to %q, and not back", text, typed)
		}
		Find(slices.Values(world()), Question{Text: []string{typed}, State: text}, now, 3)
	})
}

// large is a directory of as many states with eight authorities each.
func large(states int) []Listing {
	var all []Listing
	for i := range states {
		state := string([]byte{'a' + byte(i/26), 'a' + byte(i%26)})
		for j := range 8 {
			all = append(all, authority(protocol.AuthorityID(fmt.Sprintf("%s/authority-%d", state, j)), "en=State "+state+"|ar=دولة "+state,
				fmt.Sprintf("en=Authority %d for cooperation of %s|fr=Autorité %d de %s|ar=السلطة المركزية %d", j, state, j, state, j), &record.Particulars{
					Competences: []record.Competence{
						competent("UNTOC", "16 17 18 18(13)", "extradition", "mutual-legal-assistance"), competent("UNCAC", "44 46", "extradition", "asset-recovery"),
					},
					Languages: []record.Language{{Language: "en"}, {Language: "fr", UrgentOnly: true}},
				}))
		}
	}
	return all
}

// 250 states with 2,000 authorities.
func BenchmarkFind(b *testing.B) {
	all := large(250)
	b.ReportAllocs()
	for b.Loop() {
		hits, _, _ := Find(slices.Values(all), Question{For: "extraditon", Article: "18", Language: "fr", Text: []string{"autorite", "bd"}}, now, 20)
		if len(hits) != 8 {
			b.Fatalf("%d hits", len(hits))
		}
	}
}
