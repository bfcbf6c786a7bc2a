package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"comity/node/federation"
	"comity/protocol"
)

func (p *program) federationStatus() *cobra.Command {
	return &cobra.Command{
		Use: "status", Args: words(0, 0),
		Short: "Show where the federation stands, and what is to be done next",
		Long: `Shows the root and the edition in force with their ends, the stamp, the draft that is
with the stewards and who has signed it, all that was ever published with whose
signatures, and what is to be done next. Each root has its words: somebody who joins by
an older root.json compares those of that one. It only reads.`,
		Example: "  comity federation status --dir /srv/federation",
		RunE: func(*cobra.Command, []string) error {
			return p.registry(federation.OpenRegistry, func(r *federation.Registry) error {
				st, err := r.Status()
				if err != nil {
					return err
				}
				acts, err := r.Acts()
				if err != nil {
					return err
				}
				if p.json {
					v := p.statusView(st)
					v.Acts = actViews(acts)
					return p.object(v)
				}
				p.showStatus(st, acts)
				return nil
			})
		},
	}
}

// statusView is the status for programs.
type statusView struct {
	Root      int64                `json:"root"` // 0: none is published
	RootEnds  protocol.Time        `json:"root_ends,omitzero"`
	Words     []string             `json:"words,omitempty"`
	Stewards  []federation.Steward `json:"stewards,omitempty"`
	Threshold int                  `json:"threshold,omitempty"`
	Edition   int64                `json:"edition"` // 0: none is published
	Ends      protocol.Time        `json:"edition_ends,omitzero"`
	Counts    bool                 `json:"edition_counts"`
	Records   int                  `json:"records"`
	States    int                  `json:"states"` // of which there are records
	Stamped   protocol.Time        `json:"stamped_until,omitzero"`
	Open      *draftView           `json:"draft,omitempty"`
	Acts      []actView            `json:"acts,omitempty"`
	Next      []string             `json:"next"`
}

// actView is what was published, for programs.
type actView struct {
	Kind   federation.Kind          `json:"kind"`
	Number int64                    `json:"number"`
	Ends   protocol.Time            `json:"ends"`
	Signed []federation.StewardName `json:"signed"`
	Added  []string                 `json:"added,omitempty"`
	Words  []string                 `json:"words,omitempty"` // of a root
}

func actViews(acts []federation.Act) (all []actView) {
	for _, a := range acts {
		all = append(all, actView{a.Kind, a.Number, protocol.At(a.Ends), a.Signed, added(a), a.Words})
	}
	return all
}

func added(a federation.Act) (all []string) {
	for _, i := range a.Added {
		all = append(all, fmt.Sprintf("%s/%d", i.State, i.Sequence))
	}
	return all
}

func (p *program) statusView(st *federation.Status) *statusView {
	v := &statusView{Counts: st.Counts, Next: p.next(st, time.Now())}
	if st.Root != nil {
		v.Root, v.RootEnds, v.Words = st.Root.Number, protocol.At(st.Root.Ends), st.Root.Words()
		if c := st.Root.Council; c != nil {
			v.Stewards, v.Threshold = c.Stewards, c.Threshold
		}
	}
	if st.Edition != nil {
		v.Edition, v.Ends, v.Records, v.States = st.Edition.Ref().Version, protocol.At(st.Ends), len(st.Edition.Items()), st.Edition.States()
	}
	if !st.Stamped.IsZero() {
		v.Stamped = protocol.At(st.Stamped)
	}
	if st.Open != nil {
		v.Open, _ = viewOf(st.Open.Draft, st.Open.Path, false) // a draft that was read can be shown
	}
	return v
}

func (p *program) showStatus(st *federation.Status, acts []federation.Act) {
	if st.Root == nil {
		p.say("root      none is published yet")
	} else {
		p.say("root      %d, ends on %s UTC; %s", st.Root.Number, moment(protocol.At(st.Root.Ends)), stewardsOf(st.Root.Council))
		p.say("          its words: %s", strings.Join(st.Root.Words(), " "))
	}
	switch {
	case st.Edition == nil:
		p.say("edition   none is published yet")
	case !st.Counts:
		p.say("edition   %d with %s; it COUNTS NO MORE under this root", st.Edition.Ref().Version, recordsOf(st.Edition))
	default:
		p.say("edition   %d with %s, ends on %s UTC", st.Edition.Ref().Version, recordsOf(st.Edition), moment(protocol.At(st.Ends)))
	}
	switch {
	case st.Stamped.IsZero():
		p.say("stamp     none that counts")
	default:
		p.say("stamp     counts until %s UTC", moment(protocol.At(st.Stamped)))
	}
	if len(acts) > 0 {
		p.say("")
	}
	for _, a := range acts {
		what := ""
		if a.Kind == federation.EditionKind {
			what = "; adds nothing"
			if len(a.Added) > 0 {
				what = "; adds " + strings.Join(added(a), ", ")
			}
		}
		p.say("published %s %d, signed by %s%s", a.Kind, a.Number, joined(a.Signed), what)
		if a.Kind == federation.RootKind {
			p.say("          its words: %s", strings.Join(a.Words, " "))
		}
	}
	p.say("")
	if st.Open != nil {
		p.say("The draft %s is with the stewards:\n  %s", st.Open.Name(), st.Open.Path)
		p.progress(st.Open.Draft)
	}
	for _, n := range p.next(st, time.Now()) {
		p.say("Next: %s", n)
	}
}

func stewardsOf(c *federation.Council) string {
	if c == nil {
		return "it does not name its stewards"
	}
	var all []string
	for _, s := range c.Stewards {
		all = append(all, string(s.Name))
	}
	return fmt.Sprintf("%d of %s sign", c.Threshold, strings.Join(all, ", "))
}

// How long before something ends the registrar is told to see to it.
const (
	renewRoot    = 60 * 24 * time.Hour
	renewEdition = 21 * 24 * time.Hour
	renewStamp   = 5 * 24 * time.Hour
)

// mustStamp reports whether the newest edition is not stamped, or the stamp ends soon.
func mustStamp(st *federation.Status, now time.Time) bool {
	return st.Unstamped || st.Stamped.Before(now.Add(renewStamp))
}

// next says what is to be done, the most urgent first.
func (p *program) next(st *federation.Status, now time.Time) (all []string) {
	dir := " --dir " + quoted(p.dir)
	switch {
	case st.Open == nil:
	case !st.Open.Ends().After(now):
		all = append(all, fmt.Sprintf("%s would have ended already: comity federation give-up%s, and draft it again", st.Open.Name(), dir))
	case len(st.Open.Missing()) == 0:
		all = append(all, "publish it: comity federation collect "+quoted(st.Open.Path)+dir)
	default:
		all = append(all, fmt.Sprintf("let stewards sign %s, then type: comity federation collect FILE …%s", st.Open.Name(), dir))
	}
	switch {
	case st.Root == nil && st.Open == nil:
		return append(all, "comity federation create CARD CARD …"+dir)
	case st.Root == nil:
		return all
	case st.Edition == nil && st.Open == nil:
		return append(all, "comity federation add INTRODUCTION …"+dir)
	case st.Edition == nil:
		return all
	}
	if mustStamp(st, now) {
		all = append(all, "comity federation stamp"+dir+"  (a timer should do it once a day)")
	}
	if (!st.Counts || st.Ends.Before(now.Add(renewEdition))) && st.Open == nil {
		all = append(all, "renew the edition: comity federation add"+dir)
	}
	if st.Root.Ends.Before(now.Add(renewRoot)) && st.Open == nil {
		all = append(all, "renew the root: comity federation change"+dir)
	}
	if len(all) == 0 {
		all = append(all, "nothing. A new record of a state is published with: comity federation add INTRODUCTION"+dir)
	}
	return all
}
