package gateway

import (
	"comity/protocol"
	"comity/store"
)

// Places on the way to one peer. Small and large parcels have places of their
// own, so that a letter never waits for a recording of the same priority; and
// each priority has some that a lower one does not get, so that an emergency
// begins at once however much bulk is under way (R-XCH-7).
//
// Large ones are few: each holds up to 1 MiB of pieces at either end and some
// more at the peer that its disk has not taken yet, before which an emergency's
// sync has to wait; and more of them at once on one connection carry no more bytes.
var places = map[bool][]int{ // by store.Line.Large, then by rank: emergency, urgent, routine
	false: {40, 36, 32},
	true:  {8, 6, 4},
}

// kept is how many places more there are for lines of which nothing is under
// way. So an authority begins one parcel at least, whatever others of its node
// have under way, and routine goes on under steady urgent traffic.
func kept(large bool) int { return places[large][0] }

// frontMost is how much of each line is looked at: no more can begin.
var frontMost = places[false][0] + kept(false)

// load is how many transmissions are under way to one peer.
type load struct {
	lines map[store.Line]int
	sizes map[bool]int // all of them, by size class
}

func newLoad() load { return load{lines: map[store.Line]int{}, sizes: map[bool]int{}} }

func (l load) add(line store.Line) {
	l.lines[line]++
	l.sizes[line.Large]++
}

// admits reports whether one more of a line may begin.
func (l load) admits(line store.Line) bool {
	all := l.sizes[line.Large]
	return all < places[line.Large][line.Rank] || l.lines[line] == 0 && all < places[line.Large][0]+kept(line.Large)
}

// full reports whether nothing may begin whatever it is.
func (l load) full() bool {
	return l.sizes[false] >= places[false][0]+kept(false) && l.sizes[true] >= places[true][0]+kept(true)
}

// choose picks which of those that are due begin now: higher priorities first,
// within one the small ones first, and within that the authority of which the
// fewest are under way. all is as store.Gateway.Due hands it out.
func (l load) choose(all []store.Candidate) (begin []store.Candidate) {
	for len(all) > 0 {
		first := all[0].Line
		level := 0
		for level < len(all) && all[level].Rank == first.Rank && all[level].Large == first.Large {
			level++
		}
		begin = append(begin, l.share(all[:level])...)
		all = all[level:]
	}
	return begin
}

// share gives the free places of one priority and size class to its senders in
// turn. The rows of a sender stay in order.
func (l load) share(all []store.Candidate) (begin []store.Candidate) {
	var senders []protocol.AuthorityID
	fronts := map[protocol.AuthorityID][]store.Candidate{}
	for _, c := range all {
		if fronts[c.Sender] == nil {
			senders = append(senders, c.Sender)
		}
		fronts[c.Sender] = append(fronts[c.Sender], c)
	}
	for {
		var next *store.Candidate
		for _, s := range senders {
			front := fronts[s]
			if len(front) > 0 && l.admits(front[0].Line) && (next == nil || l.lines[front[0].Line] < l.lines[next.Line]) {
				next = &front[0]
			}
		}
		if next == nil {
			return begin
		}
		begin = append(begin, *next)
		fronts[next.Sender] = fronts[next.Sender][1:]
		l.add(next.Line)
	}
}
