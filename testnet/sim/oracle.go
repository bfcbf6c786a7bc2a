package sim

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
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
	w.tend()
	ctx := w.T.Context()
	for _, h := range w.Hosts {
		if h.running == nil {
			continue
		}
		if err := errors.Join(h.adopt(ctx), h.check(ctx)); err != nil {
			w.T.Errorf("oracle: %s at %s: %v", h.Node, time.Now().UTC().Format(time.RFC3339), err)
		}
	}
	for _, p := range w.sent {
		if err := errors.Join(w.checkPromise(ctx, p), w.checkEvidence(ctx, p)); err != nil {
			w.T.Errorf("oracle: %s at %s: %v", p.Key, time.Now().UTC().Format(time.RFC3339), err)
		}
	}
	if err := w.checkNotes(ctx); err != nil {
		w.T.Errorf("oracle: %v", err)
	}
}

// adopt makes a promise of what the node took although nobody heard it say so:
// the office was told of trouble, or killed. It must be a letter that a story
// tried to send (I9).
func (h *Host) adopt(ctx context.Context) error {
	rows, err := h.store().OutboundList(ctx, store.Filter{Test: store.WithTests})
	if err != nil {
		return err
	}
	for _, row := range rows {
		if slices.ContainsFunc(h.world.sent, func(p Promise) bool { return p.Key == row.Key }) {
			continue
		}
		m, err := h.office().Message(ctx, store.Name{From: row.Key.From, Parcel: row.Key.Parcel})
		if err != nil {
			return fmt.Errorf("%s is queued, but its office does not have it: %w", row.Key, err)
		}
		attachment := m.Files[0].Digest
		if _, tried := h.world.attempts[attachment]; !tried {
			return fmt.Errorf("I9: %s is queued, and nobody sent it", row.Key)
		}
		h.world.promise(Promise{Key: row.Key, Test: row.Test, Attachment: attachment})
	}
	return nil
}

// check looks at what one node holds by itself and what its peers saw of it.
func (h *Host) check(ctx context.Context) error {
	// I4: each evidence has its leaf, and the whole log computes.
	report, err := h.running.Gateway.CheckLog(ctx)
	if err != nil {
		return fmt.Errorf("I4: log check: %w", err)
	}
	if report.Leaves != report.Evidence+report.Foreign+report.Records+report.Directories+report.Eras || report.ForeignLeaves != report.Foreign {
		return fmt.Errorf("I4: %d leaves for %d own evidences, %d of %d of others, and %d records",
			report.Leaves, report.Evidence, report.ForeignLeaves, report.Foreign, report.Records)
	}
	for _, other := range h.world.Hosts {
		if other != h && other.running != nil {
			if err := h.noteSeenBy(ctx, other); err != nil {
				return err
			}
		}
	}
	return h.checkBounds(ctx)
}

// noteSeenBy remembers the checkpoint of h that another node saw last.
func (h *Host) noteSeenBy(ctx context.Context, other *Host) error {
	_, note, err := other.store().PeerCheckpoint(ctx, h.Node)
	if err != nil || note == nil {
		return err
	}
	return h.world.ledger.addNote(note)
}

// checkBounds makes sure that what a node holds is bounded by what was sent
// (I9): no row, evidence or body comes out of repeats, losses or retries.
func (h *Host) checkBounds(ctx context.Context) error {
	out, in := 0, 0
	for _, p := range h.world.sent {
		if p.Key.From == h.Office {
			out++
		}
	}
	for _, to := range h.world.attempts { // its sender may be down, and nobody else knows of it
		if slices.Contains(to, h) {
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
	if len(sent) > out || len(taken) > in { // fewer sent are lost ones: checkSender says which
		return fmt.Errorf("I9: %d rows sent for %d letters, %d rows taken of %d", len(sent), out, len(taken), in)
	}
	return nil
}

// checkPromise follows one parcel for which a SubmissionAcceptance exists.
func (w *World) checkPromise(ctx context.Context, p Promise) error {
	from, to := w.officeHost(p.Key.From), w.officeHost(p.Key.To)
	if from.running != nil {
		if err := w.checkSender(ctx, from, p); err != nil {
			return err
		}
	}
	if to.running == nil {
		return nil
	}
	if from.running != nil {
		if err := checkOffered(ctx, from, to, p); err != nil {
			return err
		}
	}
	return to.checkReceiver(ctx, p)
}

// checkOffered makes sure that a sender whose letter has arrived knows that it
// was offered, whatever happened to it since: a withdrawal would be untrue.
func checkOffered(ctx context.Context, from, to *Host, p Promise) error {
	if _, err := to.store().Inbound(ctx, p.Key); errors.Is(err, store.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	row, err := from.store().Outbound(ctx, p.Key)
	if err == nil && !row.Offered {
		err = errors.New("I3: it has arrived, and its sender believes that it was never offered")
	}
	return err
}

// checkSender: the parcel is queued or ended by evidence (I1), and all evidence
// speaks of it and is true (I3).
func (w *World) checkSender(ctx context.Context, from *Host, p Promise) error {
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
		err := checkTrue(ev.Parsed, env)
		if ev.Said().TookBack() {
			err = w.checkTookBack(row, ev.Said().Event, p)
		}
		if err != nil {
			return err
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

// checkTrue makes sure that nothing negative is said that is not so (I1): honest
// nodes refuse no letter of an honest office, and none fails before its time,
// whatever their clocks say.
func checkTrue(ev *evidence.Evidence, env *envelope.Envelope) error {
	due := env.Expires.Add(protocol.MaxSkew)
	switch rule := ev.Event.Rule(); {
	case ev.Event == evidence.RelayFailure:
		if ev.Time.Before(due) || time.Now().Before(due) {
			return fmt.Errorf("I1: RelayFailure dated %s, seen at %s, before %s + skew", ev.Time, time.Now().UTC(), env.Expires)
		}
	case rule.Negative && time.Now().Before(env.Expires.Time):
		return fmt.Errorf("I1: %s of an honest letter: %+v", ev.Event, ev.Reason)
	}
	return nil
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
		return h.checkRefused(ctx, row)
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
