package gateway_test

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"comity/crypto/merkle"
	"comity/node/gateway"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/era"
	"comity/protocol/evidence"
	"comity/protocol/record"
	"comity/protocol/statement"
	"comity/store"
	"comity/store/sickdisk"
)

// newEra begins the node's next log, as its operator does after a restore, and runs
// the node again. It returns what the node was before.
func (n *node) newEra() party {
	n.t.Helper()
	before := *n.party
	n.halt()
	log := must(merkle.GenerateLog("comity/log/" + string(n.id) + "/2"))
	ed, pq := log.VerifierKeys()
	signed := n.next(func(r *record.Record) {
		r.Node.Log = record.Log{Origin: log.Origin(), Keys: record.Keypair{Ed25519: ed, MLDSA44: pq}}
	})
	n.log, n.state = log, must(record.Verify(signed, n.state))
	n.document = *n.state.Record()
	says := must(statement.Sign(&era.Statement{
		Type: era.Type, Node: n.id, Log: log.Origin(), Previous: before.log.Origin(), Shown: []era.Shown{},
		Record: n.state.Ref().Digest, Created: protocol.At(n.clock()),
	}, protocol.MaxEra, n.party.node.Subkeys[0], n.made))
	db := must(store.OpenGateway(n.t.Context(), n.config()))
	err := db.NewEra(n.t.Context(), store.Era{Number: 2, Statement: says, Record: store.Record{
		State: n.id.State(), Node: n.id, Sequence: 2, Signed: signed, Own: true, Pinned: true,
	}}, func(size int64, root merkle.Hash) ([]byte, error) { return log.Checkpoint(size, root, n.clock()) })
	if err != nil {
		n.t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		n.t.Fatal(err)
	}
	n.listen(n.conn.LocalAddr().String())
	n.open()
	n.run()
	return before
}

// restored is node xb, which began a new era of its log, and its peer xa, which
// tells what it holds of xb as a test wants, and offers what a test wants.
type restored struct {
	*node
	before party // xb, before it lost its log
	peer   *receiver
	h      *hostile
}

// restore makes the two; pinned says that they knew each other before the backup.
func restore(t *testing.T, pinned bool, copies http.HandlerFunc, options ...option) *restored {
	t.Helper()
	r := &restored{node: newNode(t, "xb", []protocol.AuthorityID{prosecution, court}, options...), peer: newReceiverOf(t, "xa", central, nil)}
	if pinned {
		r.pin(r.peer.party)
	}
	r.peer.copies.Store(&copies)
	r.before = r.newEra()
	r.h = &hostile{party: r.peer.party, t: t, to: r.node, over: gateway.QUIC}
	return r
}

// lost is a parcel that xb accepted before it lost its log: what xa holds of it.
func (r *restored) lost(size int, change func(*evidence.Evidence)) (*offering, made, []statement.Packet) {
	r.t.Helper()
	o := r.h.offering(size)
	m := r.h.make(o)
	packets := must(statement.DecodePackets(m.put, 1<<20, 2))
	ev := r.before.evidence(o.env, m.ref, evidence.RelayAcceptance, time.Now())
	if change != nil {
		change(ev)
	}
	signed := must(statement.Sign(ev, protocol.MaxEvidence, r.before.node.Subkeys[0], time.Now()))
	return o, m, append(packets, r.before.packet(signed, time.Now()))
}

// page is an answer to GET /v1/copies.
func page(next int64, packets []statement.Packet) []byte {
	if packets == nil {
		packets = []statement.Packet{}
	}
	return must(statement.EncodeCarrier(struct {
		Type    string             `json:"type"`
		Next    int64              `json:"next"`
		Packets []statement.Packet `json:"packets"`
	}{"comity/copies/v1", next, packets}, statement.SizeOf(packets)))
}

// tellsOf is a peer that says what it holds as soon as packets is set: all of them
// on one page of what it had sent.
func tellsOf(packets *atomic.Pointer[[]statement.Packet]) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		list := packets.Load()
		switch {
		case list == nil:
			w.WriteHeader(http.StatusServiceUnavailable)
		case req.URL.Query().Get("of") == "received" && req.URL.Query().Get("after") == "0":
			_, _ = w.Write(page(3, *list))
		default:
			_, _ = w.Write(page(3, nil))
		}
	}
}

func (r *restored) recovering() bool {
	r.t.Helper()
	still, _, _, err := r.db.Recovering(r.t.Context(), r.peer.id)
	if err != nil {
		r.t.Fatal(err)
	}
	return still
}

// stamped gives an answer the clock of whoever sends it.
func stamped(w http.ResponseWriter) { w.Header().Set("Comity-Time", protocol.At(time.Now()).String()) }

// R-OLD-5: a record that was published after the backup, and that no peer shows any
// more because a later one followed, is not needed for what was signed under it: a
// record that names the same log decides. The same holds for not_before.
func TestEvidenceUnderARecordThatWasLost(t *testing.T) {
	var packets atomic.Pointer[[]statement.Packet]
	r := restore(t, true, tellsOf(&packets))
	lost := envelope.RecordRef{State: "xb", Sequence: 7, Digest: digest("record 7 of xb, which was lost")}
	o, _, list := r.lost(1000, func(ev *evidence.Evidence) { ev.Record = lost })
	packets.Store(&list)
	r.await(o.env.Key(), evidence.RelayAcceptance)
	until(t, "all was read", func() bool { return !r.recovering() })
	if all := must(r.db.Doubts(t.Context(), r.peer.id)); len(all) != 0 {
		t.Errorf("in doubt: %+v", all)
	}
	other := r.h.offering(1000)
	note := string(must(r.before.log.Checkpoint(1, merkle.Hash(digest("a root")), time.Now().Add(-time.Minute))))
	other.env.NotBefore, other.env.Records.To = &note, lost
	m := r.h.make(other)
	r.h.connect()
	r.h.put(m)
	r.h.accepted(other, r.h.patch(m, other.body))
}

// R-OLD-4, I2: a peer that was pinned after the backup was made, and is pinned
// again, tells what it holds before anything is accepted from it.
func TestAPeerPinnedAfterTheBackup(t *testing.T) {
	var packets atomic.Pointer[[]statement.Packet]
	r := restore(t, false, tellsOf(&packets))
	o, m, list := r.lost(1000, nil)
	r.pin(r.peer.party)
	r.h.connect()
	got := r.h.put(m)
	if got.status != http.StatusServiceUnavailable || !strings.Contains(string(got.body), "has begun a new log") {
		t.Errorf("a replay was answered with %d %s", got.status, got.body)
	}
	r.h.untouched("a replay", o.env.Key())
	packets.Store(&list)
	r.await(o.env.Key(), evidence.RelayAcceptance)
	until(t, "all was read", func() bool { return !r.recovering() })
	if got := r.h.put(m); got.status != http.StatusOK {
		t.Errorf("a replay of what was taken back: %d %s", got.status, got.body)
	}
	other := r.h.offering(1000)
	m = r.h.make(other)
	r.h.put(m)
	r.h.accepted(other, r.h.patch(m, other.body))
}

// R-OLD-3, I9: a peer that shows one page after another without end is left after
// as many as there can be, and told of.
func TestAPeerShowsCopiesWithoutEnd(t *testing.T) {
	var packets atomic.Pointer[[]statement.Packet]
	var asked atomic.Int64
	r := restore(t, true, func(w http.ResponseWriter, req *http.Request) {
		list := packets.Load()
		if list == nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		asked.Add(1)
		after := must(strconv.ParseInt(req.URL.Query().Get("after"), 10, 64))
		_, _ = w.Write(page(after+1, *list))
	})
	_, _, list := r.lost(1000, nil)
	packets.Store(&list)
	until(t, "an alarm", func() bool {
		peers, err := r.Peers(t.Context())
		return err == nil && strings.Contains(peers[0].LastError, "none of them brings anything")
	})
	if n := asked.Load(); n > 1000 {
		t.Errorf("it was asked for %d pages", n)
	}
	if !r.recovering() {
		t.Error("a list without end counts as read")
	}
}

// R-OLD-6, I9: sealed bytes that come in pieces too small for any line are left for
// now; what breaks off goes on.
func TestSealedBytesComeInPieces(t *testing.T) {
	const size = 200_000
	for name, c := range map[string]struct {
		piece  int
		breaks bool // the line, once, in the middle of the body
		comes  bool
	}{
		"one byte at a time":       {piece: 1},
		"what a thin line carries": {piece: 40 << 10, comes: true},
		"over a line that breaks":  {piece: 40 << 10, breaks: true, comes: true},
	} {
		t.Run(name, func(t *testing.T) {
			var packets atomic.Pointer[[]statement.Packet]
			var body atomic.Pointer[[]byte]
			var asked, begun, furthest atomic.Int64
			var broke atomic.Bool
			r := restore(t, true, func(w http.ResponseWriter, req *http.Request) {
				list := packets.Load()
				switch {
				case list == nil:
					w.WriteHeader(http.StatusServiceUnavailable)
				case req.URL.Query().Get("of") == "received" && req.URL.Query().Get("after") == "0":
					_, _ = w.Write(page(3, *list))
				default:
					_, _ = w.Write(page(3, nil))
				}
			})
			o, _, list := r.lost(size, nil)
			body.Store(&o.body)
			sealed := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				all, at := *body.Load(), must(strconv.Atoi(req.URL.Query().Get("offset")))
				furthest.Store(max(furthest.Load(), int64(at)))
				asked.Add(1)
				if at == 0 {
					begun.Add(1)
				}
				if c.breaks && at > len(all)/2 && broke.CompareAndSwap(false, true) {
					panic(http.ErrAbortHandler)
				}
				_, _ = w.Write(all[at:min(at+c.piece, len(all))])
			})
			r.peer.sealed.Store(&sealed)
			packets.Store(&list)
			r.await(o.env.Key(), evidence.RelayAcceptance)
			there := func() bool { return len(must(r.db.Lost(t.Context(), r.peer.id))) == 0 }
			if c.comes {
				until(t, "the bytes are here", there)
				got, err := r.db.Sealed(t.Context(), o.env.Sealed.Digest)
				if err != nil {
					t.Fatal(err)
				}
				defer got.Close()
				back := make([]byte, got.Size())
				if _, err := got.ReadAt(back, 0); err != nil || !bytes.Equal(back, o.body) {
					t.Errorf("other bytes came: %v", err)
				}
				if n := begun.Load(); n != 1 || broke.Load() != c.breaks {
					t.Errorf("it began %d times; the line broke: %v", n, broke.Load())
				}
				return
			}
			until(t, "it was asked again", func() bool { return asked.Load() > 2 })
			if n := furthest.Load(); n > 0 || there() {
				t.Errorf("it went on behind %d bytes; all is here: %v", n, there())
			}
		})
	}
}

// R-OLD-6: the database goes away inside the commit that stores sealed bytes which were
// lost, and that commit was written. The office gets the parcel all the same.
func TestSealedBytesBehindAFailedCommit(t *testing.T) {
	var packets atomic.Pointer[[]statement.Packet]
	var body atomic.Pointer[[]byte]
	r := restore(t, true, tellsOf(&packets))
	sealed := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		r.disk.Heal()
		r.disk.Set(func() (bool, error) {
			r.disk.OnWrite(func(sickdisk.Write) error { return errDisk })
			return true, errDisk
		})
		_, _ = w.Write(*body.Load())
	})
	r.peer.sealed.Store(&sealed)
	o, _, list := r.lost(1000, nil)
	body.Store(&o.body)
	packets.Store(&list)
	r.await(o.env.Key(), evidence.RelayAcceptance)
	until(t, "the bytes are here", func() bool { return len(must(r.db.Lost(t.Context(), r.peer.id))) == 0 })
	r.disk.Heal()
	until(t, "the office gets the parcel", func() bool {
		waiting, err := r.Consign(t.Context(), prosecution, digest("office"), nil, 10)
		return err == nil && len(waiting) == 1
	})
}
