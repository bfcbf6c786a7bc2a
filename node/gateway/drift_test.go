package gateway

import (
	"testing"
	"time"

	"comity/protocol"
)

// A peer's clock is noted at first, then every ten minutes; one that goes wrong
// or right is noted sooner, but not with every hello. Nothing between is lost.
func TestAPeersClockIsNotedNowAndThen(t *testing.T) {
	now := time.Unix(2_000_000_000, 0)
	const fine, wrong = time.Second, protocol.MaxSkew + time.Second
	d := drift{}
	if !d.see(fine, now) {
		t.Fatal("the first offset is not noted")
	}
	noted := drift{noted: now}
	for name, c := range map[string]struct {
		after  time.Duration
		offset time.Duration
		due    bool
	}{
		"soon after":                {time.Second, fine, false},
		"nine minutes later":        {9 * time.Minute, fine, false},
		"ten minutes later":         {10 * time.Minute, fine, true},
		"wrong at once":             {time.Second, wrong, false},
		"wrong a minute later":      {time.Minute, wrong, true},
		"far behind a minute later": {time.Minute, -wrong, true},
	} {
		d := noted
		if got := d.see(c.offset, now.Add(c.after)); got != c.due {
			t.Errorf("%s: noted %v, want %v", name, got, c.due)
		}
	}
	d = noted
	for _, o := range []time.Duration{3 * time.Second, -2 * time.Second, time.Second} {
		d.see(o, now.Add(time.Second))
	}
	if d.least != -2*time.Second || d.most != 3*time.Second {
		t.Errorf("seen between %s and %s, want -2s and 3s", d.least, d.most)
	}
}
