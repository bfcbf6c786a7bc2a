package store

import (
	"context"
	"errors"
	"testing"
	"time"

	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
)

func (n *node) withdraw(number int) Withdraw {
	k := key(number, prosecution)
	return Withdraw{Key: k, Withdrawal: document("withdrawal", k), Evidence: n.evidence(k, evidence.RelayFailure)}
}

func (n *node) offered(number int) Attempt {
	return Attempt{Key: key(number, prosecution), Offered: true}
}

func (n *node) sentRow(number int) *Outbound {
	n.t.Helper()
	row, err := n.Outbound(context.Background(), key(number, prosecution))
	if err != nil {
		n.t.Fatal(err)
	}
	return row
}

func (n *node) leaves() int64 {
	n.t.Helper()
	size, err := n.Size(context.Background())
	if err != nil {
		n.t.Fatal(err)
	}
	return size
}

// R-WDR-3: withdrawal, RelayFailure, leaf and state are one commit, after which
// nothing can be offered any more. A repeat changes nothing.
func TestWithdrawWhatWasNeverOffered(t *testing.T) {
	n := newNode(t)
	n.commit(n.submit(1, prosecution, court))
	f := n.withdraw(1)
	out := n.commit(f)[0]
	wantState(t, "withdrawn", out.State, exchange.Failed)
	row := n.sentRow(1)
	if out.Repeat || len(out.Packets) != 1 || !row.Next.IsZero() || row.Keeps || row.Offered || string(row.Withdrawal.Document) != string(f.Withdrawal.Document) {
		t.Errorf("%+v, %+v", out, row)
	}
	if out := n.commit(n.offered(1))[0]; !out.Repeat {
		t.Error("R-WDR-3: an offer after the withdrawal took effect")
	}
	if out := n.commit(n.withdraw(1))[0]; !out.Repeat || out.State != exchange.Failed {
		t.Errorf("a repeat: %+v", out)
	}
	if n.leaves() != 3 {
		t.Errorf("%d leaves, want 3", n.leaves())
	}
	// The other recipient of the same bytes is not touched.
	other, err := n.Outbound(t.Context(), key(1, court))
	if err != nil || other.State != exchange.Queued || !other.Keeps {
		t.Errorf("the other recipient: %+v, %v", other, err)
	}
}

// R-WDR-3: a copy from a backup says of a parcel that it was never offered, and the node
// has begun a new era with it. It may have been offered, and accepted, since that copy:
// so only the peer can say, and nothing is signed that could be false.
func TestWithdrawWhatACopyHasNotOffered(t *testing.T) {
	n := newNode(t)
	n.commit(n.submit(1, prosecution))
	sign := n.begins()
	out, err := n.Commit(t.Context(), []Fact{n.withdraw(1)}, sign)
	if err != nil || out[0].Err != nil {
		t.Fatal(err, out)
	}
	wantState(t, "withdrawn", out[0].State, exchange.Queued)
	if row := n.sentRow(1); len(out[0].Packets) != 0 || !row.Outgoing().Withdrawn || !row.Offered || row.Next.IsZero() {
		t.Errorf("%+v, %+v; want a withdrawal that is pending", out[0], row)
	}
}

// R-WDR-4: what may have left stays queued, is due at once, and no evidence is
// filed; the peer's answer moves it as ever.
func TestWithdrawWhatWasOffered(t *testing.T) {
	n := newNode(t)
	for _, number := range []int{1, 2} {
		n.commit(n.submit(number, prosecution))
		n.commit(Attempt{Key: key(number, prosecution), Offered: true, Attempts: 9, Next: n.clock.now().Add(time.Hour)})
		out := n.commit(n.withdraw(number))[0]
		wantState(t, "pending", out.State, exchange.Queued)
		row := n.sentRow(number)
		if out.Repeat || len(out.Packets) != 0 || row.Next.After(n.clock.now()) || row.Attempts != 0 || !row.Keeps || !row.Outgoing().Withdrawn {
			t.Errorf("%+v, %+v", out, row)
		}
		due, err := n.Due(t.Context(), nodeB, n.clock.now(), nil, 10, nil)
		if err != nil || len(due) != 1 || len(due[0].Withdrawal.Document) == 0 {
			t.Errorf("due: %+v, %v", due, err)
		}
		answer := []evidence.Event{evidence.RelayAcceptance, evidence.RelayRejection}[number-1]
		want := []exchange.State{exchange.Relayed, exchange.Refused}[number-1]
		k := key(number, prosecution)
		wantState(t, string(answer), n.commit(TakeEvidence{Key: k, Peer: nodeB, Evidence: n.foreign(k, answer)})[0].State, want)
		if out := n.commit(n.withdraw(number))[0]; !out.Repeat || out.State != want {
			t.Errorf("a repeat after %s: %+v", answer, out)
		}
	}
	if n.leaves() != 4 {
		t.Errorf("%d leaves, want 4", n.leaves())
	}
}

// An offer and a withdrawal in one commit: the first in order decides.
func TestOfferAndWithdrawalInOneCommit(t *testing.T) {
	n := newNode(t)
	n.commit(n.submit(1, prosecution), n.submit(2, prosecution))
	out := n.commit(n.offered(1), n.withdraw(1), n.withdraw(2), n.offered(2))
	if out[0].Repeat || n.sentRow(1).State != exchange.Queued || len(out[1].Packets) != 0 {
		t.Errorf("the offer came first: %+v", out[:2])
	}
	if !out[3].Repeat || n.sentRow(2).State != exchange.Failed || n.sentRow(2).Offered {
		t.Errorf("the withdrawal came first: %+v", out[2:])
	}
}

// What is settled, unknown or made wrongly is not withdrawn, and nothing is stored.
func TestWithdrawNothing(t *testing.T) {
	n := newNode(t)
	n.commit(n.submit(1, prosecution), n.submit(2, prosecution))
	k := key(1, prosecution)
	n.commit(TakeEvidence{Key: k, Peer: nodeB, Evidence: n.foreign(k, evidence.RelayAcceptance)})
	if out := n.commit(n.withdraw(1))[0]; !out.Repeat || out.State != exchange.Relayed || len(n.sentRow(1).Withdrawal.Document) != 0 {
		t.Errorf("settled: %+v", out)
	}
	if out := n.commitOne(n.withdraw(7)); !errors.Is(out.Err, ErrNotFound) {
		t.Errorf("unknown: %v", out.Err)
	}
	for what, f := range map[string]Withdraw{
		"no withdrawal": {Key: key(2, prosecution), Evidence: n.evidence(key(2, prosecution), evidence.RelayFailure)},
		"no evidence":   {Key: key(2, prosecution), Withdrawal: document("withdrawal")},
	} {
		if out := n.commitOne(f); out.Err == nil || len(n.sentRow(2).Withdrawal.Document) != 0 {
			t.Errorf("%s: %+v", what, out)
		}
	}
}

// R-WDR-5: on the receiving side the key decides, whichever comes first, also
// within one commit.
func TestWithdrawnOrAccepted(t *testing.T) {
	n := newNode(t)
	withdrawn := func(number int) RefuseRelay {
		f := n.refuse(number)
		f.Withdrawal = document("withdrawal", number)
		return f
	}
	first := n.commit(withdrawn(1), n.accept(1), n.accept(2), withdrawn(2))
	for i, want := range []exchange.State{exchange.Refused, exchange.Refused, exchange.Relayed, exchange.Relayed} {
		wantState(t, "fact", first[i].State, want)
		if first[i].Repeat != (i%2 == 1) || string(first[i].Packets[0].Document) != string(first[i-i%2].Packets[0].Document) {
			t.Errorf("fact %d: %+v", i, first[i])
		}
	}
	for number, want := range map[int]bool{1: true, 2: false} {
		row, err := n.Inbound(t.Context(), key(number, prosecution))
		if err != nil || (len(row.Withdrawal.Document) > 0) != want || row.Keeps == want {
			t.Errorf("row %d: %+v, %v", number, row, err)
		}
	}
}

// I3: a commit that fails, written or not, is repeated to one answer.
func TestWithdrawFailsAndIsRepeated(t *testing.T) {
	for name, written := range map[string]bool{"not written": false, "but written": true} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			n.commit(n.submit(1, prosecution), n.submit(2, prosecution), n.offered(2))
			tomb := n.refuse(3)
			tomb.Withdrawal = document("withdrawal", 3)
			facts := []Fact{n.withdraw(1), n.withdraw(2), tomb}
			n.disk.Set(func() (bool, error) { return written, errDisk })
			if _, err := n.Commit(t.Context(), facts, n.sign); !errors.Is(err, ErrUnknownOutcome) {
				t.Fatalf("failed commit answered %v", err)
			}
			n.disk.Heal()
			for i, o := range n.commit(facts...) {
				if o.Repeat != written {
					t.Errorf("fact %d: repeat %v", i, o.Repeat)
				}
			}
			if n.sentRow(1).State != exchange.Failed || !n.sentRow(2).Outgoing().Withdrawn || n.leaves() != 5 {
				t.Errorf("%+v, %+v, %d leaves", n.sentRow(1), n.sentRow(2), n.leaves())
			}
		})
	}
}

// The office's own: withdrawal and journal entry are one transaction, the first
// one stands, and it is handed over until the gateway has it.
func TestOfficeWithdraws(t *testing.T) {
	for name, written := range map[string]bool{"not written": false, "but written": true} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			m := d.message(1, 1, prosecution, central)
			if _, err := d.AddSent(t.Context(), m, d.spool(body(1, 100)), entry("send")); err != nil {
				t.Fatal(err)
			}
			d.disk.Set(func() (bool, error) { return written, errDisk })
			if _, err := d.SetWithdrawn(t.Context(), m.Name, central, document("w"), entry("withdraw")); !errors.Is(err, errDisk) {
				t.Fatalf("failed commit answered %v", err)
			}
			d.disk.Heal()
			first, err := d.SetWithdrawn(t.Context(), m.Name, central, document("w", "again"), entry("withdraw"))
			if err != nil || first == written {
				t.Errorf("the repeat is the first: %v, %v", first, err)
			}
			if first, err := d.SetWithdrawn(t.Context(), m.Name, central, document("another"), entry("withdraw")); err != nil || first {
				t.Errorf("another one replaced it: %v, %v", first, err)
			}
			head, err := d.CheckJournal(t.Context())
			if err != nil || head.Sequence != 2 {
				t.Errorf("journal %d, %v; want 2", head.Sequence, err)
			}
			list, err := d.Untaken(t.Context(), 0)
			if err != nil || len(list) != 1 || !list[0].Transmissions[0].HasWithdrawal() || list[0].Transmissions[0].Withdrawn.IsZero() {
				t.Fatalf("%+v, %v", list, err)
			}
			if err := d.WithdrawalTaken(t.Context(), m.Name, central); err != nil {
				t.Fatal(err)
			}
			if list, err := d.Untaken(t.Context(), 0); err != nil || len(list) != 0 {
				t.Errorf("handed over for ever: %+v, %v", list, err)
			}
		})
	}
	d := newDesk(t)
	m := d.message(1, 1, prosecution, central)
	for what, to := range map[string]protocol.AuthorityID{"unknown message": central, "another recipient": court} {
		if _, err := d.SetWithdrawn(t.Context(), m.Name, to, document("w"), entry("withdraw")); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// R-WDR-4: a delivery that failed just when its parcel was withdrawn does not put
// off the withdrawal: what it knew is out of date.
func TestAFailedAttemptDoesNotPutOffAWithdrawal(t *testing.T) {
	n := newNode(t)
	n.commit(n.submit(1, prosecution))
	n.commit(n.offered(1))
	n.commit(n.withdraw(1))
	due := n.sentRow(1).Next
	late := Attempt{Key: key(1, prosecution), Offered: true, Attempts: 9, Next: n.clock.now().Add(time.Hour), Error: "no route"}
	if err := n.Reschedule(t.Context(), late); err != nil {
		t.Fatal(err)
	}
	if row := n.sentRow(1); !row.Next.Equal(due) || row.Attempts != 0 || row.LastError != "no route" {
		t.Errorf("due at %s after %d attempts, %q; want %s after none", row.Next, row.Attempts, row.LastError, due)
	}
	late.Withdrawn = true
	n.commit(late)
	if row := n.sentRow(1); !row.Next.Equal(late.Next) || row.Attempts != 9 {
		t.Errorf("after an attempt to withdraw: due at %s after %d attempts", row.Next, row.Attempts)
	}
}
