package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/parcel"
	"comity/protocol/statement"

	"github.com/google/go-cmp/cmp"

	"comity/store/sickdisk"
)

// desk is an office's store under test: that of the prosecution service of xb.
type desk struct {
	*Office
	t     *testing.T
	dir   string
	clock *clock
	disk  *sickdisk.Disk
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, dir: filepath.Join(t.TempDir(), "office"), clock: newClock(), disk: &sickdisk.Disk{}}
	c := at(t, Config{Dir: d.dir, Now: d.clock.now, Wrap: d.disk.Wrap})
	if err := CreateOffice(t.Context(), c, prosecution); err != nil {
		t.Fatal(err)
	}
	o, err := OpenOffice(t.Context(), c, prosecution)
	if err != nil {
		t.Fatal(err)
	}
	d.Office = o
	t.Cleanup(func() {
		d.disk.Heal()
		if _, err := d.CheckJournal(context.Background()); err != nil {
			t.Errorf("after the test: %v", err)
		}
		d.Close()
	})
	return d
}

const theCase protocol.CaseID = "11111111-1111-4111-8111-111111111111"

func entry(words ...any) []byte { return fmt.Appendf(nil, "{\"act\":%q}", fmt.Sprint(words...)) }

func (d *desk) spool(sealed []byte) *Spool {
	d.t.Helper()
	s := d.NewSpool()
	if _, err := s.Write(sealed); err != nil {
		d.t.Fatal(err)
	}
	if err := s.Keep(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(s.Discard)
	return s
}

func (d *desk) message(number int, sequence int64, from protocol.AuthorityID, to ...protocol.AuthorityID) *Message {
	pages := int64(3)
	m := &Message{
		Name: Name{from, parcelID(number)}, Case: theCase, Sequence: sequence, Kind: "REQUEST",
		Manifest: document("manifest", from, number), Approvals: []statement.Signed{document("approval", number)},
		Files: []parcel.File{
			{Path: "files/0001", Name: "طلب المساعدة.pdf", MediaType: "application/pdf", Size: 10, Digest: protocol.Sum([]byte("a")), Pages: &pages, Role: parcel.Document},
			{Path: "files/0002", Name: "annex.txt", MediaType: "text/plain", Size: 20, Digest: protocol.Sum([]byte("b")), Role: parcel.Attachment},
		},
		Sealed: sealedOf(body(number, 100)), Slip: []byte("slip"), Priority: protocol.Urgent, Created: d.clock.now().UTC(),
	}
	for _, a := range to {
		m.Transmissions = append(m.Transmissions, Transmission{To: a, RecipientKey: protocol.Sum([]byte(a))})
	}
	return m
}

func (d *desk) received(number int, sequence int64) *Message {
	m := d.message(number, sequence, central, prosecution)
	m.Transmissions[0].Envelope = document("envelope", number)
	m.Transmissions[0].State = exchange.Consigned
	return m
}

func (d *desk) evidence(k protocol.Key, e evidence.Event, words ...any) Evidence {
	return Evidence{Packet: statement.Packet{Signed: document(append([]any{e, k}, words...)...)}, Event: e, Time: d.clock.now()}
}

func (d *desk) takeIn(number int, sequence int64) *Message {
	d.t.Helper()
	m := d.received(number, sequence)
	ev := d.evidence(keyOf(m), evidence.ContentHandover)
	added, err := d.TakeIn(d.t.Context(), m, d.spool(body(number, 100)), &ev, entry("took in ", number))
	if err != nil || !added {
		d.t.Fatalf("taking in message %d: %v, %v", number, added, err)
	}
	return m
}

func keyOf(m *Message) protocol.Key {
	return protocol.Key{From: m.Name.From, Parcel: m.Name.Parcel, To: prosecution}
}

func numbers(list []Message) []string {
	return parcels(list, func(m Message) protocol.ParcelID { return m.Name.Parcel })
}

func TestReceivedMessageGoesItsWay(t *testing.T) {
	ctx := t.Context()
	d := newDesk(t)
	m := d.takeIn(1, 1)
	k := keyOf(m)

	got, err := d.Message(ctx, m.Name)
	if err != nil {
		t.Fatal(err)
	}
	want := *m
	want.Direction, want.Ordinal, want.Stored = Received, 1, d.clock.now().UTC()
	want.Transmissions[0].State, want.Transmissions[0].Updated = exchange.HandedOver, d.clock.now().UTC()
	if diff := cmp.Diff(&want, got); diff != "" {
		t.Errorf("message read back differs:\n%s", diff)
	}
	if s, err := d.Sealed(ctx, m.Sealed.Digest); err != nil || s.Size() != 100 {
		t.Errorf("sealed bytes: %v, %v", s, err)
	}

	// Evidence waits until the gateway's proof comes.
	unfiled, err := d.Unfiled(ctx, 0)
	if err != nil || len(unfiled) != 1 || unfiled[0].Key != k || unfiled[0].Evidence.Event != evidence.ContentHandover {
		t.Fatalf("unfiled: %+v, %v", unfiled, err)
	}
	filed := unfiled[0].Evidence
	filed.Proof = foreignProof
	if repeat, err := d.Take(ctx, k, statement.Signed{}, filed); err != nil || !repeat {
		t.Errorf("taking the proof: %v, %v", repeat, err)
	}
	if unfiled, _ = d.Unfiled(ctx, 0); len(unfiled) != 0 {
		t.Errorf("still unfiled: %+v", unfiled)
	}

	if list, _ := d.Inbox(ctx, MessageFilter{Unopened: true}); len(list) != 1 {
		t.Errorf("unopened: %d, want 1", len(list))
	}
	access := d.evidence(k, evidence.ContentAccessTracking)
	for i, want := range []bool{true, false, false} {
		d.clock.advance(time.Minute)
		first, err := d.SetOpened(ctx, m.Name, &access, entry("opened ", i))
		if err != nil || first != want {
			t.Errorf("opening %d: first %v, %v; want %v", i, first, err, want)
		}
	}
	answer := d.evidence(k, evidence.ConsignmentAcceptance)
	for i, want := range []bool{true, false} {
		first, err := d.SetAcknowledged(ctx, m.Name, answer, entry("acknowledged"))
		if err != nil || first != want {
			t.Errorf("acknowledging %d: first %v, %v; want %v", i, first, err, want)
		}
	}
	_, err = d.SetAcknowledged(ctx, m.Name, d.evidence(k, evidence.ConsignmentRejection), entry("rejected"))
	wantCode(t, "a second, other answer", err, protocol.Equivocation)

	got, _ = d.Message(ctx, m.Name)
	r := got.Transmissions[0]
	if !r.Opened.Equal(want.Stored.Add(time.Minute)) || !r.Acknowledged.Equal(want.Stored.Add(3*time.Minute)) || r.State != exchange.Acknowledged {
		t.Errorf("transmission at the end: %+v", r)
	}
	for _, f := range []MessageFilter{{Unopened: true}, {Unacknowledged: true}} {
		if list, err := d.Inbox(ctx, f); err != nil || len(list) != 0 {
			t.Errorf("inbox %+v: %d, %v; want none", f, len(list), err)
		}
	}
	all, err := d.Evidence(ctx, k)
	if err != nil || len(all) != 3 || !all[0].Own || all[0].Proof == nil || all[2].Event != evidence.ConsignmentAcceptance {
		t.Errorf("evidence: %+v, %v", all, err)
	}
	head, err := d.CheckJournal(ctx)
	if err != nil || head.Sequence != 5 || !bytes.Equal(head.Entry, entry("acknowledged")) {
		t.Errorf("journal's head: %+v, %v; want five entries", head, err)
	}
}

// I2: no message twice per (case, from, sequence); another manifest is shown.
func TestMessageEquivocation(t *testing.T) {
	ctx := t.Context()
	d := newDesk(t)
	m := d.takeIn(1, 1)
	before, _ := d.CheckJournal(ctx)
	if added, err := d.TakeIn(ctx, m, d.spool(body(1, 100)), nil, entry("again")); err != nil || added {
		t.Errorf("the same message again: %v, %v; want a repeat", added, err)
	}
	sameName := d.received(1, 2)
	sameName.Manifest = document("another manifest")
	sameSequence := d.received(2, 1)
	for name, other := range map[string]*Message{"name": sameName, "sequence": sameSequence} {
		for range 2 {
			ev := d.evidence(keyOf(other), evidence.ContentHandover, name)
			_, err := d.TakeIn(ctx, other, d.spool(body(2, 100)), &ev, entry("never"))
			wantCode(t, "another manifest under the same "+name, err, protocol.Equivocation)
		}
	}
	list, err := d.ContestedList(ctx, 0)
	if err != nil || len(list) != 2 {
		t.Fatalf("contested: %+v, %v; want both", list, err)
	}
	if after, _ := d.CheckJournal(ctx); after.Sequence != before.Sequence {
		t.Errorf("refused messages wrote the journal")
	}
	if inbox, _ := d.Inbox(ctx, MessageFilter{}); !cmp.Equal(numbers(inbox), []string{"1"}) {
		t.Errorf("inbox %v, want only the first", numbers(inbox))
	}
	d.takeIn(3, 2) // the sequence goes on
}

func TestSentMessage(t *testing.T) {
	ctx := t.Context()
	d := newDesk(t)
	if n, err := d.NextSequence(ctx, theCase); err != nil || n != 1 {
		t.Errorf("first sequence: %d, %v", n, err)
	}
	m := d.message(1, 1, prosecution, central, "xc/court")
	for i, want := range []bool{true, false} {
		added, err := d.AddSent(ctx, m, d.spool(body(1, 100)), entry("sent"))
		if err != nil || added != want {
			t.Errorf("adding %d: %v, %v; want %v", i, added, err, want)
		}
	}
	if n, _ := d.NextSequence(ctx, theCase); n != 2 {
		t.Errorf("next sequence: %d, want 2", n)
	}
	taken := d.message(2, 1, prosecution, central)
	_, err := d.AddSent(ctx, taken, d.spool(body(2, 100)), entry("sent"))
	wantCode(t, "the same sequence for another message", err, protocol.Equivocation)

	for left, to := range []protocol.AuthorityID{central, "xc/court"} {
		if list, err := d.Unsent(ctx, 0); err != nil || len(list) != 1 {
			t.Fatalf("unsent, %d taken: %d, %v", left, len(list), err)
		}
		k := protocol.Key{From: prosecution, Parcel: m.Name.Parcel, To: to}
		ev := d.evidence(k, evidence.SubmissionAcceptance)
		ev.Proof = foreignProof
		if _, err := d.Take(ctx, k, document("envelope", to), ev); err != nil {
			t.Fatal(err)
		}
	}
	if list, _ := d.Unsent(ctx, 0); len(list) != 0 {
		t.Errorf("unsent after both were taken: %v", numbers(list))
	}
	k := protocol.Key{From: prosecution, Parcel: m.Name.Parcel, To: central}
	for _, e := range []evidence.Event{evidence.ContentConsignment, evidence.RelayAcceptance} { // in any order
		if _, err := d.Take(ctx, k, statement.Signed{}, d.evidence(k, e)); err != nil {
			t.Fatal(err)
		}
	}
	list, err := d.SentList(ctx, MessageFilter{To: "xc/court"})
	if err != nil || len(list) != 1 {
		t.Fatalf("sent: %v, %v", numbers(list), err)
	}
	wantState(t, "to the first", list[0].Transmissions[0].State, exchange.Consigned)
	wantState(t, "to the second", list[0].Transmissions[1].State, exchange.Queued)
	if list[0].Slip != nil {
		t.Errorf("a list shows slips")
	}
	_, err = d.Take(ctx, k, statement.Signed{}, d.evidence(k, evidence.RelayAcceptance, "again"))
	wantCode(t, "another acceptance", err, protocol.Equivocation)
	if list, _ = d.SentList(ctx, MessageFilter{To: court}); len(list) != 0 {
		t.Errorf("sent to another: %v", numbers(list))
	}
}

// R-XCH-5: test messages show only when asked for.
func TestTestMessagesAreLeftOut(t *testing.T) {
	ctx := t.Context()
	d := newDesk(t)
	d.takeIn(1, 1)
	m := d.received(2, 2)
	m.Test = true
	if _, err := d.TakeIn(ctx, m, d.spool(body(2, 100)), nil, entry("test")); err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[Tests][]string{WithoutTests: {"1"}, WithTests: {"2", "1"}, OnlyTests: {"2"}} {
		if list, err := d.Inbox(ctx, MessageFilter{Test: mode}); err != nil || !cmp.Equal(numbers(list), want) {
			t.Errorf("mode %d: %v, %v; want %v", mode, numbers(list), err, want)
		}
	}
	want := map[Name]bool{m.Name: true, {central, parcelID(1)}: false}
	if here, err := d.Among(ctx, []Name{m.Name, {central, parcelID(1)}, {central, parcelID(9)}}); err != nil || !cmp.Equal(here, want) {
		t.Errorf("here of three: %v, %v; want %v", here, err, want)
	}
	if list, err := d.CaseMessages(ctx, theCase); err != nil || !cmp.Equal(numbers(list), []string{"1", "2"}) {
		t.Errorf("case: %v, %v; want both in order", numbers(list), err)
	}
	if list, err := d.MessageByParcel(ctx, parcelID(2)); err != nil || len(list) != 1 {
		t.Errorf("by parcel: %v, %v", numbers(list), err)
	}
}

func TestSlip(t *testing.T) {
	ctx := t.Context()
	d := newDesk(t)
	m := d.takeIn(1, 1)
	if err := d.SetSlip(ctx, m.Name, []byte("rotated"), entry("rotated")); err != nil {
		t.Fatal(err)
	}
	if slip, err := d.Slip(ctx, m.Name); err != nil || string(slip) != "rotated" {
		t.Errorf("slip %q, %v", slip, err)
	}
	if n, err := d.Sweep(ctx, 0); err != nil || n != 0 {
		t.Errorf("swept %d, %v, while the slip stands", n, err)
	}
	if err := d.SetSlip(ctx, m.Name, nil, entry("erased")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Slip(ctx, m.Name); !errors.Is(err, ErrGone) {
		t.Errorf("destroyed slip: %v, want ErrGone", err)
	}
	if n, err := d.Sweep(ctx, 0); err != nil || n != 1 {
		t.Errorf("swept %d, %v; want the one body", n, err)
	}
	if _, err := d.Slip(ctx, Name{court, parcelID(9)}); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown message: %v, want ErrNotFound", err)
	}
}

// Evidence may speak of a parcel that could not be taken in.
func TestEvidenceWithoutMessage(t *testing.T) {
	ctx := t.Context()
	d := newDesk(t)
	k := protocol.Key{From: central, Parcel: parcelID(1), To: prosecution}
	ev := d.evidence(k, evidence.ContentHandoverFailure)
	for i, want := range []bool{false, true} {
		if repeat, err := d.AddEvidence(ctx, k, ev, entry("failed")); err != nil || repeat != want {
			t.Errorf("adding %d: %v, %v; want %v", i, repeat, err, want)
		}
	}
	if u, _ := d.Unfiled(ctx, 0); len(u) != 1 {
		t.Errorf("unfiled: %d, want 1", len(u))
	}
	if h, _ := d.CheckJournal(ctx); h.Sequence != 1 {
		t.Errorf("journal has %d entries, want 1", h.Sequence)
	}
	if _, err := d.SetOpened(ctx, Name{central, parcelID(1)}, nil, entry("opened")); !errors.Is(err, ErrNotFound) {
		t.Errorf("opening what was not taken in: %v", err)
	}
	if _, err := d.SetAcknowledged(ctx, Name{central, parcelID(1)}, d.evidence(k, evidence.ConsignmentAcceptance), entry("x")); !errors.Is(err, ErrNotFound) {
		t.Errorf("acknowledging what was not taken in: %v", err)
	}
}

// Every write of the office leaves all or nothing, journal included, and may
// be repeated.
func TestOfficeWritesFailBothWays(t *testing.T) {
	ctx := context.Background()
	writes := map[string]func(d *desk) error{
		"TakeIn": func(d *desk) error {
			m := d.received(2, 2)
			ev := d.evidence(keyOf(m), evidence.ContentHandover)
			_, err := d.TakeIn(ctx, m, d.spool(body(2, 100)), &ev, entry("x"))
			return err
		},
		"AddSent": func(d *desk) error {
			_, err := d.AddSent(ctx, d.message(3, 1, prosecution, central), d.spool(body(3, 100)), entry("x"))
			return err
		},
		"SetAcknowledged": func(d *desk) error {
			k := protocol.Key{From: central, Parcel: parcelID(1), To: prosecution}
			_, err := d.SetAcknowledged(ctx, Name{central, parcelID(1)}, d.evidence(k, evidence.ConsignmentAcceptance), entry("x"))
			return err
		},
		"AddEvidence": func(d *desk) error {
			k := key(5, prosecution)
			_, err := d.AddEvidence(ctx, k, d.evidence(k, evidence.ContentHandoverFailure), entry("x"))
			return err
		},
	}
	for name, do := range writes {
		for kind, written := range map[string]bool{"not written": false, "but written": true} {
			t.Run(name+" "+kind, func(t *testing.T) {
				d := newDesk(t)
				d.takeIn(1, 1)
				d.disk.Set(func() (bool, error) { return written, errDisk })
				if err := do(d); !errors.Is(err, ErrUnknownOutcome) {
					t.Fatalf("error %v, want ErrUnknownOutcome", err)
				}
				d.disk.Heal()
				want := int64(1)
				if written {
					want = 2
				}
				if h, _ := d.CheckJournal(ctx); h.Sequence != want {
					t.Errorf("journal has %d entries, want %d", h.Sequence, want)
				}
				if err := do(d); err != nil {
					t.Fatal(err)
				}
				if h, _ := d.CheckJournal(ctx); h.Sequence != 2 {
					t.Errorf("journal after the repeat has %d entries, want 2", h.Sequence)
				}
			})
		}
	}
}

func TestJournalChain(t *testing.T) {
	ctx := t.Context()
	d := newDesk(t)
	for i := range 300 {
		d.clock.advance(time.Microsecond)
		if _, err := d.Append(ctx, entry(i)); err != nil {
			t.Fatal(err)
		}
	}
	head, err := d.CheckJournal(ctx)
	if err != nil || head.Sequence != 300 {
		t.Fatalf("head %+v, %v", head, err)
	}
	page, err := d.Journal(ctx, 298, 10)
	if err != nil || len(page) != 2 || page[1].Digest != head.Digest || page[1].Previous != page[0].Digest {
		t.Errorf("page %+v, %v", page, err)
	}
	if _, err := d.Append(ctx, nil); err == nil {
		t.Errorf("an empty entry was written")
	}
	d.clock.advance(-time.Hour)
	if _, err := d.Append(ctx, entry("earlier")); !errors.Is(err, ErrClock) {
		t.Errorf("entry dated before the last one: %v, want ErrClock", err)
	}
	d.clock.advance(time.Hour)
	d.v.discard()
	for _, change := range [][2]string{
		{`UPDATE journal SET entry = '{}' WHERE sequence = 7`, `UPDATE journal SET entry = '` + string(entry(6)) + `' WHERE sequence = 7`},
		{`UPDATE journal SET at_us = at_us + 1 WHERE sequence = 270`, `UPDATE journal SET at_us = at_us - 1 WHERE sequence = 270`},
		{`UPDATE journal SET sequence = 1000 WHERE sequence = 290`, `UPDATE journal SET sequence = 290 WHERE sequence = 1000`},
	} {
		for i, q := range change {
			execute(t, d.v.database, q)
			if _, err := d.CheckJournal(ctx); (err == nil) != (i == 1) || i == 0 && !errors.Is(err, ErrIntegrity) {
				t.Errorf("%s: %v", q, err)
			}
		}
	}
}
