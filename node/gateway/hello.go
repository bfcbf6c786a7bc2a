package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"comity/protocol"
	"comity/protocol/exchange"
	"comity/protocol/record"
	"comity/protocol/statement"
)

const helloPath = "/v1/hello"

// helloEvery is how often a hello is repeated on a connection that lasts: clocks
// are set and records are published meanwhile (R-REC-9).
const helloEvery = 5 * time.Minute

// hello tells the peer who we are and learns its record, log and clock
// (R-WIRE-9). It goes over the session given and never connects by itself.
func (l *link) hello(ctx context.Context, s session) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	body, err := l.g.ownHello(ctx)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+string(l.peer)+helloPath, bytes.NewReader(body)) //nolint:gosec,nolintlint // the name is of a pinned record and no address; the linter sees it only sometimes
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("say hello to %s: %w", l.peer, err)
	}
	data, err := readReply(resp, protocol.MaxHello)
	if err != nil {
		return fmt.Errorf("say hello to %s: %w", l.peer, err)
	}
	h, err := exchange.DecodeHello(data)
	if err != nil {
		return fmt.Errorf("read the hello of %s: %w", l.peer, err)
	}
	if err := l.met(ctx, h); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.greeted = time.Now()
	return nil
}

// greetAgain repeats the hello when the last one is long ago.
func (l *link) greetAgain(ctx context.Context) error {
	s, err := l.connect(ctx)
	if err != nil {
		return err
	}
	l.mu.Lock()
	fresh := time.Since(l.greeted) < helloEvery
	l.mu.Unlock()
	if fresh {
		return nil
	}
	return l.hello(ctx, s)
}

// ownHello is what this node tells at every contact.
func (g *Gateway) ownHello(ctx context.Context) ([]byte, error) {
	h := &exchange.Hello{
		Node:   g.Own.Record().Node.ID,
		Time:   protocol.At(g.Now()),
		Record: g.Own.Signed(),
	}
	note, err := g.Store.Checkpoint(ctx)
	if err != nil {
		return nil, err
	}
	if note != nil {
		text := string(note)
		h.Checkpoint = &text
	}
	return exchange.EncodeHello(h)
}

// serveHello answers a peer's hello with our own. The peer has shown up: if we
// gave up calling it for a while, now is the time (R-XCH-2).
func (g *Gateway) serveHello(w http.ResponseWriter, r *http.Request, l *link) {
	body, err := readBody(w, r, protocol.MaxHello)
	if err != nil {
		g.answerError(w, r, l.peer, http.StatusBadRequest, err)
		return
	}
	h, err := exchange.DecodeHello(body)
	if err == nil {
		l.forgive()
		if !l.hearing() { // it says hello again and again on one connection, too
			l.circuits.forgive()
		}
		if r.ProtoMajor == 3 {
			l.invited()
		}
		if isFirstCall(r.Context()) {
			l.renewed.ring()
		}
		err = l.met(r.Context(), h)
	}
	if err != nil {
		g.answerError(w, r, l.peer, http.StatusBadRequest, err)
		return
	}
	own, err := g.ownHello(r.Context())
	if err != nil {
		g.answerError(w, r, l.peer, http.StatusServiceUnavailable, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if _, err := w.Write(own); err != nil {
		l.aloud().Info("a hello did not reach the peer", "error", err)
	}
}

// met takes in what a peer said of itself. A fault in its record or log is
// logged and does not stop traffic.
func (l *link) met(ctx context.Context, h *exchange.Hello) error {
	if h.Node != l.peer {
		return protocol.Refuse(protocol.UnknownSender, "the node says that it is %s; its key belongs to %s", h.Node, l.peer)
	}
	wall, now := l.g.Now(), time.Now()
	l.mu.Lock()
	l.contact, l.heard = wall, now
	flush := l.flushed.IsZero() || now.Sub(l.flushed) >= flushEvery
	if flush {
		l.flushed = now
	}
	l.mu.Unlock()
	l.tell(ctx, h.Time.Time)
	if !l.cameEarly(h) {
		l.takeIn(ctx, h)
	}
	if flush {
		return l.flush(ctx)
	}
	return nil
}

// takeIn adopts the record that a hello brings, and compares the log that it tells
// of with what was seen of that before.
func (l *link) takeIn(ctx context.Context, h *exchange.Hello) {
	if err := l.g.offered(ctx, l.peer, h.Record); err != nil {
		l.aloud().Error("the peer's record was not adopted", "error", err)
	}
	fault, err := l.noteCheckpoint(ctx, h.Checkpoint)
	if err != nil {
		l.aloud().Error("the peer's checkpoint was not kept, for trouble at this node", "error", err)
	} else if errors.Is(fault, errPeerOlder) {
		l.suspect(fault)
	} else if fault != nil {
		l.raise(fmt.Errorf("its log does not hold together: %w", fault))
	}
}

// cameEarly keeps a record of the peer that is new here until this node may sign,
// and reports that it did. To adopt one takes a leaf, a leaf waits until peers have
// said what they hold of this node, and this peer is asked that only after its
// hello: whoever adopted here would wait for himself (R-OLD-1). What the hello says
// of the peer's log is of the new record, too, and comes again.
func (l *link) cameEarly(h *exchange.Hello) bool {
	held, ok := l.g.book.node(l.peer)
	if !ok || h.Record.Digest() == held.Ref().Digest {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.g.comparison.waits() { // under the lock, or adoptEarly could pass by in between
		return false
	}
	l.early = &h.Record
	return true
}

// adoptEarly adopts the records that came before this node might sign.
func (g *Gateway) adoptEarly(ctx context.Context) {
	if g.seq.failure() != nil {
		return // an older copy of the node, which signs nothing
	}
	for _, peer := range g.book.peers() {
		l := g.link(peer)
		l.mu.Lock()
		early := l.early
		l.early = nil
		l.mu.Unlock()
		if early == nil {
			continue
		}
		if err := g.offered(ctx, peer, *early); err != nil {
			l.aloud().Error("the peer's record was not adopted", "error", err)
		}
	}
}

// hearing reports whether the peer has given a sign of life just now.
func (l *link) hearing() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.heard.IsZero() && time.Since(l.heard) < pollFresh
}

// flush makes everything that waits for the peer due now (R-XCH-2).
func (l *link) flush(ctx context.Context) error {
	if _, err := l.g.Store.Wake(ctx, l.peer, l.g.Now()); err != nil {
		return err
	}
	l.wake()
	return nil
}

// offered adopts a newer record of the peer when it follows from the one we
// hold (R-REC-3, R-REC-9); otherwise a person must confirm it. Of records without end
// it adopts one now and then: each stays here for ever.
func (g *Gateway) offered(ctx context.Context, peer protocol.NodeID, signed statement.Signed) error {
	held, ok := g.book.node(peer)
	if !ok {
		return fmt.Errorf("no record of %s", peer)
	}
	if signed.Digest() == held.Ref().Digest {
		return nil
	}
	parsed, err := record.Parse(signed.Document)
	if err != nil {
		return err
	}
	if parsed.Sequence < held.Record().Sequence {
		return nil // the peer was restored, or we are ahead: ours stands
	}
	next, err := record.Verify(signed, held)
	if err != nil {
		return err
	}
	renewals := g.link(peer).renewals
	if !renewals.take() {
		return fmt.Errorf("record %d of state %s comes too soon after so many others: it is adopted in %s at the earliest",
			parsed.Sequence, parsed.State, renewals.wait().Round(time.Second))
	}
	if err := g.adopt(ctx, next, false); err != nil {
		renewals.give() // it is not here
		return err
	}
	return nil
}

// noteCheckpoint remembers the newest state of the peer's log. fault is what is
// wrong with the one that it sent: not signed as its record says, older than the
// one we hold, or a fork. err is trouble of this node, which accuses nobody.
func (l *link) noteCheckpoint(ctx context.Context, text *string) (fault, err error) {
	if text == nil {
		return nil, nil
	}
	state, ok := l.g.book.node(l.peer)
	if !ok {
		return nil, fmt.Errorf("no record of %s", l.peer)
	}
	c, bare, fault := state.LogVerifier().Bare([]byte(*text))
	if fault != nil {
		return fault, nil
	}
	held, _, err := l.g.Store.PeerCheckpoint(ctx, l.peer)
	if err != nil || held.Origin == c.Origin && held.Size == c.Size && held.Root == c.Root {
		return nil, err
	}
	if err := l.sight(ctx, c, bare); err != nil {
		return nil, err
	}
	switch {
	case held.Origin == c.Origin && c.Size < held.Size:
		return fmt.Errorf("its log has %d leaves and had %d: %w", c.Size, held.Size, errPeerOlder), nil
	case held.Origin == c.Origin && c.Size == held.Size && c.Root != held.Root:
		return fmt.Errorf("it has two roots over %d leaves", c.Size), nil
	}
	return nil, l.g.Store.SetPeerCheckpoint(ctx, l.peer, c, []byte(*text))
}
