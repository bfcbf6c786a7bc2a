package sim

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"time"

	"comity/node/office"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/store"
)

// Check is the oracle: it looks into every running node and fails the test when
// an invariant of the design does not hold. It may be asked at any moment.
func (w *World) Check() {
	w.T.Helper()
	ctx := w.T.Context()
	for _, h := range w.Hosts {
		if h.running == nil {
			continue
		}
		if err := h.check(ctx); err != nil {
			w.T.Errorf("oracle: %s at %s: %v", h.Node, time.Now().UTC().Format(time.RFC3339), err)
		}
	}
	for _, p := range w.sent {
		if err := w.checkPromise(ctx, p); err != nil {
			w.T.Errorf("oracle: %s: %v", p.Key, err)
		}
	}
}

func (h *Host) store() *store.Gateway { return h.running.Gateway.Store }

// check looks at what one node holds by itself and what its peers saw of it.
func (h *Host) check(ctx context.Context) error {
	// I4: each evidence has its leaf, and the whole log computes.
	report, err := h.running.Gateway.CheckLog(ctx)
	if err != nil {
		return fmt.Errorf("I4: log check: %w", err)
	}
	if report.Leaves != report.Evidence+report.Records {
		return fmt.Errorf("I4: %d leaves for %d evidences and %d records", report.Leaves, report.Evidence, report.Records)
	}
	for _, other := range h.world.Hosts {
		if other != h && other.running != nil {
			if err := h.checkSeenBy(ctx, other); err != nil {
				return err
			}
		}
	}
	return h.checkBounds(ctx)
}

// checkSeenBy makes sure that the checkpoint another node saw is one over
// committed rows (I4).
func (h *Host) checkSeenBy(ctx context.Context, other *Host) error {
	seen, note, err := other.store().PeerCheckpoint(ctx, h.Node)
	if err != nil || note == nil {
		return err
	}
	held, err := h.store().CheckpointAt(ctx, seen.Size)
	if err != nil {
		return fmt.Errorf("I4: %s saw a checkpoint of size %d: %w", other.Node, seen.Size, err)
	}
	if !bytes.Equal(held, note) {
		return fmt.Errorf("I4: %s saw another checkpoint of size %d than is stored", other.Node, seen.Size)
	}
	return nil
}

// checkBounds makes sure that what a node holds is bounded by what was sent
// (I9): no row, evidence or body comes out of repeats, losses or retries.
func (h *Host) checkBounds(ctx context.Context) error {
	out, in := 0, 0
	for _, p := range h.world.sent {
		if p.Key.From == h.Office {
			out++
		}
		if p.Key.To == h.Office {
			in++
		}
	}
	all := store.Filter{Test: store.WithTests}
	sent, err := h.store().OutboundList(ctx, all)
	if err != nil {
		return err
	}
	taken, err := h.store().InboundList(ctx, all)
	if err != nil {
		return err
	}
	if len(sent) != out || len(taken) > in {
		return fmt.Errorf("I9: %d rows sent for %d letters, %d rows taken of %d", len(sent), out, len(taken), in)
	}
	return nil
}

// checkPromise follows one parcel for which a SubmissionAcceptance exists.
func (w *World) checkPromise(ctx context.Context, p Promise) error {
	from, to := w.officeHost(p.Key.From), w.officeHost(p.Key.To)
	if from.running != nil {
		if err := w.checkSender(ctx, from, to, p); err != nil {
			return err
		}
	}
	if to.running != nil {
		return to.checkReceiver(ctx, p)
	}
	return nil
}

// checkSender: the parcel is queued or ended by evidence (I1), and every foreign
// evidence stands, byte for byte, at the node that issued it (I3).
func (w *World) checkSender(ctx context.Context, from, to *Host, p Promise) error {
	row, err := from.store().Outbound(ctx, p.Key)
	if err != nil {
		return fmt.Errorf("I1: a promised parcel is lost: %w", err)
	}
	env, err := envelope.Parse(row.Envelope.Document)
	if err != nil {
		return err
	}
	all, err := from.running.Gateway.Evidence(ctx, p.Key)
	if err != nil {
		return err
	}
	var events []evidence.Event
	for _, ev := range all {
		events = append(events, ev.Parsed.Event)
		if err := ev.Parsed.About(env, row.Envelope.Ref()); err != nil {
			return fmt.Errorf("I3: %w", err)
		}
		if ev.Parsed.Event == evidence.RelayFailure && ev.Parsed.Time.Before(env.Expires.Add(protocol.MaxSkew)) {
			return fmt.Errorf("I1: RelayFailure at %s, before %s + skew", ev.Parsed.Time, env.Expires)
		}
		if !ev.Parsed.Event.Rule().Sender && to.running != nil {
			if err := to.holds(ctx, p.Key, ev); err != nil {
				return err
			}
		}
	}
	if len(events) == 0 {
		return errors.New("I1: no evidence at all")
	}
	if status := exchange.StatusOf(events); status != row.State.Status() {
		return fmt.Errorf("the row says %s, the evidence %s", row.State.Status(), status)
	}
	if row.State == exchange.Queued && row.Next.IsZero() {
		return errors.New("I1: queued, and nothing will ever be tried")
	}
	return nil
}

// holds makes sure that evidence which left the node is durable there (I3).
func (h *Host) holds(ctx context.Context, k protocol.Key, ev exchange.Attested) error {
	own, err := h.store().Evidence(ctx, k)
	if err != nil {
		return err
	}
	for _, o := range own {
		if o.Own && bytes.Equal(o.Document, ev.Document) && bytes.Equal(o.Signature, ev.Signature) {
			return nil
		}
	}
	return fmt.Errorf("I3: the sender holds a %s that %s does not know", ev.Parsed.Event, h.Node)
}

// checkReceiver: what was accepted is whole on disk (I3), and it took effect at
// most once (I2).
func (h *Host) checkReceiver(ctx context.Context, p Promise) error {
	row, err := h.store().Inbound(ctx, p.Key)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	if row.State == exchange.Refused {
		return nil
	}
	sealed, err := h.store().Sealed(ctx, row.Sealed.Digest)
	if errors.Is(err, store.ErrGone) && row.State.After(evidence.ContentHandover) == row.State {
		return h.checkOnce(ctx, p) // the office has its own; see OpenAll
	}
	if err != nil {
		return fmt.Errorf("I3: accepted, but the sealed bytes are not there: %w", err)
	}
	defer sealed.Close()
	sum := sha256.New()
	if n, err := io.Copy(sum, io.NewSectionReader(sealed, 0, sealed.Size())); err != nil || n != row.Sealed.Size {
		return fmt.Errorf("I3: accepted %d sealed bytes, %d are there: %w", row.Sealed.Size, n, err)
	}
	if protocol.Digest(sum.Sum(nil)) != row.Sealed.Digest {
		return errors.New("I3: the sealed bytes are not those that were accepted")
	}
	return h.checkOnce(ctx, p)
}

// checkOnce makes sure that the office has the message at most once, and a test
// message never in its inbox (I2, R-XCH-5).
func (h *Host) checkOnce(ctx context.Context, p Promise) error {
	all, err := h.office().Inbox(ctx, store.MessageFilter{Test: store.WithTests})
	if err != nil {
		return err
	}
	shown, err := h.office().Inbox(ctx, store.MessageFilter{})
	if err != nil {
		return err
	}
	if n := count(all, p); n > 1 {
		return fmt.Errorf("I2: the office holds the message %d times", n)
	}
	if n := count(shown, p); p.Test && n > 0 {
		return errors.New("R-XCH-5: a test parcel shows in the inbox")
	}
	return nil
}

func count(messages []office.Message, p Promise) (n int) {
	for _, m := range messages {
		if m.Name.Parcel == p.Key.Parcel && m.Name.From == p.Key.From {
			n++
		}
	}
	return n
}

func (w *World) officeHost(a protocol.AuthorityID) *Host {
	for _, h := range w.Hosts {
		if h.Office == a {
			return h
		}
	}
	w.T.Fatalf("no host for %s", a)
	return nil
}

// Status is where a letter stands, as its sender sees it.
func (w *World) Status(k protocol.Key) exchange.Status {
	w.T.Helper()
	row, err := w.officeHost(k.From).store().Outbound(w.T.Context(), k)
	w.must(err, "status of %s", k)
	return row.State.Status()
}

// Await lets time go by, asking the oracle on the way, until every letter has
// reached the status or a later one, and fails the test when the time is over.
func (w *World) Await(within time.Duration, reached func(exchange.Status) bool) {
	w.T.Helper()
	deadline := time.Now().Add(within)
	step := 100 * time.Millisecond
	for {
		missing := ""
		for _, p := range w.sent {
			if s := w.Status(p.Key); !reached(s) {
				missing = fmt.Sprintf("%s is %s", p.Key, s)
			}
		}
		if missing == "" {
			w.Check()
			return
		}
		if time.Now().After(deadline) {
			w.T.Fatalf("after %s: %s", within, missing)
		}
		w.Pass(step)
		if step *= 2; step > time.Hour {
			step = time.Hour
		}
		w.Check()
	}
}

// Delivered reports whether the recipient's office was handed the parcel.
func Delivered(s exchange.Status) bool {
	return s == exchange.StatusDelivered || s == exchange.StatusAcknowledged
}

// Ended reports whether the parcel was accepted by the peer or ended otherwise.
func Ended(s exchange.Status) bool { return s != exchange.StatusQueued }

// openAll has every recipient open what was delivered and compares it with
// what was sent: the promise that matters in the end.
func (w *World) openAll() {
	w.T.Helper()
	ctx := w.T.Context()
	for _, p := range w.sent {
		to := w.officeHost(p.Key.To)
		if p.Test || to.running == nil {
			continue
		}
		row, err := to.store().Inbound(ctx, p.Key)
		if err != nil || row.State != exchange.HandedOver {
			continue
		}
		_, file, err := to.office().OpenFile(ctx, store.Name{From: p.Key.From, Parcel: p.Key.Parcel}, 1)
		w.must(err, "open %s", p.Key)
		sum := sha256.New()
		_, err = file.WriteTo(sum)
		w.must(errors.Join(err, file.Close()), "read %s", p.Key)
		if protocol.Digest(sum.Sum(nil)) != p.Attachment {
			w.T.Errorf("oracle: %s: the opened file is not the one that was attached", p.Key)
		}
	}
}
