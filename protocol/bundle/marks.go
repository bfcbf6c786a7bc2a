package bundle

import (
	"fmt"
	"slices"
	"time"

	"comity/protocol"
	"comity/protocol/record"
)

// What a mark on the keys of a log or of a witness does to what they signed
// (R-BND-11). Both sign times, and whoever has stolen the keys writes any.

// logMark returns the mark on the keys of the log of a sighting; nil: none.
func (x *examined) logMark(s *sighting) *record.Compromised {
	return x.known.logMark(s)
}

func (all histories) logMark(s *sighting) *record.Compromised {
	return all[s.node.State()].marked(all.logOf(s.Origin).Keys)
}

// markOf returns the mark on the keys by which a witness cosigned; nil: none.
func (x *examined) markOf(c cosignature) *record.Compromised {
	return x.known.markedBy(c)
}

// markedBy returns the mark on the witness's keys that these records make.
func (all histories) markedBy(c cosignature) *record.Compromised {
	return all[c.State].marked(c.keys)
}

// judgeLog decides what the log that took an evidence is worth when its keys are
// marked. Its thief can put under a checkpoint of any date whatever he likes, so
// the place in the log says when only as far as a third party had seen it before.
//
// What is first seen later is contested, and not invalid as a document by a marked
// key is: the log's thief cannot sign evidence, and the key that did has a verdict
// of its own. Only a log that says itself that it took it after the announcement
// took what nobody may rest on.
func judgeLog(mark *record.Compromised, own *sighting, earliest, latest *Bound) (Verdict, string) {
	switch {
	case mark == nil:
		return Valid, ""
	case !own.Time.Before(mark.Announced.Time):
		return Invalid, fmt.Sprintf("its log took it on %s, after the keys of the log were announced to be compromised on %s", protocol.At(own.Time), mark.Announced)
	case earliest != nil && !earliest.Time.Before(mark.Announced.Time):
		return Invalid, fmt.Sprintf("it was made after %s, and the keys of its log were announced to be compromised on %s", earliest.Time, mark.Announced)
	case latest == nil:
		return Contested, fmt.Sprintf("the keys of its log are marked compromised since %s, and no third party shows that the log held it before", mark.Since)
	case latest.Time.Before(mark.Since.Time):
		return Valid, fmt.Sprintf("the keys of its log are marked compromised since %s, and %s had seen it on %s", mark.Since, latest.By, latest.Time)
	}
	return Contested, fmt.Sprintf("the keys of its log are marked compromised since %s, and it was first seen after that, on %s by %s", mark.Since, latest.Time, latest.By)
}

// judgeCosignature decides about one cosignature. By marked keys none counts,
// whatever its date: it has no leaf anywhere, so nothing but itself says when it was
// made. What an uncompromised third party cosigned stands on its own, with its own
// time; that another's time is earlier, it does not show. One that is dated before
// the theft may be true all the same, and is contested.
func judgeCosignature(mark *record.Compromised, claimed time.Time) Verdict {
	switch {
	case mark == nil:
		return Valid
	case claimed.Before(mark.Since.Time):
		return Contested
	}
	return Invalid
}

// stolen tells, once for each witness whose keys are marked, what of the bundle
// it cosigned and that it counts for nothing.
func (x *examined) stolen() (all []string) {
	var pairs []cosignature
	var times [][]time.Time
	for _, s := range x.sightings() {
		for _, c := range s.seen {
			if x.markOf(c) == nil {
				continue
			}
			i := slices.IndexFunc(pairs, func(p cosignature) bool { return p.keys == c.keys })
			if i < 0 {
				i, pairs, times = len(pairs), append(pairs, c), append(times, nil)
			}
			times[i] = append(times[i], c.Time)
		}
	}
	for i, c := range pairs {
		m := x.markOf(c)
		text := fmt.Sprintf("That the witness of %s saw any of this when it says, on %s: its keys are marked compromised since %s, announced on %s, and whoever has them can write any time.",
			c.Node, span(times[i]), m.Since, m.Announced)
		if judgeCosignature(m, slices.MinFunc(times[i], time.Time.Compare)) == Contested {
			text += " What it dates before may be true, and counts for nothing by itself."
		} else {
			text += " It counts for nothing."
		}
		all = append(all, text)
	}
	return all
}

// span says in words from when to when some times are.
func span(times []time.Time) string {
	first, last := slices.MinFunc(times, time.Time.Compare), slices.MaxFunc(times, time.Time.Compare)
	if first.Equal(last) {
		return protocol.At(first).String()
	}
	return fmt.Sprintf("%s to %s", protocol.At(first), protocol.At(last))
}
