package directory

import (
	"testing"
	"time"

	"comity/protocol"
)

var now = time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)

func TestStale(t *testing.T) {
	for _, test := range []struct {
		confirmed time.Time
		want      bool
	}{{now.Add(-protocol.MaxUnconfirmed), false}, {now.Add(-protocol.MaxUnconfirmed - time.Second), true}, {time.Time{}, true}} {
		l := Listing{Confirmed: protocol.Time{Time: test.confirmed}}
		if got := l.Stale(now); got != test.want {
			t.Errorf("confirmed %s, stale: %v, want %v", test.confirmed, got, test.want)
		}
	}
}
