package bundle

import (
	"fmt"
	"slices"
	"strings"

	"comity/protocol"
)

// Advice says to a person what to do about what is wrong with a bundle, in words
// that no command of one program belongs to.
func (f *Fault) Advice() string {
	if f.advice != "" {
		return f.advice
	}
	switch protocol.CodeOf(f.Err) {
	case protocol.UnsupportedVersion:
		return "check it with a newer program"
	case protocol.Equivocation:
		if strings.HasPrefix(f.Member, "records/") {
			return "rest nothing on it; compare the twelve words of your anchor once more with that state, over another channel than the bundle came by"
		}
		return "rest nothing on it, and keep it: it shows that a log or a state has told two stories"
	case protocol.KeyExpired, protocol.KeyCompromised, protocol.WrongRole:
		return "rest nothing on it; ask the state whose key it is whether it knows of this"
	default:
		return "rest nothing on it; ask whoever gave it to you for the file as it was written"
	}
}

// Unmet reports whether nothing is wrong with the bundle itself, which only lacks
// what the verifier asked for.
func (f *Fault) Unmet() bool { return f.unmet }

// unmet is a fault of that kind.
func unmet(member, advice, format string, args ...any) error {
	return &Fault{Member: member, Err: protocol.Refuse(protocol.Policy, format, args...), advice: advice, unmet: true}
}

// introduce says how a verifier comes to anchors of these states.
func introduce(states []protocol.StateID) string {
	var names, files []string
	for _, s := range states {
		names, files = append(names, string(s)), append(files, string(s)+".json")
	}
	each, words := "its introduction", "its twelve words"
	if len(states) > 1 {
		each, words = "their introductions", "the twelve words of each"
	}
	return fmt.Sprintf("ask %s for %s, compare %s over another channel than the bundle came by, and put it with your anchors as %s", join(names), each, words, join(files))
}

// Unanchored are the parties for which the verifier holds no anchor, the sender's
// state first. What to do about it Introduce says.
func (r *Report) Unanchored() (parties []protocol.StateID) {
	for _, s := range []protocol.StateID{r.From.State(), r.To.State()} {
		if slices.Contains(r.Strangers, s) && !slices.Contains(parties, s) {
			parties = append(parties, s)
		}
	}
	return parties
}

// Advice says to a person what to do about a report that does not end with Valid,
// or not by anchors; empty: nothing.
func (r *Report) Advice() string {
	switch {
	case r.Verdict == Invalid:
		return "rest nothing on what is marked INVALID"
	case !r.Trusted:
		return introduce(r.Unanchored())
	case r.Verdict == Contested:
		return "rest on what is marked CONTESTED only with something else that shows when it was made; a newer bundle may have more witnesses"
	}
	return ""
}

// Blamed names the members that have the report's verdict, and why; empty for one
// that is Valid.
func (r *Report) Blamed() (all []string) {
	for _, e := range r.Evidence {
		if r.Verdict != Valid && e.Verdict == r.Verdict {
			all = append(all, fmt.Sprintf("%s.json: %s", evidenceBase(e.Event), e.Why))
		}
	}
	return append(all, r.others...)
}

// strangers tells whom the verifier cannot know for want of an anchor, and how to
// come to one. Without any anchors it is all of them.
func (x *examined) strangers(r *Report, t *Trust) (all []string) {
	var who []string
	parties := r.Unanchored()
	for _, s := range parties {
		who = append(who, string(s))
	}
	if len(parties) == 1 {
		all = append(all, fmt.Sprintf("Who %s is: you hold no anchor of it, and whoever made the bundle may have made its records too. What to do: %s.", who[0], introduce(parties)))
	} else if len(parties) > 1 {
		all = append(all, fmt.Sprintf("Who %s are: you hold no anchor of them, and whoever made the bundle may have made their records too. What to do: %s.", join(who), introduce(parties)))
	}
	for _, s := range x.unheard(t, x.facts...) {
		all = append(all, fmt.Sprintf("What the witness of %s saw: you hold no anchor of %s, so what it cosigned counts for nothing here. What to do: %s.", s, s, introduce([]protocol.StateID{s})))
	}
	return all
}

// unheard are the third parties whose cosignatures of some evidence would count if
// the verifier held their anchors; none where it holds no anchors at all.
func (x *examined) unheard(t *Trust, facts ...*fact) (all []protocol.StateID) {
	for _, f := range facts {
		for _, s := range f.sightings() {
			for _, c := range s.seen {
				if t != nil && x.counts(c, nil) && !x.counts(c, t) && !slices.Contains(all, c.State) {
					all = append(all, c.State)
				}
			}
		}
	}
	slices.Sort(all)
	return all
}
