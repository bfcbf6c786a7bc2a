package control

import (
	"fmt"
	"slices"

	"comity/protocol/evidence"
	"comity/protocol/record"
)

// wantsWords reports whether words decide about a record although it follows from one
// that is trusted: it names another primary key, to which a thief can hand over as well
// (R-REC-12), or it tells of a theft, and nobody knows what else was stolen.
func wantsWords(next, before *record.State) bool {
	known := keysOf(before)
	for holder, keys := range keysOf(next) {
		was, stays := known[holder]
		for _, k := range keys {
			i := slices.IndexFunc(was, func(w record.Key) bool { return w.Digest == k.Digest })
			if i < 0 && stays && k.Role == evidence.Primary || k.Compromised != nil && (i < 0 || was[i].Compromised == nil) {
				return true
			}
		}
	}
	is, was := &next.Record().Node, &before.Record().Node
	return dropsTLS(next, before) || slices.ContainsFunc(is.Compromised, func(m record.Mark) bool { return was.Marked(m.Keys) == nil })
}

// keysOf are the keys of a record by whose they are, those of former certificates too.
func keysOf(s *record.State) map[string][]record.Key {
	r := s.Record()
	all := map[string][]record.Key{"state": r.EveryKey(), "node": r.Node.Keys}
	for _, m := range s.Members() {
		all[string(m.ID())] = m.Document().EveryKey()
	}
	return all
}

// dropsTLS reports whether a record leaves out a TLS key before its time, as it does
// with a stolen one, which bears no mark.
func dropsTLS(next, before *record.State) bool {
	return slices.ContainsFunc(before.Record().Node.TLS, func(was record.Pin) bool {
		stays := slices.ContainsFunc(next.Record().Node.TLS, func(is record.Pin) bool { return is.SPKI == was.SPKI })
		return !stays && was.Valid.Until.After(next.Record().Created.Time)
	})
}

// takesItsPlace says how a state gets rid of a record that a thief made in its name.
func takesItsPlace(sequence int64) string {
	return fmt.Sprintf("the state's own record with a number above %d takes the place of the false one, once its words are compared", sequence)
}
