package office

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/parcel"
	"comity/store"

	"github.com/google/go-cmp/cmp"
)

// exchanged is a world in which one message has arrived and was taken in.
func exchanged(t *testing.T, d Draft) (*world, *Sent) {
	t.Helper()
	w := newWorld(t)
	sent := w.send(d)
	if err := w.takeAll(prosecution); err != nil {
		t.Fatal(err)
	}
	return w, sent
}

// events are what the sender's node knows, in order.
func (w *world) events(k protocol.Key) (all []evidence.Event) {
	w.t.Helper()
	known, err := w.nodes[k.From.State()].Evidence(w.t.Context(), k)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, a := range known {
		all = append(all, a.Parsed.Event)
	}
	return all
}

func TestOpenFile(t *testing.T) {
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<17) // 2 MiB: a file in the store, many chunks
	d := request(t, write(t, "letter.txt", []byte("the letter")), write(t, "large.bin", large), write(t, "empty.txt", nil))
	w, sent := exchanged(t, d)
	for a, o := range map[protocol.AuthorityID]*Office{prosecution: w.office(prosecution), central: w.office(central)} {
		for i, want := range [][]byte{[]byte("the letter"), large, nil} {
			f, content, err := o.OpenFile(t.Context(), sent.Name, i+1)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(content)
			if err != nil || !bytes.Equal(got, want) || f.Size != int64(len(want)) {
				t.Errorf("%s, file %d %q: %d bytes, %v; want %d", a, i+1, f.Name, len(got), err, len(want))
			}
			var copied bytes.Buffer
			if _, err := content.Seek(0, io.SeekStart); err != nil {
				t.Error(err)
			}
			if n, err := io.Copy(&copied, content); err != nil || n != f.Size || !bytes.Equal(copied.Bytes(), want) {
				t.Errorf("%s, file %d: copied %d bytes, %v", a, i+1, n, err)
			}
			if i == 1 {
				part := make([]byte, 5)
				if _, err := content.ReadAt(part, 1<<20+7); err != nil || string(part) != "789ab" {
					t.Errorf("%s: range %q, %v", a, part, err)
				}
			}
			if err := content.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	// First opened once, by the recipient; the sender's own openings are its own affair.
	want := []evidence.Event{
		evidence.SubmissionAcceptance, evidence.RelayAcceptance, evidence.ContentConsignment, evidence.ContentHandover, evidence.ContentAccessTracking,
	}
	if diff := cmp.Diff(want, w.events(keyTo(sent.Name, prosecution))); diff != "" {
		t.Errorf("evidence at the sender (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]Act{ActTakeIn, ActOpen, ActOpen, ActOpen}, w.acts(prosecution)); diff != "" {
		t.Errorf("journal of the recipient (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]Act{ActSend, ActOpen, ActOpen, ActOpen}, w.acts(central)); diff != "" {
		t.Errorf("journal of the sender (-want +got):\n%s", diff)
	}
}

func TestOpenFileRefuses(t *testing.T) {
	w, sent := exchanged(t, request(t))
	o := w.office(prosecution)
	for _, n := range []int{-1, 0, 2} {
		if _, _, err := o.OpenFile(t.Context(), sent.Name, n); err == nil || !strings.Contains(err.Error(), "there is no file") {
			t.Errorf("file %d: got %v", n, err)
		}
	}
	if _, _, err := o.OpenFile(t.Context(), store.Name{From: ministry, Parcel: sent.Name.Parcel}, 1); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a parcel of nobody: got %v", err)
	}
	identities := o.identities
	o.identities = stateOf(ministry).identities
	if _, _, err := o.OpenFile(t.Context(), sent.Name, 1); err == nil || !strings.Contains(err.Error(), "put the older identities back") {
		t.Errorf("without its identities: got %v", err)
	}
	o.identities = identities
	if err := o.store.SetSlip(t.Context(), sent.Name, nil, []byte("{}\n")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := o.OpenFile(t.Context(), sent.Name, 1); !errors.Is(err, store.ErrGone) {
		t.Errorf("after its key was destroyed: got %v", err)
	}
	if r := w.nodes["xb"].rows[keyTo(sent.Name, prosecution)]; r.has(evidence.ContentAccessTracking) {
		t.Error("an opening that failed was attested")
	}
}

func TestAcknowledge(t *testing.T) {
	w, sent := exchanged(t, request(t))
	o := w.office(prosecution)
	first, err := o.Acknowledge(t.Context(), sent.Name)
	if err != nil || first.Parsed.Event != evidence.ConsignmentAcceptance || first.Proof == nil || first.Parsed.Issuer.Role != evidence.Act {
		t.Fatalf("got %+v, %v", first.Parsed, err)
	}
	w.clock.pass(time.Hour)
	again, err := o.Acknowledge(t.Context(), sent.Name)
	if err != nil || !bytes.Equal(again.Document, first.Document) || !bytes.Equal(again.Proof, first.Proof) {
		t.Errorf("a repeat got %s, %v; want the stored evidence", again.Document, err)
	}
	if _, err := o.Decline(t.Context(), sent.Name, "not for us"); !errors.Is(err, ErrAnswered) || !strings.Contains(fmt.Sprint(err), "acknowledged on") {
		t.Errorf("declined after the acknowledgement: %v", err)
	}
	m, err := w.office(central).Message(t.Context(), sent.Name)
	if err != nil || m.To[0].Status != exchange.StatusAcknowledged {
		t.Errorf("the sender sees %+v, %v", m, err)
	}
	mine, err := o.Inbox(t.Context(), store.MessageFilter{})
	if err != nil || mine[0].To[0].Status != exchange.StatusAcknowledged || mine[0].Answered.IsZero() {
		t.Errorf("the recipient sees %+v, %v", mine, err)
	}
	if diff := cmp.Diff([]Act{ActTakeIn, ActAcknowledge}, w.acts(prosecution)); diff != "" {
		t.Errorf("journal (-want +got):\n%s", diff)
	}
}

func TestDecline(t *testing.T) {
	w, sent := exchanged(t, request(t))
	o := w.office(prosecution)
	for _, text := range []string{"", "  \n", strings.Repeat("é", protocol.MaxReasonText), "\xff", "a\x00b"} {
		if _, err := o.Decline(t.Context(), sent.Name, text); err == nil {
			t.Errorf("declined with the reason %q", text)
		}
	}
	const why = "نحن غير مختصين: not competent"
	first, err := o.Decline(t.Context(), sent.Name, why)
	if err != nil || first.Parsed.Reason == nil || *first.Parsed.Reason != (evidence.Reason{Code: protocol.Declined, Text: why}) {
		t.Fatalf("got %+v, %v", first.Parsed, err)
	}
	if again, err := o.Decline(t.Context(), sent.Name, " "+why+"\n"); err != nil || !bytes.Equal(again.Document, first.Document) {
		t.Errorf("a repeat got %s, %v; want the stored evidence", again.Document, err)
	}
	for name, other := range map[string]func() error{
		"another reason": func() error { _, err := o.Decline(t.Context(), sent.Name, "busy"); return err },
		"acknowledged":   func() error { _, err := o.Acknowledge(t.Context(), sent.Name); return err },
	} {
		if err := other(); !errors.Is(err, ErrAnswered) || !strings.Contains(fmt.Sprint(err), why) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// R-EVID-12, I3: only what was handed over is answered, by its recipient.
func TestAnswerRefuses(t *testing.T) {
	w := newWorld(t)
	sent := w.send(request(t))
	if _, err := w.office(prosecution).Acknowledge(t.Context(), sent.Name); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("before it was verified: got %v", err)
	}
	if _, err := w.office(central).Acknowledge(t.Context(), sent.Name); err == nil || !strings.Contains(err.Error(), "only its recipients") {
		t.Errorf("by its sender: got %v", err)
	}
}

// An answer that could not be filed is durable, and is filed later.
func TestAnswerFiledLater(t *testing.T) {
	w, sent := exchanged(t, request(t))
	w.nodes["xb"].setFail(errors.New("busy"))
	first, err := w.office(prosecution).Acknowledge(t.Context(), sent.Name)
	if err != nil || first.Proof != nil {
		t.Fatalf("got proof %q, %v", first.Proof, err)
	}
	w.nodes["xb"].setFail(nil)
	if _, err := w.open(prosecution).finishAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	again, err := w.office(prosecution).Acknowledge(t.Context(), sent.Name)
	if err != nil || !bytes.Equal(again.Document, first.Document) || again.Proof == nil {
		t.Errorf("got %s with proof %q, %v; want the stored evidence with its proof", again.Document, again.Proof, err)
	}
}

// R-XCH-5: a test parcel is answered like any other and listed nowhere.
func TestTestParcel(t *testing.T) {
	d := request(t)
	d.Kind, d.Test = parcel.KindConformanceTest, true
	w, sent := exchanged(t, d)
	if r := w.nodes["xb"].rows[keyTo(sent.Name, prosecution)]; !r.has(evidence.ContentHandover) {
		t.Error("it was not handed over")
	}
	for _, list := range []func(store.MessageFilter) ([]Message, error){
		func(f store.MessageFilter) ([]Message, error) { return w.office(prosecution).Inbox(t.Context(), f) },
		func(f store.MessageFilter) ([]Message, error) { return w.office(central).SentMessages(t.Context(), f) },
	} {
		if all, err := list(store.MessageFilter{}); err != nil || len(all) > 0 {
			t.Errorf("listed: %+v, %v", all, err)
		}
		if all, err := list(store.MessageFilter{Test: store.OnlyTests}); err != nil || len(all) != 1 {
			t.Errorf("asked for tests, got %d, %v", len(all), err)
		}
	}
	more := request(t)
	more.Case = sent.Case
	if _, err := w.office(central).Send(t.Context(), more, nil); err == nil || !strings.Contains(err.Error(), "test messages only") {
		t.Errorf("an earnest message in a test case: got %v", err)
	}
}

func TestLocate(t *testing.T) {
	w, sent := exchanged(t, request(t))
	o := w.office(prosecution)
	if got, err := o.Locate(t.Context(), sent.Name.Parcel); err != nil || got != sent.Name {
		t.Errorf("got %v, %v; want %v", got, err, sent.Name)
	}
	if _, err := o.Locate(t.Context(), must(protocol.NewParcelID())); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a parcel of nobody: got %v", err)
	}
}
