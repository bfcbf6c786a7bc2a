package store

import (
	"testing"

	"comity/protocol"
)

// A transmission is found by what an auditor knows of it, on either side, and
// only when all of that holds.
func TestMatching(t *testing.T) {
	n := newNode(t)
	several := n.submit(1, prosecution, court)
	n.commit(several, n.accept(2), n.refuse(3))
	sealed := several.Out[0].Sealed.Digest
	envelope := several.Out[1].Envelope.Digest()
	for name, c := range map[string]struct {
		sought Sought
		want   int
	}{
		"its envelope":                 {Sought{Envelope: envelope}, 1},
		"envelope of what was refused": {Sought{Envelope: n.inbound(3, body(3, 100)).Envelope.Digest()}, 1},
		"one sealed body, two ways":    {Sought{Sealed: sealed}, 2},
		"one of the two":               {Sought{Sealed: sealed, To: court}, 1},
		"its name":                     {Sought{Parcel: parcelID(2), From: central, To: prosecution}, 1},
		"another recipient":            {Sought{Parcel: parcelID(2), From: central, To: court}, 0},
		"envelope of another":          {Sought{Envelope: envelope, Parcel: parcelID(2)}, 0},
		"of one who is a party":        {Sought{Sealed: sealed, Party: court}, 1},
		"of its sender":                {Sought{Sealed: sealed, Party: central}, 2},
		"of one who is not":            {Sought{Envelope: envelope, Party: prosecution}, 0},
		"unknown":                      {Sought{Sealed: protocol.Sum([]byte("unknown"))}, 0},
	} {
		list, err := n.Matching(t.Context(), c.sought, 10)
		if err != nil || len(list) != c.want {
			t.Errorf("%s: %v, %v; want %d", name, list, err, c.want)
		}
	}
	if _, err := n.Matching(t.Context(), Sought{}, 10); err == nil {
		t.Error("nothing sought finds everything")
	}
	if _, err := n.Matching(t.Context(), Sought{Party: court}, 10); err == nil {
		t.Error("a party alone finds all that it has")
	}
}
