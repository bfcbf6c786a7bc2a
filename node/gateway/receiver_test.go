package gateway_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"comity/crypto/keys"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/statement"
)

// receiver is a peer that answers our deliveries as a test wants.
type receiver struct {
	*party
	offered  atomic.Int64
	busy     atomic.Bool               // hello is not answered
	standing func(http.ResponseWriter) // answers HEAD; nil: nothing is known
	// withdrawals answers the PUT of a withdrawal.
	withdrawals func(*envelope.Envelope, statement.Ref, http.ResponseWriter, []statement.Packet)
	head        atomic.Pointer[string]           // the checkpoint in its hello; nil: none
	tiles       atomic.Pointer[http.HandlerFunc] // answers who reads its log; nil: 404
	// cosign answers a checkpoint that it shall cosign, shows what it cosigned; nil: 404.
	cosign atomic.Pointer[http.HandlerFunc]
	shows  atomic.Pointer[http.HandlerFunc]
	proves atomic.Pointer[http.HandlerFunc] // answers where evidence stands in its log; nil: 404
	// copies and sealed tell what it holds of this node's parcels; nil: 404.
	copies, sealed atomic.Pointer[http.HandlerFunc]
}

// newReceiver serves state xb on loopback. take answers the PATCH.
func newReceiver(t *testing.T, take func(*receiver, *envelope.Envelope, statement.Ref, http.ResponseWriter, *http.Request)) *receiver {
	t.Helper()
	return newReceiverOf(t, "xb", prosecution, take)
}

// newReceiverOf serves another state.
func newReceiverOf(t *testing.T, id protocol.NodeID, authority protocol.AuthorityID,
	take func(*receiver, *envelope.Envelope, statement.Ref, http.ResponseWriter, *http.Request),
) *receiver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{party: newParty(id, conn.LocalAddr().String(), authority)}
	var known atomic.Pointer[statement.Signed]
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/hello", func(w http.ResponseWriter, req *http.Request) {
		if r.busy.Load() {
			<-req.Context().Done()
			return
		}
		_, _ = w.Write(must(exchange.EncodeHello(&exchange.Hello{Node: r.id, Time: protocol.At(time.Now()), Record: r.state.Signed(), Checkpoint: r.head.Load()})))
	})
	mux.HandleFunc("PUT /v1/parcels/{envelope}", func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return // the caller gave up, as it does when the parcel is withdrawn
		}
		packets, err := statement.DecodePackets(body, 1<<20, 2)
		if err != nil {
			t.Errorf("offer: %v", err)
			return
		}
		known.Store(&packets[0].Signed)
		r.offered.Add(1)
		w.WriteHeader(http.StatusCreated)
	})
	mux.HandleFunc("PATCH /v1/parcels/{envelope}", func(w http.ResponseWriter, req *http.Request) {
		signed := known.Load()
		if signed == nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		take(r, must(envelope.Parse(signed.Document)), signed.Ref(), w, req)
	})
	mux.HandleFunc("HEAD /v1/parcels/{envelope}", func(w http.ResponseWriter, _ *http.Request) {
		if r.standing == nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		r.standing(w)
	})
	mux.HandleFunc("PUT /v1/parcels/{envelope}/withdrawal", func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return // the caller gave up, as it does when it stops
		}
		packets, err := statement.DecodePackets(body, 1<<20, 3)
		if err != nil || len(packets) != 3 {
			t.Errorf("withdrawal: %d packets, %v", len(packets), err)
			return
		}
		r.withdrawals(must(envelope.Parse(packets[0].Document)), packets[0].Ref(), w, packets)
	})
	mux.HandleFunc("GET /v1/held", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(must(exchange.EncodeHeld(&exchange.Held{Record: r.state.Signed()}))) // nothing of the node's log
	})
	mux.HandleFunc("GET /v1/evidence", func(w http.ResponseWriter, req *http.Request) {
		<-req.Context().Done()
	})
	for path, answer := range map[string]*atomic.Pointer[http.HandlerFunc]{
		"POST /v1/witness/add-checkpoint": &r.cosign, "GET /v1/witness/{origin}/checkpoint": &r.shows,
		"GET /v1/log/tile/{tile...}":        &r.tiles,
		"GET /v1/parcels/{envelope}/proofs": &r.proves,
		"GET /v1/copies":                    &r.copies, "GET /v1/sealed": &r.sealed,
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, req *http.Request) {
			if f := answer.Load(); f != nil {
				(*f)(w, req)
				return
			}
			w.WriteHeader(http.StatusNotFound)
		})
	}
	server := &http3.Server{
		Handler: mux, QUICConfig: &quic.Config{},
		TLSConfig: http3.ConfigureTLSConfig(&tls.Config{
			Certificates: []tls.Certificate{must(keys.ParseTLS(r.pem))}, ClientAuth: tls.RequireAnyClientCert,
		}),
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(conn) }()
	t.Cleanup(func() {
		_ = server.Close()
		_ = conn.Close()
		<-done
	})
	return r
}

func (r *receiver) answer(env *envelope.Envelope, ref statement.Ref, event evidence.Event, w http.ResponseWriter) {
	r.say(r.evidence(env, ref, event, time.Now()), w)
}

// reject answers with a RelayRejection.
func (r *receiver) reject(env *envelope.Envelope, ref statement.Ref, code protocol.Code, w http.ResponseWriter) {
	ev := r.evidence(env, ref, evidence.RelayRejection, time.Now())
	ev.Reason = evidence.NewReason(code, "as the test wants")
	r.say(ev, w)
}

func (r *receiver) say(ev *evidence.Evidence, w http.ResponseWriter) {
	signed := must(ev.Sign(r.party.node.Subkeys[0], time.Now()))
	_, _ = w.Write(must(statement.EncodePackets([]statement.Packet{r.packet(signed, time.Now())})))
}

// A peer that refuses before it has read the bytes is understood, while we
// still write them (R-WIRE-5).
func TestAnEarlyAnswerIsRead(t *testing.T) {
	for name, size := range map[string]int{"small": 1000, "large": 7 << 20} {
		t.Run(name, func(t *testing.T) {
			b := newReceiver(t, func(r *receiver, env *envelope.Envelope, ref statement.Ref, w http.ResponseWriter, _ *http.Request) {
				r.answer(env, ref, evidence.RelayRejection, w) // and not one byte read
			})
			a := newNode(t, "xa", []protocol.AuthorityID{central})
			a.pin(b.party)
			k := a.submit(newLetter(central, size, b.party, prosecution))[0].Key
			a.await(k, evidence.RelayRejection)
			if n := b.offered.Load(); n != 1 {
				t.Errorf("offered %d times", n)
			}
		})
	}
}

// Trouble at the peer, answers without evidence, and bytes that are reset are
// retried, not taken for an end (R-EVID-8, R-XCH-1).
func TestTroubleAtThePeerIsRetried(t *testing.T) {
	t.Parallel()
	var tries atomic.Int64
	b := newReceiver(t, func(r *receiver, env *envelope.Envelope, ref statement.Ref, w http.ResponseWriter, req *http.Request) {
		switch tries.Add(1) {
		case 1:
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		case 2:
			_, _ = w.Write(must(statement.EncodePackets(nil)))
		case 3:
			panic(http.ErrAbortHandler)
		case 4:
			_, _ = w.Write([]byte("no packets"))
		default:
			_, _ = io.Copy(io.Discard, req.Body)
			r.answer(env, ref, evidence.RelayAcceptance, w)
		}
	})
	a := newNode(t, "xa", []protocol.AuthorityID{central})
	a.pin(b.party)
	k := a.submit(newLetter(central, 300<<10, b.party, prosecution))[0].Key
	a.await(k, evidence.RelayAcceptance)
	if n := tries.Load(); n != 5 {
		t.Errorf("%d tries, want 5", n)
	}
}

// R-WIRE-11: after a cut the sender asks where the body stands, and goes on
// there; when the peer then wants it from elsewhere, from there. A peer that lies
// about it gets no bytes, and the parcel stays.
func TestASenderGoesOn(t *testing.T) {
	const kept, moved = 1 << 20, 1<<20 + 5
	var appends []string
	var asked atomic.Int64
	var rest []byte
	b := newReceiver(t, func(r *receiver, env *envelope.Envelope, ref statement.Ref, w http.ResponseWriter, req *http.Request) {
		appends = append(appends, req.Header.Get("Upload-Offset"))
		switch len(appends) {
		case 1:
			_, _ = io.CopyN(io.Discard, req.Body, kept)
			panic(http.ErrAbortHandler)
		case 2:
			w.Header().Set("Upload-Offset", strconv.Itoa(moved))
			w.WriteHeader(http.StatusConflict)
		default:
			rest, _ = io.ReadAll(req.Body)
			r.answer(env, ref, evidence.RelayAcceptance, w)
		}
	})
	b.standing = func(w http.ResponseWriter) {
		at := kept
		if asked.Add(1) == 1 {
			at = 9_000_000_000 // of three million
		}
		w.Header().Set("Upload-Offset", strconv.Itoa(at))
		w.WriteHeader(http.StatusNoContent)
	}
	a := newNode(t, "xa", []protocol.AuthorityID{central})
	a.pin(b.party)
	l := newLetter(central, large, b.party, prosecution)
	a.await(a.submit(l)[0].Key, evidence.RelayAcceptance)
	if want := []string{"0", strconv.Itoa(kept), strconv.Itoa(moved)}; !slices.Equal(appends, want) {
		t.Errorf("appends from %v, want %v", appends, want)
	}
	if !bytes.Equal(rest, l.body[moved:]) {
		t.Errorf("the last append brought %d other bytes", len(rest))
	}
	if n := b.offered.Load(); n != 1 {
		t.Errorf("offered %d times", n)
	}
}

// A peer that takes the bytes and never answers does not keep the node from stopping.
func TestASilentPeerDoesNotKeepTheNodeRunning(t *testing.T) {
	reached := make(chan struct{}, 8)
	b := newReceiver(t, func(_ *receiver, _ *envelope.Envelope, _ statement.Ref, _ http.ResponseWriter, req *http.Request) {
		reached <- struct{}{}
		<-req.Context().Done()
	})
	a := newNode(t, "xa", []protocol.AuthorityID{central})
	a.pin(b.party)
	a.submit(newLetter(central, 7<<20, b.party, prosecution))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case <-reached:
	case <-ctx.Done():
		t.Error("no bytes came")
	}
	// The end of the test stops the node.
}
