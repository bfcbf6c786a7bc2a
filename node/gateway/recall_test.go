package gateway_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"comity/crypto/merkle"
	"comity/node/gateway"
	"comity/protocol"
)

// holdsNothing makes a peer tell that it holds nothing, once open is set.
func (r *receiver) holdsNothing(open *atomic.Bool) {
	copies := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !open.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write(page(0, nil))
	})
	r.copies.Store(&copies)
}

// R-WIT-9: a witness that was restored from a backup, and does not know any more
// what it cosigned of a log, cosigns no fork of what another witness has seen, and
// goes on with the log that extends it.
func TestARestoredWitnessAsksTheOthersFirst(t *testing.T) {
	for name, honest := range map[string]bool{"a log that goes on": true, "a log that forks": false} {
		t.Run(name, func(t *testing.T) {
			var open, other atomic.Bool
			open.Store(true)
			b := newNode(t, "xb", []protocol.AuthorityID{prosecution})
			a := newReceiverOf(t, "xa", central, nil)
			c := newReceiverOf(t, "xc", "xc/central-authority", nil)
			a.holdsNothing(&open)
			c.holdsNothing(&other)
			before, after := newHistory("before", 20, 100), newHistory("after", 20, 100)
			// What b has cosigned as well, and the backup does not have.
			note := must(a.log.Checkpoint(60, must(merkle.Root(60, before)), time.Now()))
			shows := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if req.PathValue("origin") != protocol.Sum([]byte(a.log.Origin())).String() {
					w.WriteHeader(http.StatusNotFound)
					return
				}
				_, _ = w.Write(note)
			})
			c.shows.Store(&shows)
			b.pin(a.party, c.party)
			h := &hostile{party: a.party, t: t, to: b, over: gateway.QUIC}
			h.connect()
			const add = "/v1/witness/add-checkpoint"
			if r := h.do(http.MethodPost, add, nil, h.submission(before, 20, 0)); r.status != http.StatusOK {
				t.Fatalf("before the backup: %d %s", r.status, r.body)
			}
			b.newEra()
			h.connect()
			now := before
			if !honest {
				now = after
			}
			a.tells(now, 70)
			body := h.submission(now, 70, 20)
			if r := h.do(http.MethodPost, add, nil, body); r.status != http.StatusServiceUnavailable || !strings.Contains(string(r.body), "asks its other peers first") {
				t.Fatalf("before another witness was asked: %d %s", r.status, r.body)
			}
			other.Store(true)
			want := http.StatusOK
			if !honest {
				want = http.StatusUnprocessableEntity
			}
			until(t, "it decides", func() bool {
				time.Sleep(100 * time.Millisecond)
				b.greets(a.party)
				r := h.do(http.MethodPost, add, nil, body)
				if r.status != http.StatusServiceUnavailable && r.status != want {
					t.Fatalf("status %d %s, want %d", r.status, r.body, want)
				}
				return r.status == want
			})
			if fork := b.following(a.party).Fork; (fork == nil) != honest {
				t.Errorf("the fork that is kept: %+v", fork)
			}
		})
	}
}
