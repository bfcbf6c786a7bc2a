package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"comity/crypto/merkle"
	"comity/node/gateway"
	"comity/protocol/statement"
)

// R-TILE-1, R-TILE-2: a peer that has nothing but checkpoint and tiles finds in
// them the leaf of the evidence that it was given.
func TestAPeerReadsTheLog(t *testing.T) {
	onBoth(t, func(t *testing.T, over gateway.Transport) {
		h, b := besiegeOver(t, over)
		var last statement.Packet
		for range 3 {
			o := h.offering(100)
			m := h.make(o)
			h.put(m)
			r := h.patch(m, o.body)
			last = r.packets(t)[0]
		}
		r := h.do(http.MethodGet, "/v1/log/checkpoint", nil, nil)
		c, err := b.state.LogVerifier().Checkpoint(r.body)
		if err != nil || r.header.Get("Content-Type") != "text/plain; charset=utf-8" || r.header.Get("Cache-Control") != "no-cache" {
			t.Fatalf("checkpoint: %v, %v", r.header, err)
		}
		ref := last.Ref()
		proof, _, err := b.state.LogVerifier().Proof(last.Proof, ref.Document, ref.Signature)
		if err != nil {
			t.Fatal(err)
		}
		tiled := merkle.TiledLog(c.Size, c.Root, h.tile)
		if proof.Hashes, err = merkle.Prove(c.Size, proof.Index, tiled); err != nil {
			t.Fatal(err)
		}
		proof.Checkpoint = r.body
		if _, _, err := b.state.LogVerifier().Proof(proof.Marshal(), ref.Document, ref.Signature); err != nil {
			t.Errorf("leaf %d of %d in the tiles: %v", proof.Index, c.Size, err)
		}
	})
}

// tile fetches one.
func (h *hostile) tile(tile merkle.Tile) ([]byte, error) {
	path := "/v1/log/tile/" + tile.String()
	a := h.do(http.MethodGet, path, nil, nil)
	if a.status != http.StatusOK || a.header.Get("Content-Type") != "application/octet-stream" ||
		!strings.Contains(a.header.Get("Cache-Control"), "immutable") {
		return nil, fmt.Errorf("%s: %d, %v", path, a.status, a.header)
	}
	return a.body, nil
}

// R-TILE-3: what the log does not have, or does not show, is not found. To ask for
// it is no fault: a reader may be ahead of the log, or behind it.
func TestTilesThatAreNotShown(t *testing.T) {
	h, _ := besiege(t)
	for _, path := range []string{
		"0/000", "0/000.p/200", "0/001.p/1", "1/000.p/1", "63/000", "0/0", "0/000.p/0", "0/000.p/256", "0/000.p/01", "64/000", "x",
		"entries/000", "entries/000.p/1", "data/000", "0/x000/000", "0/%2e%2e/000", "8/0/000",
	} {
		if r := h.do(http.MethodGet, "/v1/log/tile/"+path, nil, nil); r.status != http.StatusNotFound {
			t.Errorf("%s: %d %s, want 404", path, r.status, r.body)
		}
	}
	for _, path := range []string{"/v1/log/", "/v1/log/entries/000"} {
		if r := h.do(http.MethodGet, path, nil, nil); r.status != http.StatusNotFound {
			t.Errorf("%s: %d, want 404", path, r.status)
		}
	}
	if r := h.do(http.MethodPost, "/v1/log/tile/0/000.p/1", nil, []byte("x")); r.status != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", r.status)
	}
}

// I9, I8: a peer that reads the log without end is made to wait, and its parcels
// are not.
func TestReadingTheLogIsPaced(t *testing.T) {
	h, _ := besiege(t)
	read := func() time.Duration {
		began := time.Now()
		if r := h.do(http.MethodGet, "/v1/log/tile/0/000.p/1", nil, nil); r.status != http.StatusOK {
			t.Fatalf("answered %d", r.status)
		}
		return time.Since(began)
	}
	first, slowest := read(), time.Duration(0)
	for range 2000 {
		if slowest = max(slowest, read()); slowest > 20*first && slowest > 500*time.Millisecond {
			break
		}
	}
	if slowest <= 500*time.Millisecond {
		t.Errorf("2000 tiles, and none waited: the first took %s, the slowest %s", first, slowest)
	}
	o := h.offering(100)
	m := h.make(o)
	began := time.Now()
	h.put(m)
	if r := h.patch(m, o.body); r.status != http.StatusOK || time.Since(began) >= slowest {
		t.Errorf("a parcel after it: %d, in %s; a tile waits %s", r.status, time.Since(began), slowest)
	}
}
