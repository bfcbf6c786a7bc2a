package sim

import (
	"errors"
	"strings"
	"testing"
	"time"

	"comity/protocol"
	"comity/protocol/exchange"
	"comity/store"
)

// short is a disk below its low watermark.
var short = store.Space{Free: 500 << 20, Total: 100 << 30}

// R-WIRE-20: the recipient's disk is short for hours. Nothing is refused for
// good: the sender's officer reads why the parcels wait, the peer is not asked by
// each of them again and again, and when it has room, all arrive.
func TestTheRecipientsDiskIsShort(t *testing.T) {
	Run(t, 20, pair, func(w *World) {
		a, b := w.Host("xa"), w.Host("xb")
		w.Pass(time.Minute)
		b.disk.Leave(&short)
		for range 6 {
			a.Send(Letter{To: []*Host{b}, Size: 300_000})
		}
		w.Pass(3 * time.Hour)
		w.Check()
		for _, p := range w.sent {
			d, err := a.running.Gateway.Delivery(w.T.Context(), p.Key)
			w.must(err, "ask how %s stands", p.Key)
			if s := w.Status(p.Key); s != exchange.StatusQueued || !strings.Contains(d.Why, `xb asks to wait: "this node is short of disk space"`) || d.Next.IsZero() {
				w.T.Errorf("%s is %s: %+v", p.Key, s, d)
			}
		}
		peers, err := a.running.Gateway.Peers(w.T.Context())
		w.must(err, "ask for the peers")
		if peers[0].Rest == 0 || !strings.Contains(peers[0].Why, "disk space") {
			w.T.Errorf("the sender does not leave the peer alone: %+v", peers[0])
		}
		peers, err = b.running.Gateway.Peers(w.T.Context())
		w.must(err, "ask for the peers")
		// Six parcels, each as often as it may by itself, would be a thousand times.
		if n := peers[0].Limited; n < 10 || n > 100 {
			w.T.Errorf("the peer was asked %d times in three hours", n)
		}
		b.disk.Leave(nil)
		w.Await(2*time.Hour, Delivered)
	})
}

// The sender's own disk is short: new letters are refused with a sentence and
// leave nothing behind; what was queued before still leaves, and its evidence
// is stored. When there is room, letters go again.
func TestTheSendersDiskIsShort(t *testing.T) {
	Run(t, 21, pair, func(w *World) {
		a, b := w.Host("xa"), w.Host("xb")
		b.Stop()
		a.Send(Letter{To: []*Host{b}, Size: 20_000})
		a.disk.Leave(&short)
		b.Start()
		w.Await(time.Hour, Delivered)

		_, err := a.write(Letter{To: []*Host{b}, Size: 1000, Priority: protocol.Emergency})
		var refused *store.ShortError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), "short of space") {
			w.T.Errorf("sending on a short disk: %v", err)
		}
		if list, err := a.office().SentMessages(w.T.Context(), store.MessageFilter{}); err != nil || len(list) != 1 {
			w.T.Errorf("%d messages are stored, %v; want the first alone", len(list), err)
		}
		b.Send(Letter{To: []*Host{a}, Size: 1000})
		w.Pass(time.Hour)
		if s := w.Status(w.sent[1].Key); s != exchange.StatusQueued {
			w.T.Errorf("a letter to a node with a short disk is %s", s)
		}
		a.disk.Leave(nil)
		a.Send(Letter{To: []*Host{b}, Size: 1000})
		w.Await(2*time.Hour, Delivered)
	})
}

// R-XCH-7: of a full queue the emergency leaves first, although it came last.
func TestAnEmergencyIsFirst(t *testing.T) {
	Run(t, 22, pair, func(w *World) {
		a, b := w.Host("xa"), w.Host("xb")
		b.Stop()
		for range 60 {
			a.Send(Letter{To: []*Host{b}, Size: 2000})
		}
		a.Send(Letter{To: []*Host{b}, Size: 2000, Priority: protocol.Emergency})
		b.Start()
		w.Await(time.Hour, Delivered)
		last := w.sent[len(w.sent)-1].Key
		row, err := b.store().Inbound(w.T.Context(), last)
		w.must(err, "inbound")
		if behind := row.Ordinal; behind > 40 {
			w.T.Errorf("the emergency arrived as number %d of %d", behind, len(w.sent))
		}
	})
}
