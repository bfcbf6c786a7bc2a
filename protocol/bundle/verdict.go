package bundle

import (
	"fmt"
	"strings"
	"time"

	"comity/protocol"
	"comity/protocol/record"
)

// Verdict is what a verifier may rest on a signature.
type Verdict string

// The verdicts. They differ only for keys that are marked compromised.
const (
	// Valid: the signature counts.
	Valid Verdict = "valid"
	// Contested: signed when the key may have been stolen, and nobody knew yet; or
	// nothing independent shows that it was before.
	Contested Verdict = "contested"
	// Invalid: signed after it was announced that the key is compromised.
	Invalid Verdict = "invalid"
)

// worse orders verdicts from good to bad.
func (v Verdict) worse(than Verdict) bool {
	rank := map[Verdict]int{Valid: 0, Contested: 1, Invalid: 2}
	return rank[v] > rank[than]
}

// Bound is a moment and who answers for it.
type Bound struct {
	Time protocol.Time `json:"time"`
	By   string        `json:"by"` // the witness or the log
}

// judge decides about one signature by a key with this mark, which may be nil
// (R-BND-8). claimed is the document's own time, latest the moment by which a
// third party had seen it (nil: none has), earliest the one after which it was
// made.
//
// Only third parties count for latest: whoever relies on a signature would
// otherwise vouch for itself, and whoever made it, too.
func judge(mark *record.Compromised, claimed time.Time, earliest, latest *Bound) (Verdict, string) {
	switch {
	case mark == nil:
		return Valid, ""
	case !claimed.Before(mark.Announced.Time):
		return Invalid, fmt.Sprintf("it is dated %s, after its key was announced to be compromised on %s", protocol.At(claimed), mark.Announced)
	case earliest != nil && !earliest.Time.Before(mark.Announced.Time):
		return Invalid, fmt.Sprintf("it was made after %s, and its key was announced to be compromised on %s", earliest.Time, mark.Announced)
	case latest == nil:
		return Contested, fmt.Sprintf("its key is marked compromised since %s, and no third party shows that it was made before", mark.Since)
	case latest.Time.Before(mark.Since.Time):
		return Valid, fmt.Sprintf("its key is marked compromised since %s, and %s had seen it on %s", mark.Since, latest.By, latest.Time)
	case !latest.Time.After(mark.Announced.Time):
		return Contested, fmt.Sprintf("its key is marked compromised since %s, which was announced on %s, and it was first seen between, on %s by %s",
			mark.Since, mark.Announced, latest.Time, latest.By)
	}
	return Invalid, fmt.Sprintf("its key was announced to be compromised on %s, and it was first seen after that, on %s by %s", mark.Announced, latest.Time, latest.By)
}

// party reports whether a state is on either side of the transmission.
func (x *examined) party(s protocol.StateID) bool {
	return s == x.env.From.State() || s == x.env.To.State()
}

// counts reports whether a cosignature bounds a time: it is by a third party, for
// which the verifier holds an anchor, with keys that nothing marks (R-BND-8,
// R-BND-11). Without any anchors all third parties do.
func (x *examined) counts(c cosignature, t *Trust) bool {
	return !x.party(c.State) && (t == nil || t.holds(c.State)) && x.markOf(c) == nil
}

// latest is the earliest moment at which a third party with an anchor cosigned a
// checkpoint over the leaf, in whichever log.
func (x *examined) latest(f *fact, t *Trust) (first *Bound) {
	for _, s := range f.sightings() {
		for _, c := range s.seen {
			if !x.counts(c, t) {
				continue
			}
			if first == nil || c.Time.Before(first.Time.Time) {
				first = &Bound{Time: protocol.At(c.Time), By: "witness " + string(c.Node)}
			}
		}
	}
	return first
}

// earliest is the moment after which the envelope was made, and so everything
// that names its digest: the newest that the checkpoint in it shows. A log whose
// keys were in other hands by then says nothing; one whose thief dates back bounds
// less than is true, and does no harm.
func (x *examined) earliest(t *Trust) (b *Bound) {
	if x.notBefore == nil {
		return nil
	}
	if m := x.logMark(x.notBefore); m == nil || x.notBefore.Time.Before(m.Since.Time) {
		b = &Bound{Time: protocol.At(x.notBefore.Time), By: "log of " + string(x.notBefore.node)}
	}
	for _, c := range x.notBefore.seen {
		if x.counts(c, t) && (b == nil || c.Time.After(b.Time.Time)) {
			b = &Bound{Time: protocol.At(c.Time), By: "witness " + string(c.Node)}
		}
	}
	return b
}

// restsOn says on whose word the time and the place of a leaf rest when no
// third party has seen it.
func (x *examined) restsOn(f *fact, latest *Bound) string {
	var parties []string
	for _, s := range f.sightings() {
		for _, c := range s.seen {
			if x.party(c.State) && x.markOf(c) == nil {
				parties = append(parties, string(c.Node))
			}
		}
	}
	from, to := string(x.env.From.State()), string(x.env.To.State())
	switch {
	case latest != nil:
		return ""
	case len(parties) == 0 && (f.peer == nil || x.logMark(f.peer) != nil):
		return fmt.Sprintf("not yet witnessed: rests on %s only", f.Side().State())
	case len(parties) == 0:
		return fmt.Sprintf("not yet witnessed: rests on %s and %s only", from, to)
	}
	return fmt.Sprintf("rests on %s and %s only", from, to)
}

// join lists words in a sentence.
func join(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}
