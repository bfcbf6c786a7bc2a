package directory

import (
	"cmp"
	"iter"
	"slices"
	"strings"
	"time"

	"comity/protocol"
	"comity/protocol/record"
)

// Question is what an officer asks the directory. Every part that is not empty
// has to fit; in each, case, accents, marks and one error in typing a word are
// forgiven, but in Article and Language, which are too short for that.
type Question struct {
	State    string   `json:"state"`    // its two letters, or words of its name
	For      string   `json:"for"`      // a function, such as extradition
	Article  string   `json:"article"`  // 18 finds 18(13) as well
	Language string   `json:"language"` // fr finds fr-CA as well, and fr-CA fr
	Text     []string `json:"text"`     // words in names, places, instruments and functions
	// Untold has those answer as well that have not told what is asked for: an
	// authority that says nothing of languages may take every one.
	Untold bool `json:"untold"`
}

// Hit is a listing that answers a question.
type Hit struct {
	Listing
	// Errors is how many words of the question fit only with an error in typing.
	Errors int `json:"typing_errors"`
	// UrgentOnly says that it takes the language that was asked for only when it is urgent.
	UrgentOnly bool `json:"urgent_only"`
	// Told says that it has told all that was asked for.
	Told bool `json:"told"`
}

// Find returns the listings that answer a question, the best first: those with
// fewer errors, that have told, take the language at any time, are on the network
// and have confirmed it lately; then by name. limit is how many at most; more says
// how many were left off, and untold how many fit but for what they have not told,
// when the question does not want them.
func Find(all iter.Seq[Listing], q Question, at time.Time, limit int) (hits []Hit, more, untold int) {
	asked := q.prepare()
	for l := range all {
		h, fits := asked.judge(l)
		switch {
		case !fits:
		case !h.Told && !q.Untold:
			untold++
		default:
			hits = append(hits, h)
		}
	}
	slices.SortFunc(hits, func(a, b Hit) int {
		return cmp.Or(cmp.Compare(a.Errors, b.Errors), later(!a.Told, !b.Told), later(a.UrgentOnly, b.UrgentOnly),
			later(a.Network == nil, b.Network == nil), later(a.Stale(at), b.Stale(at)), cmp.Compare(a.Authority, b.Authority))
	})
	more = max(len(hits)-limit, 0)
	return hits[:len(hits)-more], more, untold
}

// later puts what is so behind what is not.
func later(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// asked is a question in words.
type asked struct {
	Question
	state, function, text []typed
	byCode                bool // the state is asked for by its two letters
}

func (q Question) prepare() *asked {
	var code protocol.StateID
	return &asked{
		Question: q, state: typedWords(q.State), byCode: code.UnmarshalText([]byte(q.State)) == nil,
		function: typedWords(q.For), text: typedWords(strings.Join(q.Text, " ")),
	}
}

// judge reports whether a listing answers the question.
func (q *asked) judge(l Listing) (h Hit, fits bool) {
	h = Hit{Listing: l, Told: true}
	if q.byCode {
		if q.State != string(l.State) {
			return h, false
		}
	} else if len(q.state) > 0 && !h.fit(q.state, wordsOf(l.StateName)) {
		return h, false
	}
	if len(q.text) > 0 && !h.fit(q.text, wordsOfListing(&l)) {
		return h, false
	}
	return h, q.judgeCompetence(&h) && q.judgeLanguage(&h)
}

// fit reports whether each word that was typed is one of the others, and counts
// the errors.
func (h *Hit) fit(looked []typed, all []string) bool {
	for _, one := range looked {
		best := 2
		for _, w := range all {
			if best = min(best, one.distance(w)); best == 0 {
				break
			}
		}
		if best == 2 {
			return false
		}
		h.Errors += best
	}
	return true
}

// judgeCompetence asks for function and article under one instrument: who is
// competent for extradition under article 16 of one treaty and for assistance
// under article 18 of it is not for extradition under article 18.
func (q *asked) judgeCompetence(h *Hit) bool {
	if len(q.function) == 0 && q.Article == "" {
		return true
	}
	if h.Particulars == nil || len(h.Particulars.Competences) == 0 {
		h.Told = false
		return true
	}
	found := false
	best := Hit{}
	for _, c := range h.Particulars.Competences {
		if one, fits := q.judgeOne(c); fits && (!found || cmp.Or(later(!one.Told, !best.Told), cmp.Compare(one.Errors, best.Errors)) < 0) {
			found, best = true, one
		}
	}
	h.Errors += best.Errors
	h.Told = h.Told && best.Told
	return found
}

// judgeOne judges one instrument.
func (q *asked) judgeOne(c record.Competence) (one Hit, fits bool) {
	one.Told = true
	if q.Article != "" {
		switch {
		case len(c.Articles) == 0:
			one.Told = false
		case !slices.ContainsFunc(c.Articles, func(a string) bool { return a == q.Article || strings.HasPrefix(a, q.Article+"(") }):
			return one, false
		}
	}
	if len(q.function) == 0 {
		return one, true
	}
	if len(c.Functions) == 0 {
		one.Told = false
		return one, true
	}
	best := -1
	for _, f := range c.Functions {
		try := Hit{}
		if try.fit(q.function, words(string(f))) && (best < 0 || try.Errors < best) {
			best = try.Errors
		}
	}
	one.Errors = max(best, 0)
	return one, best >= 0
}

func (q *asked) judgeLanguage(h *Hit) bool {
	if q.Language == "" {
		return true
	}
	if h.Particulars == nil || len(h.Particulars.Languages) == 0 {
		h.Told = false
		return true
	}
	found := false
	h.UrgentOnly = true
	for _, l := range h.Particulars.Languages {
		if sameLanguage(l.Language, q.Language) {
			found = true
			h.UrgentOnly = h.UrgentOnly && l.UrgentOnly
		}
	}
	h.UrgentOnly = h.UrgentOnly && found
	return found
}

// sameLanguage reports whether two tags are one language, or one of them is the
// language of which the other is a kind.
func sameLanguage(a, b string) bool {
	a, b = strings.ToLower(a), strings.ToLower(b)
	return a == b || strings.HasPrefix(a, b+"-") || strings.HasPrefix(b, a+"-")
}

func wordsOf(names []record.Name) (all []string) {
	for _, n := range names {
		all = append(all, words(n.Text)...)
	}
	return all
}

// wordsOfListing are all words by which an authority is found.
func wordsOfListing(l *Listing) []string {
	all := append(words(string(l.Authority)), wordsOf(l.Name)...)
	all = append(all, wordsOf(l.StateName)...)
	if l.Particulars != nil {
		all = append(all, wordsOf(l.Particulars.Territory)...)
		for _, c := range l.Particulars.Competences {
			all = append(all, words(c.Instrument)...)
			for _, f := range c.Functions {
				all = append(all, words(string(f))...)
			}
		}
	}
	return all
}
