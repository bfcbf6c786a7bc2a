package gateway_test

import (
	"bytes"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"comity/crypto/pgp"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/statement"
	"comity/protocol/withdrawal"
	"comity/store"
)

// withdrawal drafts the sending authority's withdrawal of an envelope.
func (p *party) withdrawal(env *envelope.Envelope, ref statement.Ref) *withdrawal.Withdrawal {
	return &withdrawal.Withdrawal{
		Type: withdrawal.Type, Parcel: env.Parcel, From: env.From, To: env.To, Envelope: ref,
		Created: protocol.At(time.Now()), Key: p.offices[central].keys.Subkeys[0].Digest(),
	}
}

// takenBack signs the withdrawal of a parcel that the node submitted.
func (n *node) takenBack(k protocol.Key) statement.Signed {
	n.t.Helper()
	signed, err := n.Envelope(n.t.Context(), k)
	if err != nil {
		n.t.Fatal(err)
	}
	w := n.party.withdrawal(must(envelope.Parse(signed.Document)), signed.Ref())
	return must(w.Sign(n.offices[central].keys.Subkeys[0], time.Now()))
}

func (n *node) withdraw(w statement.Signed) {
	n.t.Helper()
	if err := n.Withdraw(n.t.Context(), w); err != nil {
		n.t.Fatalf("withdraw: %v", err)
	}
}

func (n *node) row(k protocol.Key) *store.Outbound {
	n.t.Helper()
	row, err := n.db.Outbound(n.t.Context(), k)
	if err != nil {
		n.t.Fatal(err)
	}
	return row
}

// R-WDR-3: what never left ends at once and never leaves any more, also when the
// peer shows up; its bytes are released.
func TestWithdrawnBeforeItWasOffered(t *testing.T) {
	a, b := pair(t)
	b.halt()
	k := a.submit(newLetter(central, 1000, b.party, prosecution))[0].Key
	w := a.takenBack(k)
	a.withdraw(w)
	ev, ok := a.events(k)[evidence.RelayFailure]
	if !ok || ev.Parsed.Reason.Code != protocol.Withdrawn || !bytes.Contains([]byte(ev.Parsed.Reason.Text), []byte(w.Digest().String())) {
		t.Fatalf("R-WDR-3: %+v", ev.Parsed)
	}
	row := a.row(k)
	if row.Offered || row.Keeps || !row.Next.IsZero() || !bytes.Equal(row.Withdrawal.Document, w.Document) {
		t.Errorf("offered %v, keeps its bytes %v, next %v", row.Offered, row.Keeps, row.Next)
	}
	a.withdraw(w) // a repeat
	if len(a.events(k)) != 2 {
		t.Errorf("evidence after a repeat: %v", a.events(k))
	}
	b.conn = b.listen(b.conn.LocalAddr().String())
	b.open()
	b.run()
	// The one sent after it arrives: the queue has been worked off.
	a.await(a.submit(newLetter(central, 1000, b.party, prosecution))[0].Key, evidence.RelayAcceptance)
	if _, err := b.Envelope(t.Context(), k); err == nil {
		t.Error("R-WDR-3: it left after all")
	}
}

// R-WDR-4: bytes under way stop, the withdrawal is carried instead, and the
// peer's answer ends it; also after a restart.
func TestWithdrawnWhileItsBytesAreUnderWay(t *testing.T) {
	under, cut, busy := make(chan struct{}, 8), make(chan struct{}, 8), make(chan struct{}, 8)
	b := newReceiver(t, func(_ *receiver, _ *envelope.Envelope, _ statement.Ref, _ http.ResponseWriter, req *http.Request) {
		under <- struct{}{}
		<-req.Context().Done()
		cut <- struct{}{}
	})
	var asked atomic.Int64
	b.withdrawals = func(env *envelope.Envelope, ref statement.Ref, w http.ResponseWriter, packets []statement.Packet) {
		if asked.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			busy <- struct{}{}
			return
		}
		got := must(withdrawal.Parse(packets[2].Document))
		if err := got.About(env, ref); err != nil {
			t.Errorf("R-WDR-2: %v", err)
		}
		b.reject(env, ref, protocol.Withdrawn, w)
	}
	a := newNode(t, "xa", []protocol.AuthorityID{central})
	a.pin(b.party)
	k := a.submit(newLetter(central, 4<<20, b.party, prosecution))[0].Key
	<-under
	a.withdraw(a.takenBack(k))
	<-cut
	<-busy
	a.restart()
	ev := a.await(k, evidence.RelayRejection)
	if ev.Parsed.Reason.Code != protocol.Withdrawn {
		t.Errorf("reason %s", ev.Parsed.Reason.Code)
	}
	if row := a.row(k); row.State != exchange.Refused || row.Keeps || !row.Next.IsZero() {
		t.Errorf("state %s, keeps its bytes %v", row.State, row.Keeps)
	}
	if n := b.offered.Load(); n != 1 {
		t.Errorf("R-WDR-4: offered %d times", n)
	}
	if len(under) != 0 {
		t.Errorf("R-WDR-4: bytes were sent again")
	}
}

// R-WIRE-20: that a peer has enough of withdrawals for now says nothing about
// parcels: they go on.
func TestWithdrawalsDoNotHoldUpParcels(t *testing.T) {
	var withdrawn atomic.Bool
	b := newReceiver(t, func(r *receiver, env *envelope.Envelope, ref statement.Ref, w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		if !withdrawn.Load() {
			panic(http.ErrAbortHandler)
		}
		r.answer(env, ref, evidence.RelayAcceptance, w)
	})
	asked := make(chan struct{}, 64)
	b.withdrawals = func(_ *envelope.Envelope, _ statement.Ref, w http.ResponseWriter, _ []statement.Packet) {
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusTooManyRequests)
		asked <- struct{}{}
	}
	a := newNode(t, "xa", []protocol.AuthorityID{central})
	a.pin(b.party)
	const many = 5
	for range many {
		a.withdrawOffered(a.submit(newLetter(central, 100, b.party, prosecution))[0].Key)
	}
	for range many {
		<-asked
	}
	withdrawn.Store(true)
	a.await(a.submit(newLetter(central, 100, b.party, prosecution))[0].Key, evidence.RelayAcceptance)
	peers, err := a.Peers(t.Context())
	if err != nil || peers[0].Rest != 0 {
		t.Errorf("%v; the peer is left alone for %s: %s", err, peers[0].Rest, peers[0].Why)
	}
}

// withdrawOffered takes a parcel back once its envelope has left.
func (n *node) withdrawOffered(k protocol.Key) {
	n.t.Helper()
	for !n.row(k).Offered {
		time.Sleep(time.Millisecond)
	}
	n.withdraw(n.takenBack(k))
}

// R-WDR-6: a peer that says "withdrawn" of what nobody withdrew is not believed.
func TestAPeerCannotSayThatWeWithdrew(t *testing.T) {
	answers := make(chan struct{}, 64)
	b := newReceiver(t, func(r *receiver, env *envelope.Envelope, ref statement.Ref, w http.ResponseWriter, _ *http.Request) {
		r.reject(env, ref, protocol.Withdrawn, w)
		answers <- struct{}{}
	})
	a := newNode(t, "xa", []protocol.AuthorityID{central})
	a.pin(b.party)
	k := a.submit(newLetter(central, 100, b.party, prosecution))[0].Key
	<-answers
	<-answers // it came back for another answer
	if _, ok := a.events(k)[evidence.RelayRejection]; ok {
		t.Error("R-WDR-6: the peer's word was taken")
	}
	if s := a.row(k).State; s != exchange.Queued {
		t.Errorf("state %s", s)
	}
}

// A withdrawal that is not the authority's own, or not of this parcel, is a
// refusal, and nothing is stored (R-WDR-1, R-WDR-2).
func TestWithdrawalsThatAreRefused(t *testing.T) {
	a, b := pair(t)
	_ = b.stop() // nothing leaves a: there is nobody
	letter := newLetter(central, 100, b.party, prosecution)
	k := a.submit(letter)[0].Key
	trial := newLetter(central, 100, b.party, prosecution)
	trial.Test = true
	test := a.submit(trial)[0].Key
	act, attest := a.offices[central].keys.Subkeys[0], a.offices[central].keys.Subkeys[1]
	signed, err := a.Envelope(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	env := must(envelope.Parse(signed.Document))
	for _, c := range []struct {
		name  string
		spoil func(*withdrawal.Withdrawal)
		key   *pgp.Secret
		edit  func(*statement.Signed)
		code  protocol.Code
	}{
		{"unknown parcel", func(w *withdrawal.Withdrawal) { w.Parcel = parcelID() }, act, nil, protocol.WrongParcel},
		{"another recipient", func(w *withdrawal.Withdrawal) { w.To = court }, act, nil, protocol.WrongParcel},
		{"another envelope", func(w *withdrawal.Withdrawal) { w.Envelope.Document = digest("another") }, act, nil, protocol.WrongParcel},
		{"another signature of the envelope", func(w *withdrawal.Withdrawal) { w.Envelope.Signature = digest("another") }, act, nil, protocol.WrongParcel},
		{"another authority", func(w *withdrawal.Withdrawal) { w.From = "xa/ministry" }, act, nil, protocol.UnknownSender},
		{"the attest key", func(w *withdrawal.Withdrawal) { w.Key = attest.Digest() }, attest, nil, protocol.WrongRole},
		{"the node's key", func(w *withdrawal.Withdrawal) { w.Key = a.nodeKey().Digest() }, a.nodeKey(), nil, protocol.WrongRole},
		{"from before its envelope", func(w *withdrawal.Withdrawal) {
			w.Created = protocol.At(env.Created.Add(-protocol.MaxSkew - time.Second))
		}, act, nil, protocol.Malformed},
		{"from the future", func(w *withdrawal.Withdrawal) {
			w.Created = protocol.At(time.Now().Add(protocol.MaxSkew + time.Minute))
		}, act, nil, protocol.ClockSkew},
		{"an expired key", func(w *withdrawal.Withdrawal) { w.Created = protocol.At(a.made.Add(lifetime + time.Hour)) }, act, nil, protocol.KeyExpired},
		{"tampered", nil, act, func(s *statement.Signed) {
			s.Document = bytes.Replace(s.Document, []byte(`"parcel"`), []byte(`"parcel" `), 1)
		}, protocol.BadSignature},
		{"another version", nil, act, func(s *statement.Signed) {
			s.Document = bytes.Replace(s.Document, []byte("/v1"), []byte("/v2"), 1)
		}, protocol.UnsupportedVersion},
		{"a test", func(w *withdrawal.Withdrawal) {
			of := must(a.Envelope(t.Context(), test))
			w.Parcel, w.Envelope = test.Parcel, of.Ref()
		}, act, nil, protocol.Policy},
	} {
		w := a.party.withdrawal(env, signed.Ref())
		if c.spoil != nil {
			c.spoil(w)
		}
		s := must(statement.Sign(w, protocol.MaxWithdrawal, c.key, time.Now()))
		if c.edit != nil {
			c.edit(&s)
		}
		if err := a.Withdraw(t.Context(), s); protocol.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %s", c.name, err, c.code)
		}
	}
	for _, k := range []protocol.Key{k, test} {
		if row := a.row(k); len(row.Withdrawal.Document) != 0 || row.State != exchange.Queued || len(a.events(k)) != 1 {
			t.Errorf("%s: something was stored: %s, %v", k, row.State, a.events(k))
		}
	}
}

// takeBack is what a hostile peer sends to withdraw an offering.
func (h *hostile) takeBack(o *offering, m made, spoil func(*withdrawal.Withdrawal), key *pgp.Secret) made {
	h.t.Helper()
	w := h.withdrawal(o.env, m.ref)
	if spoil != nil {
		spoil(w)
	}
	packets := must(statement.DecodePackets(m.put, 1<<20, 2))
	packets = append(packets, statement.Packet{Signed: must(statement.Sign(w, protocol.MaxWithdrawal, key, time.Now()))})
	return made{path: m.path + "/withdrawal", put: must(statement.EncodePackets(packets)), ref: m.ref}
}

func (p *party) act() *pgp.Secret    { return p.offices[central].keys.Subkeys[0] }
func (n *node) nodeKey() *pgp.Secret { return n.party.node.Subkeys[0] }

// R-WDR-5: the withdrawal of what is not here uses up its key; everything that
// comes later gets the same evidence, and none of the bytes is kept.
func TestAWithdrawalUsesUpTheKey(t *testing.T) {
	h, b := besiege(t)
	for _, offered := range []bool{false, true} {
		o := h.offering(100)
		m := h.make(o)
		if offered {
			if got := h.put(m); got.status != 201 {
				t.Fatalf("offer: %d %s", got.status, got.body)
			}
		}
		back := h.takeBack(o, m, nil, h.act())
		got := h.put(back)
		if got.status != 200 {
			t.Fatalf("offered %v: %d %s", offered, got.status, got.body)
		}
		h.rejected("withdrawn", o, m, got, protocol.Withdrawn)
		for name, again := range map[string]reply{
			"a repeat": h.put(back), "the offer": h.put(m), "the bytes": h.patch(m, o.body), "the question": h.do(http.MethodGet, m.path, nil, nil),
		} {
			if again.status != 200 || !bytes.Equal(again.body, got.body) {
				t.Errorf("R-WDR-5: %s, offered %v: %d %s", name, offered, again.status, again.body)
			}
		}
		row, err := b.db.Inbound(t.Context(), o.env.Key())
		if err != nil || row.State != exchange.Refused || row.Keeps || len(row.Withdrawal.Document) == 0 {
			t.Errorf("the row: %+v, %v", row, err)
		}
		if _, err := b.Sealed(t.Context(), o.env.Sealed.Digest); err == nil {
			t.Error("the bytes were kept")
		}
	}
}

// R-WDR-5: what was accepted stays accepted, and the answer is its evidence.
func TestAWithdrawalThatComesTooLate(t *testing.T) {
	h, b := besiege(t)
	o := h.offering(100)
	m := h.make(o)
	h.put(m)
	accepted := h.patch(m, o.body)
	got := h.put(h.takeBack(o, m, nil, h.act()))
	if accepted.status != 200 || got.status != 200 || !bytes.Equal(accepted.body, got.body) {
		t.Errorf("answered %d %s, want %d %s", got.status, got.body, accepted.status, accepted.body)
	}
	if row, err := b.db.Inbound(t.Context(), o.env.Key()); err != nil || row.State != exchange.Relayed || len(row.Withdrawal.Document) != 0 {
		t.Errorf("%+v, %v", row, err)
	}
}

// R-WDR-5: of bytes and withdrawal that come at once one wins, and both get its
// evidence.
func TestBytesAndWithdrawalAtOnce(t *testing.T) {
	h, b := besiege(t)
	won := map[evidence.Event]int{}
	for range 24 {
		o := h.offering(100)
		m := h.make(o)
		h.put(m)
		back := h.takeBack(o, m, nil, h.act())
		var bytesGot, backGot reply
		var errs [2]error
		var wg sync.WaitGroup
		wg.Go(func() {
			bytesGot, errs[0] = h.try(http.MethodPatch, m.path, appendHeader(), bytes.NewReader(o.body), int64(len(o.body)))
		})
		wg.Go(func() {
			backGot, errs[1] = h.try(http.MethodPut, back.path, nil, bytes.NewReader(back.put), int64(len(back.put)))
		})
		wg.Wait()
		if errs[0] != nil || errs[1] != nil || backGot.status != 200 {
			t.Fatalf("%v, %d %s", errs, backGot.status, backGot.body)
		}
		all := b.events(o.env.Key())
		_, accepted := all[evidence.RelayAcceptance]
		_, rejected := all[evidence.RelayRejection]
		if accepted == rejected {
			t.Fatalf("R-WDR-5: accepted %v, rejected %v", accepted, rejected)
		}
		// The bytes may have been cut in the middle, and are then asked for in vain.
		if bytesGot.status == 200 && !bytes.Equal(bytesGot.body, backGot.body) {
			t.Errorf("two evidences:\n%s\n%s", bytesGot.body, backGot.body)
		}
		if accepted {
			won[evidence.RelayAcceptance]++
		} else {
			won[evidence.RelayRejection]++
		}
	}
	t.Logf("who won: %v", won)
}

// R-WDR-1, R-WDR-2, R-EVID-7: what is not the authority's own act about this
// envelope leaves no trace, and the parcel is still taken.
func TestWithdrawalsFromAPeerThatAreNotAuthentic(t *testing.T) {
	h, b := besiege(t)
	attest := h.offices[central].keys.Subkeys[1]
	stranger := must(pgp.Generate("Stranger", pgp.Ed25519, 1, time.Now().Add(-time.Hour), lifetime))
	for _, c := range []struct {
		name   string
		spoil  func(*withdrawal.Withdrawal)
		key    *pgp.Secret
		test   bool
		edit   func([]byte) []byte
		status int
		code   protocol.Code
	}{
		{"a stranger's signature", nil, stranger.Subkeys[0], false, nil, 403, protocol.BadSignature},
		{"the node itself", func(w *withdrawal.Withdrawal) { w.Key = h.party.node.Subkeys[0].Digest() }, h.party.node.Subkeys[0], false, nil, 403, protocol.WrongRole},
		{"the attest key", func(w *withdrawal.Withdrawal) { w.Key = attest.Digest() }, attest, false, nil, 403, protocol.WrongRole},
		{"another envelope", func(w *withdrawal.Withdrawal) { w.Envelope.Document = digest("another") }, h.act(), false, nil, 403, protocol.WrongParcel},
		{"another parcel", func(w *withdrawal.Withdrawal) { w.Parcel = parcelID() }, h.act(), false, nil, 403, protocol.WrongParcel},
		{"another authority", func(w *withdrawal.Withdrawal) { w.From = "xa/ministry" }, h.act(), false, nil, 403, protocol.UnknownSender},
		{"dated in the future", func(w *withdrawal.Withdrawal) {
			w.Created = protocol.At(time.Now().Add(protocol.MaxSkew + time.Minute))
		}, h.act(), false, nil, 503, protocol.ClockSkew},
		{"an expired key", func(w *withdrawal.Withdrawal) { w.Created = protocol.At(h.made.Add(lifetime + time.Hour)) }, h.act(), false, nil, 403, protocol.KeyExpired},
		{"a test", nil, h.act(), true, nil, 403, protocol.Policy},
		{"another version", nil, h.act(), false, func(b []byte) []byte {
			return bytes.Replace(b, []byte("withdrawal/v1"), []byte("withdrawal/v2"), 1)
		}, 400, protocol.UnsupportedVersion},
		{"two packets", nil, h.act(), false, func(b []byte) []byte {
			packets := must(statement.DecodePackets(b, 1<<20, 3))
			return must(statement.EncodePackets(packets[:2]))
		}, 400, protocol.Malformed},
		{"garbage", nil, h.act(), false, func([]byte) []byte { return []byte("no packets") }, 400, protocol.Malformed},
	} {
		o := h.offering(100)
		o.env.Test = c.test
		m := h.make(o)
		back := h.takeBack(o, m, c.spoil, c.key)
		if c.edit != nil {
			back.put = c.edit(back.put)
		}
		if got := h.put(back); got.status != c.status || got.code != c.code {
			t.Errorf("%s: %d %s %s; want %d %s", c.name, got.status, got.code, got.body, c.status, c.code)
		}
		h.untouched(c.name, o.env.Key())
		h.put(m)
		if got := h.patch(m, o.body); got.status != 200 {
			t.Errorf("%s: the parcel afterwards: %d %s", c.name, got.status, got.body)
		}
	}
	if got := h.put(made{path: "/v1/parcels/none/withdrawal", put: []byte("{}")}); got.status != 400 {
		t.Errorf("no digest as address: %d", got.status)
	}
	if r, err := b.CheckLog(t.Context()); err != nil {
		t.Errorf("%+v, %v", r, err)
	}
}

// An envelope that could never be taken is refused for that reason, withdrawn
// or not (R-ENV-2).
func TestTheEnvelopeOfAWithdrawalIsJudged(t *testing.T) {
	h, _ := besiege(t)
	o := h.offering(100)
	o.env.To = "xb/ministry"
	m := h.make(o)
	got := h.put(h.takeBack(o, m, nil, h.act()))
	if got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	h.rejected("an unknown recipient", o, m, got, protocol.UnknownRecipient)
}

// R-EVID-4, R-EVID-8: a disk that fails under the withdrawal costs a repeat, and
// there is one evidence whether or not the failed commit was written.
func TestAWithdrawalOnASickDisk(t *testing.T) {
	h, b := besiege(t)
	for _, c := range []struct {
		name    string
		written bool
		times   int
		err     error
		status  int
	}{
		{"full", false, 1000, syscall.ENOSPC, 503},
		{"failed once and not written", false, 1, errDisk, 200},
		{"failed once but written", true, 1, errDisk, 200},
	} {
		o := h.offering(100)
		m := h.make(o)
		back := h.takeBack(o, m, nil, h.act())
		left := c.times
		b.disk.Set(func() (bool, error) {
			if left--; left < 0 {
				return true, nil
			}
			return c.written, c.err
		})
		got := h.put(back)
		b.disk.Heal()
		if got.status != c.status {
			t.Errorf("%s: %d %s, want %d", c.name, got.status, got.body, c.status)
		}
		if got.status == 503 {
			h.untouched(c.name, o.env.Key())
		}
		again := h.put(back)
		h.rejected(c.name, o, m, again, protocol.Withdrawn)
		if c.status == 200 && !bytes.Equal(again.body, got.body) {
			t.Errorf("%s: two evidences", c.name)
		}
	}
}

// The same on the sending side: all of it is stored, or nothing.
func TestWithdrawingOnASickDisk(t *testing.T) {
	a, b := pair(t)
	_ = b.stop() // nothing leaves a: there is nobody
	for _, c := range []struct {
		name    string
		written bool
		times   int
		err     error
		failed  bool
	}{
		{"full", false, 1000, syscall.ENOSPC, true},
		{"failed once and not written", false, 1, errDisk, false},
		{"failed once but written", true, 1, errDisk, false},
	} {
		k := a.submit(newLetter(central, 100, b.party, prosecution))[0].Key
		w := a.takenBack(k)
		left := c.times
		a.disk.Set(func() (bool, error) {
			if left--; left < 0 {
				return true, nil
			}
			return c.written, c.err
		})
		err := a.Withdraw(t.Context(), w)
		a.disk.Heal()
		if (err != nil) != c.failed {
			t.Errorf("%s: %v", c.name, err)
		}
		if row := a.row(k); c.failed && (len(row.Withdrawal.Document) != 0 || row.State != exchange.Queued) {
			t.Errorf("%s: half stored: %+v", c.name, row)
		}
		a.withdraw(w)
		if ev, ok := a.events(k)[evidence.RelayFailure]; !ok || ev.Parsed.Reason.Code != protocol.Withdrawn {
			t.Errorf("%s: %v", c.name, a.events(k))
		}
	}
}

// R-WDR-5: what was durable of a large body that is withdrawn is given up, and
// so is the append under way.
func TestAWithdrawalGivesUpAPart(t *testing.T) {
	h, b := besiege(t)
	o := h.offering(3 << 20)
	m := h.make(o)
	if got := h.put(m); got.status != 201 {
		t.Fatalf("offer: %d %s", got.status, got.body)
	}
	h.wantStanding("the first piece", h.append(m, 0, o.body[:1<<20], false), 204, 1<<20)
	if len(b.parts()) != 1 {
		t.Fatalf("parts %v", b.parts())
	}
	got := h.put(h.takeBack(o, m, nil, h.act()))
	h.rejected("withdrawn", o, m, got, protocol.Withdrawn)
	b.noPart()
	if again := h.append(m, 1<<20, o.body[1<<20:], true); again.status != 200 || !bytes.Equal(again.body, got.body) {
		t.Errorf("the rest of the bytes: %d %s", again.status, again.body)
	}
	b.noPart()
}

// R-WDR-4: bytes under way also stop when the commit of the withdrawal looked
// failed and was written, so that its repetition finds it stored.
func TestBytesStopAfterACommitOfUnknownOutcome(t *testing.T) {
	under, cut := make(chan struct{}, 8), make(chan struct{}, 8)
	b := newReceiver(t, func(_ *receiver, _ *envelope.Envelope, _ statement.Ref, _ http.ResponseWriter, req *http.Request) {
		under <- struct{}{}
		<-req.Context().Done()
		cut <- struct{}{}
	})
	b.withdrawals = func(env *envelope.Envelope, ref statement.Ref, w http.ResponseWriter, _ []statement.Packet) {
		b.reject(env, ref, protocol.Withdrawn, w)
	}
	a := newNode(t, "xa", []protocol.AuthorityID{central})
	a.pin(b.party)
	k := a.submit(newLetter(central, 4<<20, b.party, prosecution))[0].Key
	<-under
	w := a.takenBack(k)
	failed := false
	a.disk.Set(func() (bool, error) {
		if failed {
			return true, nil
		}
		failed = true
		return true, errDisk
	})
	a.withdraw(w)
	a.disk.Heal()
	if !failed {
		t.Fatal("no commit failed")
	}
	select {
	case <-cut:
	case <-time.After(patience / 6): // long before the idle body would be given up anyway
		t.Fatal("R-WDR-4: the bytes go on")
	}
	a.await(k, evidence.RelayRejection)
}
