package gateway

import (
	"testing"

	"comity/protocol"
)

// R-XCH-1: an attempt counts as progress when the next one begins further on than
// any before it, by more than a peer could say to keep us busy.
func TestForwardIsTheFurthest(t *testing.T) {
	l := &link{stood: newRecent[protocol.Key, int64](2)}
	k := protocol.Key{Parcel: "one"}
	for i, c := range []struct {
		from int64
		want bool
	}{
		{0, false}, {2 << 20, true}, {2 << 20, false}, {2<<20 + 1, false}, {0, false}, {2 << 20, false}, {4 << 20, true},
	} {
		if got := l.forward(k, &brokeOff{from: c.from}); got != c.want {
			t.Errorf("attempt %d, from %d: %v", i, c.from, got)
		}
	}
	if !l.forward(protocol.Key{Parcel: "another"}, &brokeOff{from: 1 << 20}) {
		t.Error("another body has not come as far")
	}
}

// R-WIRE-20, R-WDR-5: parcels that are taken back do not count as rejections, and
// have a bound of their own.
func TestWithdrawalsHaveABoundOfTheirOwn(t *testing.T) {
	l := &link{rejections: newRejections(), withdrawals: newWithdrawals()}
	most := func(code protocol.Code) (n int) {
		for l.mayReject(code) == nil {
			n++
		}
		return n
	}
	// Time passes meanwhile, and one or two more may be.
	if n := most(protocol.Withdrawn); n < protocol.MaxWithdrawals || n > protocol.MaxWithdrawals+2 {
		t.Errorf("%d parcels are taken back at once, want %d", n, protocol.MaxWithdrawals)
	}
	if n := most(protocol.UnknownRecipient); n < protocol.MaxRejections || n > protocol.MaxRejections+2 {
		t.Errorf("%d more are refused, want %d", n, protocol.MaxRejections)
	}
}
