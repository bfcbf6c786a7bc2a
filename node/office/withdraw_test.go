package office

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/parcel"
	"comity/protocol/statement"
	"comity/protocol/withdrawal"
	"comity/store"
)

// takeBack withdraws a message and returns what became of it for one recipient.
func (w *world) takeBack(n store.Name, to protocol.AuthorityID) Withdrawal {
	w.t.Helper()
	all, err := w.office(central).Withdraw(w.t.Context(), n, to)
	if err != nil || len(all) != 1 || all[0].To != to {
		w.t.Fatalf("withdraw: %+v, %v", all, err)
	}
	return all[0]
}

// letterTo is a draft of one small file.
func letterTo(t *testing.T, to ...protocol.AuthorityID) Draft {
	t.Helper()
	d := request(t)
	d.To = to
	return d
}

// row is what the sender's node remembers of a transmission.
func (w *world) row(n store.Name, to protocol.AuthorityID) *row {
	return w.nodes["xa"].rows[keyTo(n, to)]
}

// What never left is withdrawn at once, by an officer's signed act that stands
// in the journal (R-WDR-1); a repeat signs nothing.
func TestWithdrawWhatNeverLeft(t *testing.T) {
	w := newWorld(t)
	w.nodes["xa"].cut = true
	sent := w.send(letterTo(t, prosecution))
	got := w.takeBack(sent.Name, prosecution)
	if got.Status != exchange.StatusWithdrawn || got.Repeat || !got.Asked || got.Decided.IsZero() {
		t.Errorf("%+v", got)
	}
	taken := w.row(sent.Name, prosecution).taken
	if len(taken) != 1 {
		t.Fatalf("the gateway was handed %d withdrawals", len(taken))
	}
	parsed, err := withdrawal.Parse(taken[0].Document)
	if err != nil || parsed.Key != protocol.Digest(stateOf(central).holder.Subkeys[actKey].Digest()) {
		t.Errorf("R-WDR-1: %+v, %v", parsed, err)
	}
	again := w.takeBack(sent.Name, prosecution)
	if again.Status != exchange.StatusWithdrawn || !again.Repeat || len(w.row(sent.Name, prosecution).taken) != 1 {
		t.Errorf("a repeat: %+v", again)
	}
	if acts := w.acts(central); !slices.Equal(acts, []Act{ActSend, ActWithdraw}) {
		t.Errorf("the journal has %v", acts)
	}
	list, err := w.office(central).SentMessages(t.Context(), store.MessageFilter{})
	if err != nil || len(list) != 1 || list[0].To[0].Status != exchange.StatusWithdrawn || list[0].To[0].Withdrawn.IsZero() {
		t.Errorf("the list: %+v, %v", list, err)
	}
}

// A peer that does not answer leaves the withdrawal pending; its answer decides,
// whichever it is.
func TestAWithdrawalIsPendingUntilThePeerAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		event evidence.Event
		more  func(*evidence.Evidence)
		want  exchange.Status
	}{
		"it agrees": {evidence.RelayRejection, func(ev *evidence.Evidence) {
			ev.Reason = evidence.NewReason(protocol.Withdrawn, "the sender took it back")
		}, exchange.StatusWithdrawn},
		"it had it already": {evidence.RelayAcceptance, nil, exchange.StatusTransmitted},
		"it refuses it anyway": {evidence.RelayRejection, func(ev *evidence.Evidence) {
			ev.Reason = evidence.NewReason(protocol.UnknownRecipient, "no such authority")
		}, exchange.StatusRefused},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.nodes["xa"].silent = true
			sent := w.send(letterTo(t, prosecution))
			got := w.takeBack(sent.Name, prosecution)
			if got.Status != exchange.StatusWithdrawing || !got.Decided.IsZero() || !got.Expires.Equal(w.row(sent.Name, prosecution).env.Expires.Time) {
				t.Errorf("%+v", got)
			}
			w.nodes["xb"].issue(w.row(sent.Name, prosecution), c.event, c.more)
			if got = w.takeBack(sent.Name, prosecution); got.Status != c.want || got.Decided.IsZero() {
				t.Errorf("after the answer: %+v, want %s", got, c.want)
			}
		})
	}
}

// What has arrived, or never can be withdrawn, is told so, and nothing is
// signed, stored or journalled.
func TestWithdrawTooLateOrNotAtAll(t *testing.T) {
	w := newWorld(t)
	o := w.office(central)
	sent := w.send(letterTo(t, prosecution))
	trial := letterTo(t, prosecution)
	trial.Kind, trial.Test = parcel.KindConformanceTest, true
	test := w.send(trial)
	if err := w.takeAll(prosecution); err != nil {
		t.Fatal(err)
	}
	before := w.acts(central)

	got := w.takeBack(sent.Name, prosecution)
	if got.Status != exchange.StatusDelivered || got.Asked || got.Decided.IsZero() {
		t.Errorf("too late: %+v", got)
	}
	unknown := store.Name{From: central, Parcel: must(protocol.NewParcelID())}
	for what, f := range map[string]func() error{
		"a test":              func() error { _, err := o.Withdraw(t.Context(), test.Name); return err },
		"an unknown parcel":   func() error { _, err := o.Withdraw(t.Context(), unknown); return err },
		"another recipient":   func() error { _, err := o.Withdraw(t.Context(), sent.Name, ministry); return err },
		"another's parcel":    func() error { _, err := w.office(prosecution).Withdraw(t.Context(), sent.Name); return err },
		"another's authority": func() error { _, err := w.office(ministry).Withdraw(t.Context(), sent.Name); return err },
	} {
		if err := f(); err == nil || errors.Is(err, ErrNotHanded) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if after := w.acts(central); !slices.Equal(before, after) {
		t.Errorf("the journal grew: %v", after)
	}
	for _, n := range []store.Name{sent.Name, test.Name} {
		if r := w.row(n, prosecution); len(r.taken) != 0 {
			t.Errorf("the gateway was handed a withdrawal of %s", n)
		}
	}
}

// An act key that has ended signs no withdrawal.
func TestWithdrawWithAnEndedKey(t *testing.T) {
	w := newWorld(t)
	w.nodes["xa"].cut = true
	sent := w.send(letterTo(t, prosecution))
	w.clock.pass(400 * 24 * time.Hour)
	if _, err := w.office(central).Withdraw(t.Context(), sent.Name); protocol.CodeOf(err) != protocol.KeyExpired {
		t.Errorf("with an ended key: %v", err)
	}
	if acts := w.acts(central); !slices.Equal(acts, []Act{ActSend}) {
		t.Errorf("the journal has %v", acts)
	}
}

// A gateway that fails, or a power cut right after the act, costs a repeat, and
// the withdrawal handed over then is the one that was signed.
func TestAWithdrawalIsHandedOverAgain(t *testing.T) {
	w := newWorld(t)
	w.nodes["xa"].cut = true
	sent := w.send(letterTo(t, prosecution))
	w.nodes["xa"].setFail(errors.New("the gateway's disk is full"))
	all, err := w.office(central).Withdraw(t.Context(), sent.Name)
	if !errors.Is(err, ErrNotHanded) || len(all) != 1 || all[0].Status != exchange.StatusWithdrawing {
		t.Fatalf("%+v, %v", all, err)
	}
	stored := func() statement.Signed {
		return must(w.office(central).message(t.Context(), sent.Name)).Transmissions[0].Withdrawal
	}
	signed := stored()
	w.nodes["xa"].setFail(nil)
	w.clock.pass(time.Minute)
	o := w.open(central) // as after a power cut
	if _, err := o.finishAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	taken := w.row(sent.Name, prosecution).taken
	if len(taken) != 1 || string(taken[0].Document) != string(signed.Document) || string(stored().Document) != string(signed.Document) {
		t.Errorf("handed over %d, or another one than was signed", len(taken))
	}
	if _, err := o.finishAll(t.Context()); err != nil || len(w.row(sent.Name, prosecution).taken) != 1 {
		t.Errorf("handed over for ever: %v", err)
	}
	if got := w.takeBack(sent.Name, prosecution); got.Status != exchange.StatusWithdrawn {
		t.Errorf("%+v", got)
	}
}

// A message that no gateway has taken yet is submitted first: a withdrawal names
// its envelope.
func TestWithdrawWhatWasNeverSubmitted(t *testing.T) {
	w := newWorld(t)
	w.nodes["xa"].cut = true
	w.nodes["xa"].setFail(errors.New("the gateway is away"))
	sent, err := w.office(central).Send(t.Context(), letterTo(t, prosecution), nil)
	if !errors.Is(err, ErrNotTaken) {
		t.Fatal(err)
	}
	if _, err := w.office(central).Withdraw(t.Context(), sent.Name); err == nil {
		t.Error("withdrawn without an envelope")
	}
	w.nodes["xa"].setFail(nil)
	if got := w.takeBack(sent.Name, prosecution); got.Status != exchange.StatusWithdrawn {
		t.Errorf("%+v", got)
	}
}

// Of several recipients each has its own outcome, and each its own withdrawal;
// the export of what was withdrawn holds it.
func TestWithdrawFromSeveralRecipients(t *testing.T) {
	w := newWorld(t)
	sent := w.send(letterTo(t, prosecution, ministry))
	r := w.row(sent.Name, ministry)
	// The ministry's node has not answered yet.
	r.evidence = slices.DeleteFunc(r.evidence, func(a exchange.Attested) bool { return a.Parsed.Event == evidence.RelayAcceptance })
	r.offered = false
	all, err := w.office(central).Withdraw(t.Context(), sent.Name)
	if err != nil || len(all) != 2 || all[0].Status != exchange.StatusTransmitted || all[1].Status != exchange.StatusWithdrawn {
		t.Fatalf("%+v, %v", all, err)
	}
	dir := filepath.Join(t.TempDir(), "out")
	if err := w.office(central).Export(t.Context(), sent.Name, dir); err != nil {
		t.Fatal(err)
	}
	for folder, want := range map[string]bool{"xc-ministry-of-justice": true, "xb-prosecution-service": false} {
		found, err := filepath.Glob(filepath.Join(dir, folder, "withdrawal.json*"))
		if err != nil || (len(found) == 2) != want || !want && len(found) > 0 {
			t.Errorf("%s: %v, %v", folder, found, err)
		}
	}
}
