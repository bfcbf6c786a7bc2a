package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"comity/crypto/keys"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/record"
	"comity/store"
)

// large is a body of which a part is kept.
const large = 3 << 20

// append sends part of a body: from offset, and last when it is the end.
func (h *hostile) append(m made, offset int, part []byte, last bool) reply {
	h.t.Helper()
	header := appendHeader()
	header.Set("Upload-Offset", strconv.Itoa(offset))
	if !last {
		header.Set("Upload-Complete", "?0")
	}
	return h.do(http.MethodPatch, m.path, header, part)
}

// standing asks where an upload stands; -1: nothing is known of it.
func (h *hostile) standing(m made) int {
	h.t.Helper()
	got := h.do(http.MethodHead, m.path, nil, nil)
	if got.status == http.StatusNotFound {
		return -1
	}
	at, err := strconv.Atoi(got.header.Get("Upload-Offset"))
	if got.status != http.StatusNoContent || err != nil || got.header.Get("Cache-Control") != "no-store" {
		h.t.Fatalf("HEAD: %d %v", got.status, got.header)
	}
	return at
}

// wantStanding fails the test unless an append was answered with where to go on.
func (h *hostile) wantStanding(what string, got reply, status, offset int) {
	h.t.Helper()
	if got.status != status || got.header.Get("Upload-Offset") != strconv.Itoa(offset) || got.header.Get("Upload-Complete") != "?0" {
		h.t.Errorf("%s: %d %v %s; want %d and offset %d", what, got.status, got.header, got.body, status, offset)
	}
}

// accepted fails the test unless the answer is the RelayAcceptance and nothing of
// the upload is left but the body.
func (h *hostile) accepted(o *offering, got reply) {
	h.t.Helper()
	if got.status != http.StatusOK || len(got.packets(h.t)) != 1 || got.header.Get("Upload-Complete") != "?1" {
		h.t.Fatalf("the last piece: %d %s", got.status, got.body)
	}
	if _, ok := h.to.events(o.env.Key())[evidence.RelayAcceptance]; !ok {
		h.t.Error("no RelayAcceptance")
	}
	s, err := h.to.Sealed(h.t.Context(), o.env.Sealed.Digest)
	if err != nil {
		h.t.Fatal(err)
	}
	defer s.Close()
	kept, err := io.ReadAll(io.NewSectionReader(s, 0, s.Size()))
	if err != nil || !bytes.Equal(kept, o.body) {
		h.t.Errorf("%d other bytes are kept, %v", len(kept), err)
	}
	h.to.noPart()
}

// parts are the files of bodies under way.
func (n *node) parts() []string {
	n.t.Helper()
	files, err := filepath.Glob(filepath.Join(n.dir, "sealed", "partial", "*"))
	if err != nil {
		n.t.Fatal(err)
	}
	return files
}

func (n *node) noPart() {
	n.t.Helper()
	rows, err := n.db.Uploads(context.Background(), protocol.Digest{})
	if files := n.parts(); len(files) != 0 || len(rows) != 0 || err != nil {
		n.t.Errorf("left of uploads: files %v, rows %v, %v", files, rows, err)
	}
}

// R-WIRE-5, R-WIRE-11, R-WIRE-12: a body comes in pieces; each begins where the last one
// ended, wherever else the peer wants to begin.
func TestABodyInPieces(t *testing.T) {
	h, _ := besiege(t)
	o := h.offering(large)
	m := h.make(o)
	size := len(o.body)
	if at := h.standing(m); at != -1 {
		t.Errorf("before the offer it stands at %d", at)
	}

	var interim http.Header
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
		if code == 104 {
			interim = http.Header(header)
		}
		return nil
	}})
	req := must(http.NewRequestWithContext(ctx, http.MethodPut, "https://xb"+m.path, bytes.NewReader(m.put)))
	resp, err := h.http.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	for what, header := range map[string]http.Header{"104": interim, "201": resp.Header} {
		if resp.StatusCode != 201 || header.Get("Location") != m.path || header.Get("Upload-Offset") != "0" ||
			header.Get("Upload-Draft-Interop-Version") != "8" || header.Get("Upload-Limit") == "" {
			t.Errorf("R-WIRE-11: PUT %d, headers of the %s: %v", resp.StatusCode, what, header)
		}
	}

	if at := h.standing(m); at != 0 {
		t.Errorf("after the offer it stands at %d", at)
	}
	h.wantStanding("the first piece", h.append(m, 0, o.body[:1<<20], false), 204, 1<<20)
	for _, wrong := range []int{0, 1<<20 - 1, 1<<20 + 1, size} {
		got := h.append(m, wrong, o.body[wrong:], true)
		h.wantStanding(fmt.Sprintf("from %d", wrong), got, 409, 1<<20)
		var p struct {
			Type     string
			Expected int64 `json:"expected-offset"`
			Provided int64 `json:"provided-offset"`
		}
		if err := json.Unmarshal(got.body, &p); err != nil || p.Expected != 1<<20 || p.Provided != int64(wrong) || p.Type == "" {
			t.Errorf("problem: %s", got.body)
		}
	}
	for _, few := range []int{0, 1, 1<<20 - 1} {
		h.wantStanding("too few bytes for a piece", h.append(m, 1<<20, o.body[1<<20:1<<20+few], false), 400, 1<<20)
	}
	h.wantStanding("the second piece", h.append(m, 1<<20, o.body[1<<20:size], false), 204, size)
	if at := h.standing(m); at != size {
		t.Errorf("it stands at %d, all %d bytes are there", at, size)
	}
	h.untouched("before the peer says that it is complete", o.env.Key())
	h.accepted(o, h.append(m, size, nil, true))
	got := h.do(http.MethodHead, m.path, nil, nil)
	if got.status != 204 || got.header.Get("Upload-Complete") != "?1" || got.header.Get("Upload-Offset") != strconv.Itoa(size) {
		t.Errorf("HEAD of what is decided: %d %v", got.status, got.header)
	}
	if got := h.append(m, 0, o.body, true); got.status != 200 || len(got.packets(t)) != 1 {
		t.Errorf("all of it again: %d %s", got.status, got.body)
	}
}

// R-ENV-2: a peer whose bytes or whose word do not lead to the announced size or
// digest is refused for good, also when they come in pieces.
func TestPiecesRefusedForGood(t *testing.T) {
	for name, c := range map[string]struct {
		last func(*offering) ([]byte, bool)
		code protocol.Code
	}{
		"says complete too early": {func(o *offering) ([]byte, bool) { return o.body[1<<20 : 2<<20], true }, protocol.SizeMismatch},
		"beyond the size":         {func(o *offering) ([]byte, bool) { return append(o.body[1<<20:], 0), true }, protocol.SizeMismatch},
		"beyond it, and more":     {func(o *offering) ([]byte, bool) { return append(o.body[1<<20:], 0), false }, protocol.SizeMismatch},
		"another digest": {func(o *offering) ([]byte, bool) {
			o.body[2<<20] ^= 1
			return o.body[1<<20:], true
		}, protocol.DigestMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			h, b := besiege(t)
			o := h.offering(large)
			m := h.make(o)
			h.put(m)
			h.wantStanding("the first piece", h.append(m, 0, o.body[:1<<20], false), 204, 1<<20)
			part, complete := c.last(o)
			h.rejected(name, o, m, h.append(m, 1<<20, part, complete), c.code)
			b.noPart()
		})
	}
}

// R-WIRE-12: a body goes on after a restart of the node, without being announced again and
// over a TLS key that the peer's record did not list before.
func TestABodyGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	h, b := besiege(t)
	o := h.offering(large)
	m := h.make(o)
	h.put(m)
	h.wantStanding("the first piece", h.append(m, 0, o.body[:2<<20], false), 204, 2<<20)

	h.pem = must(keys.GenerateTLS("xa", h.made, h.made.Add(lifetime)))
	rotated := must(record.Verify(h.next(func(r *record.Record) {
		r.Node.TLS = append(r.Node.TLS, record.Pin{SPKI: h.spki(), Valid: h.valid()})
	}), nil))
	if err := b.Pin(t.Context(), rotated); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		b.restart()
		h.connect()
	}
	if at := h.standing(m); at != 2<<20 {
		t.Fatalf("after the restart it stands at %d", at)
	}
	b.restart()
	h.connect()
	h.wantStanding("from the beginning", h.append(m, 0, o.body, true), 409, 2<<20)
	h.accepted(o, h.append(m, 2<<20, o.body[2<<20:], true))
}

// R-WIRE-12: what is damaged on this side's disk is asked for again; it never becomes
// evidence against the peer.
func TestADamagedPartIsAskedForAgain(t *testing.T) {
	t.Parallel()
	t.Run("the file is torn", func(t *testing.T) {
		h, b := besiege(t)
		o := h.offering(large)
		m := h.make(o)
		h.put(m)
		h.append(m, 0, o.body[:2<<20], false)
		b.restart()
		if err := os.Truncate(b.parts()[0], 1<<20); err != nil {
			t.Fatal(err)
		}
		h.connect()
		h.wantStanding("where it stood", h.append(m, 2<<20, o.body[2<<20:], true), 409, 0)
		h.accepted(o, h.append(m, 0, o.body, true))
	})
	t.Run("the file is altered, and the peer sends other bytes", func(t *testing.T) {
		h, b := besiege(t)
		o := h.offering(large)
		m := h.make(o)
		h.put(m)
		right := bytes.Clone(o.body)
		o.body[1<<20] ^= 1
		h.append(m, 0, o.body[:2<<20], false)
		f, err := os.OpenFile(b.parts()[0], os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.WriteAt([]byte{^o.body[2<<20-1]}, 2<<20-1)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		if got := h.append(m, 2<<20, o.body[2<<20:], true); got.status != 503 {
			t.Errorf("two faults: %d %s", got.status, got.body)
		}
		h.untouched("after a fault of this side", o.env.Key())
		o.body = right
		h.accepted(o, h.append(m, 0, o.body, true))
	})
}

// I9: a peer that has used up its refusals does not have this node read a large body again
// for each append of nothing. (That it would be read shows by a fault of the disk.)
func TestABodyThatCannotBeRefusedNowIsNotReadAgain(t *testing.T) {
	h, b := besiege(t)
	o := h.offering(large)
	m := h.make(o)
	h.put(m)
	o.body[1<<20] ^= 1
	h.wantStanding("all of it", h.append(m, 0, o.body, false), 204, len(o.body))
	f, err := os.OpenFile(b.parts()[0], os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt([]byte{^o.body[2<<20-1]}, 2<<20-1)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	for range 2 * protocol.MaxRejections {
		other := h.offering(100)
		other.env.To = "xb/nobody"
		if got := h.put(h.make(other)); got.status == http.StatusTooManyRequests {
			break
		}
	}
	if got := h.append(m, len(o.body), nil, true); got.status != http.StatusTooManyRequests {
		t.Errorf("the end of a body that cannot be refused now: %d %s", got.status, got.body)
	}
	if at := h.standing(m); at != len(o.body) {
		t.Errorf("it stands at %d of %d", at, len(o.body))
	}
}

// Another peer does not see an upload, and cannot touch it.
func TestAnUploadIsItsPeersAlone(t *testing.T) {
	t.Parallel()
	h, b := besiege(t)
	other := &hostile{party: newParty("xc", "127.0.0.1:1", "xc/ministry"), t: t, to: b}
	b.pin(other.party)
	other.connect()
	o := h.offering(large)
	m := h.make(o)
	h.put(m)
	h.append(m, 0, o.body[:1<<20], false)
	for _, when := range []string{"at once", "after a restart", "after it is decided"} {
		if at := other.standing(m); at != -1 {
			t.Errorf("%s another peer sees %d bytes", when, at)
		}
		if got := other.append(m, 1<<20, o.body[1<<20:], true); got.status == 200 || got.status == 409 {
			t.Errorf("%s another peer appends: %d %s", when, got.status, got.body)
		}
		switch when {
		case "at once":
			b.restart()
			h.connect()
			other.connect()
		case "after a restart":
			h.accepted(o, h.append(m, 1<<20, o.body[1<<20:], true))
		}
	}
}

// An append that hangs ends when the peer asks where it stands, and nothing of
// what it brought is lost; the same when the peer simply goes on.
func TestAHangingAppendIsPreemptedAndKept(t *testing.T) {
	h, b := besiege(t)
	o := h.offering(large)
	m := h.make(o)
	h.put(m)
	// The last piece of what is sent may wait to be filled when it is cut.
	const mayWait = 512 << 10
	hang := func(from, to int) (end func()) {
		slow := &slowBody{bytes.NewReader(o.body[from:to]), make(chan struct{})}
		header := appendHeader()
		header.Set("Upload-Offset", strconv.Itoa(from))
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = h.try(http.MethodPatch, m.path, header, slow, int64(len(o.body)-from))
		}()
		b.awaitPart(to - mayWait)
		return func() { close(slow.until); <-done }
	}
	defer hang(0, 1<<20)()
	first := h.standing(m)
	if first < 1<<20-mayWait || first > 1<<20 {
		t.Fatalf("it stands at %d, %d bytes were sent", first, 1<<20)
	}
	defer hang(first, 2<<20)()
	got := h.append(m, first, o.body[first:], true)
	second, err := strconv.Atoi(got.header.Get("Upload-Offset"))
	if got.status != 409 || err != nil || second < 2<<20-mayWait || second > 2<<20 {
		t.Errorf("a second append beside one that hangs: %d %v", got.status, got.header)
	}
	h.accepted(o, h.append(m, second, o.body[second:], true))
}

// awaitPart waits until so many bytes of the one body under way are written.
func (n *node) awaitPart(size int) {
	n.t.Helper()
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		if files := n.parts(); len(files) == 1 {
			if info, err := os.Stat(files[0]); err == nil && info.Size() >= int64(size) {
				return
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	n.t.Fatalf("%d bytes of a body did not arrive; parts %v", size, n.parts())
}

// Appends that race, from the right place and from wrong ones: the body is
// accepted once, and is the right one.
func TestAppendsThatRace(t *testing.T) {
	h, _ := besiege(t)
	o := h.offering(large)
	m := h.make(o)
	h.put(m)
	var wg sync.WaitGroup
	var mu sync.Mutex
	answers := map[string]bool{}
	for range 8 {
		wg.Go(func() {
			for at := 0; ; {
				header := appendHeader()
				header.Set("Upload-Offset", strconv.Itoa(at))
				got, err := h.try(http.MethodPatch, m.path, header, bytes.NewReader(o.body[at:]), int64(len(o.body)-at))
				if err == nil && got.status == 200 {
					mu.Lock()
					answers[string(got.body)] = true
					mu.Unlock()
					return
				}
				if next, e := strconv.Atoi(got.header.Get("Upload-Offset")); err == nil && e == nil {
					at = next
				}
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	wg.Wait()
	if len(answers) != 1 {
		t.Errorf("%d different evidences", len(answers))
	}
	h.accepted(o, h.append(m, 0, o.body, true))
}

// R-ENV-8: what is here of a body that can never be accepted any more is given up.
func TestAnUploadThatExpires(t *testing.T) {
	clock := &shifted{}
	h, b := besiege(t, at(clock.now))
	o := h.offering(large)
	m := h.make(o)
	h.put(m)
	h.append(m, 0, o.body[:1<<20], false)
	b.restart()
	if len(b.parts()) != 1 {
		t.Fatal("nothing was kept")
	}
	clock.forward(2 * time.Hour)
	b.restart() // a running node would not believe the jump
	deadline := time.Now().Add(patience)
	for len(b.parts()) > 0 && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	b.noPart()
}

// R-EVID-6: of two envelopes under one key the first to be whole stands; what had
// arrived of the other is given up.
func TestAnUploadThatIsDecidedOtherwise(t *testing.T) {
	h, b := besiege(t)
	one, two := h.offering(large), h.offering(large)
	two.env.Parcel = one.env.Parcel
	m1, m2 := h.make(one), h.make(two)
	h.put(m1)
	h.put(m2)
	h.append(m1, 0, one.body[:1<<20], false)
	h.append(m2, 0, two.body[:1<<20], false)
	if got := h.append(m2, 1<<20, two.body[1<<20:], true); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if got := h.append(m1, 1<<20, one.body[1<<20:], true); got.status != 409 || got.code != protocol.Equivocation {
		t.Errorf("the second to be whole: %d %s", got.status, got.body)
	}
	b.noPart()
}

// leavePart makes a part of a body durable as if a peer had brought it.
func (n *node) leavePart(peer protocol.NodeID, name string, expires time.Time) {
	n.t.Helper()
	up, err := n.db.BeginUpload(n.t.Context(), store.Announced{
		Envelope: digest(name), Peer: peer, Packets: []byte("an offer\n"), Size: large, Expires: expires,
	})
	if err == nil {
		_, err = up.Write([]byte("a byte or two"))
	}
	var m store.Mark
	if err == nil {
		m, err = up.Mark()
	}
	if err == nil {
		err = up.Settle(n.t.Context(), m)
	}
	if err != nil {
		n.t.Fatal(err)
	}
	up.Close()
}

// One peer may leave parts of so many bodies here and no more, however long it
// takes for them; another's count by themselves.
func TestPartsOfOnePeerAreCounted(t *testing.T) {
	h, b := besiege(t)
	leave := func(peer protocol.NodeID, n int) {
		for i := range n {
			b.leavePart(peer, fmt.Sprint(peer, i), time.Now().Add(time.Hour))
		}
	}
	leave("xc", 1)
	leave("xa", protocol.MaxStreams-1)
	last := h.offering(large)
	m := h.make(last)
	if got := h.put(m); got.status != 201 {
		t.Fatalf("the last one that may be: %d %s", got.status, got.body)
	}
	h.append(m, 0, last.body[:1<<20], false)
	if got := h.put(h.make(h.offering(large))); got.status != 429 || got.header.Get("Retry-After") == "" {
		t.Errorf("one too many: %d %s", got.status, got.body)
	}
	if got := h.put(h.make(h.offering(100))); got.status != 201 {
		t.Errorf("a small one beside them: %d %s", got.status, got.body)
	}
	if got := h.append(m, 1<<20, last.body[1<<20:], true); got.status != 200 {
		t.Errorf("one of those that are here: %d %s", got.status, got.body)
	}
}

// R-WIRE-13: a part to which nothing comes is given up after MaxStandstill,
// however long its envelope lives, and the body may begin anew.
func TestAPartThatStandsStill(t *testing.T) {
	clock := &shifted{}
	h, b := besiege(t, at(clock.now))
	leave := func(name string, age time.Duration) {
		clock.forward(-age)
		b.leavePart(h.id, name, time.Now().Add(protocol.MaxLifetime-age))
		clock.forward(age)
	}
	leave("still", protocol.MaxStandstill+time.Hour)
	leave("young", protocol.MaxStandstill-time.Hour)
	b.restart() // a running node would not believe the jumps
	deadline := time.Now().Add(patience)
	for len(b.parts()) > 1 && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	rows, err := b.db.Uploads(t.Context(), protocol.Digest{})
	if err != nil || len(rows) != 1 || rows[0].Envelope != digest("young") || len(b.parts()) != 1 {
		t.Errorf("left of uploads: %v, %v; want the young one", rows, err)
	}
}

// R-WIRE-13: what is here of a body counts after a restart, for its peer and for
// its recipient, until it is decided.
func TestAPartCountsAfterARestart(t *testing.T) {
	t.Parallel()
	h, b := besiege(t)
	o := h.offering(large)
	m := h.make(o)
	h.put(m)
	h.wantStanding("the first piece", h.append(m, 0, o.body[:2<<20], false), 204, 2<<20)
	count := func(when string, want int) {
		t.Helper()
		if peer, to := b.Unfinished(h.id, prosecution); peer != int64(want) || to != int64(want) {
			t.Errorf("%s: %d bytes of the peer, %d to the recipient; want %d", when, peer, to, want)
		}
	}
	count("what is here and what was promised", len(o.body))
	b.restart()
	count("after a restart", 2<<20)
	h.connect()
	h.accepted(o, h.append(m, 2<<20, o.body[2<<20:], true))
	count("after it was accepted", 0)
}
