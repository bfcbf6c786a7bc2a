package gateway_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
)

// pages is a log that is read while it is written.
type pages struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (p *pages) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

// lines is how many lines have some words in them.
func (p *pages) lines(words string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for line := range bytes.Lines(p.text.Bytes()) {
		if bytes.Contains(line, []byte(words)) {
			n++
		}
	}
	return n
}

// I9: what a peer does wrong thousands of times is not written into the
// operator's log thousands of times: a log fills a disk.
func TestAPeerCannotFillTheLog(t *testing.T) {
	log := &pages{}
	h, _ := besiege(t, func(n *node) { n.said = slog.New(slog.NewTextHandler(log, nil)) })
	for range 3 * protocol.MaxFaults {
		if r := h.do(http.MethodPost, "/v1/hello", nil, []byte("no hello")); r.status < 400 {
			t.Fatalf("answered %d", r.status)
		}
	}
	const most = protocol.MaxFaults / 2
	if n := log.lines("level="); n > most {
		t.Errorf("%d lines about %d requests of one peer, want at most %d", n, 3*protocol.MaxFaults, most)
	}
	if log.lines("refused a peer's request") == 0 {
		t.Error("nothing was said of the first refusals")
	}
}

// A row of the queue that cannot be read, as where a sector of the disk is bad, is told of
// now and then, not a thousand times a second; and what can be read again is sent.
func TestAQueueThatCannotBeReadIsLookedAtNowAndThen(t *testing.T) {
	log := &pages{}
	a := newNode(t, "xa", []protocol.AuthorityID{central}, func(n *node) { n.said = slog.New(slog.NewTextHandler(log, nil)) })
	b := newNode(t, "xb", []protocol.AuthorityID{prosecution, court})
	a.pin(b.party)
	b.pin(a.party)
	a.disk.OnRead(func(query string) error {
		if strings.Contains(query, "WHERE o.ordinal = $1") { // the row itself; its index is whole
			return errDisk
		}
		return nil
	})
	k := a.submit(newLetter(central, 1000, b.party, prosecution))[0].Key
	const told = "cannot read the queue"
	until(t, "it is told of", func() bool { return log.lines(told) > 0 })
	time.Sleep(500 * time.Millisecond)
	if n := log.lines(told); n > 3 {
		t.Errorf("it was told of %d times in half a second", n)
	}
	a.disk.Heal()
	a.await(k, evidence.RelayAcceptance)
}

// I9, R-FED-7: nor is a peer that names another directory in each envelope.
func TestAPeerOfManyDirectoriesCannotFillTheLog(t *testing.T) {
	log := &pages{}
	h, b := besiege(t, func(n *node) { n.said = slog.New(slog.NewTextHandler(log, nil)) })
	b.knows(3, "what xb was shown")
	const offers, most = 120, 60
	for i := range offers {
		o := h.offering(100)
		o.env.Directory = &envelope.Directory{Version: 3, Digest: digest(fmt.Sprint("directory ", i))}
		if got := h.put(h.make(o)); got.status != http.StatusCreated {
			t.Fatalf("answered %d %s", got.status, got.body)
		}
	}
	if n := log.lines("stewards have signed two"); n == 0 || n > most {
		t.Errorf("%d lines about %d offers of one peer, want one at least and at most %d", n, offers, most)
	}
}
