package store

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"comity/protocol"
)

// Each priority, size class and sender has a line of its own: the front of each
// is seen, however long the others are.
func TestDueSeesTheFrontOfEachLine(t *testing.T) {
	ctx := t.Context()
	n := newNode(t)
	now := n.clock.now()
	var busy protocol.Key
	add := func(number int, sender protocol.AuthorityID, size int, p protocol.Priority) {
		sealed := body(number, size)
		f := Submit{Spool: n.spool(sealed), Out: []Outbound{n.outbound(number, prosecution, sealed)}}
		o := &f.Out[0]
		o.Key.From, o.Priority, o.Next = sender, p, now.Add(time.Duration(number-1000)*time.Second)
		busy = o.Key
		n.commit(f)
	}
	const large = protocol.MaxSmall + 1
	for i := range 30 {
		add(100+i, central, 100, protocol.Routine)
	}
	add(1, "xa/court", 100, protocol.Routine)
	add(2, central, large, protocol.Routine)
	add(3, central, protocol.MaxSmall, protocol.Urgent)
	add(4, central, 100, protocol.Routine) // under way

	var seen []string
	var lines []Line
	rows, err := n.Due(ctx, nodeB, now, map[protocol.Key]bool{busy: true}, 2, func(all []Candidate) []Candidate {
		for _, c := range all {
			lines = append(lines, c.Line)
		}
		seen = parcels(all, func(c Candidate) protocol.ParcelID { return c.Key.Parcel })
		return []Candidate{all[4], all[0]}
	})
	if want := []string{"3", "100", "101", "1", "2"}; err != nil || !cmp.Equal(seen, want) {
		t.Errorf("seen: %v, %v; want %v", seen, err, want)
	}
	want := []Line{{1, false, central}, {2, false, central}, {2, false, central}, {2, false, "xa/court"}, {2, true, central}}
	if !cmp.Equal(lines, want) {
		t.Errorf("lines: %v; want %v", lines, want)
	}
	if got, want := parcels(rows, ofOutbound), []string{"2", "3"}; !cmp.Equal(got, want) {
		t.Errorf("chosen: %v; want %v", got, want)
	}
}
