//go:build linux

package gateway_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"comity/protocol"
)

// smallDisk is a file system of its own for a node. It needs root.
func smallDisk(t *testing.T, megabytes int) string {
	t.Helper()
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+strconv.Itoa(megabytes)+"m")
	switch {
	case err == nil:
		t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	case os.Getenv("CI") != "":
		t.Fatalf("this test mounts a file system and needs to be root: %v", err)
	default:
		t.Skipf("SKIPPED, SO NOTHING WAS TESTED: this test mounts a file system and needs to be root: %v", err)
	}
	return dir
}

// R-EVID-8, R-WIRE-13: a disk without room is trouble of this side: the peer comes back,
// nothing is signed about it, and what was durable of a body stays.
func TestADiskWithoutRoom(t *testing.T) {
	disk := smallDisk(t, 23) // one peer's share of it has room for three bodies
	h, b := besiege(t, func(n *node) { n.dir = filepath.Join(disk, "xb") })
	full := func(what string, got reply) {
		t.Helper()
		later := got.status == http.StatusServiceUnavailable || got.status == http.StatusTooManyRequests
		if !later || got.header.Get("Retry-After") == "" || !bytes.Contains(got.body, []byte("disk")) {
			t.Errorf("%s: %d %v %s", what, got.status, got.header, got.body)
		}
	}
	all := []*offering{h.offering(large), h.offering(large), h.offering(large), h.offering(large)}
	var offers []made
	for i, o := range all {
		m := h.make(o)
		offers = append(offers, m)
		switch got := h.put(m); {
		case i < 3 && got.status != 201:
			t.Errorf("offer %d: %d %s", i, got.status, got.body)
		case i == 3:
			full("the fourth offer, with no byte of the others here", got)
		}
	}
	o, m := all[0], offers[0]
	h.wantStanding("the first piece", h.append(m, 0, o.body[:1<<20], false), 204, 1<<20)

	// The disk fills while the second one comes.
	r, w := io.Pipe()
	answer := make(chan reply, 1)
	go func() {
		header := appendHeader()
		header.Set("Upload-Offset", strconv.Itoa(1<<20))
		got, err := h.try(http.MethodPatch, m.path, header, r, int64(len(o.body)-1<<20))
		if err != nil {
			t.Error(err)
		}
		r.Close() // what was not read any more
		answer <- got
	}()
	_, _ = w.Write(o.body[1<<20 : 2<<20])
	b.awaitPart(1<<20 + 256<<10)
	filler, err := os.Create(filepath.Join(disk, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	for junk := make([]byte, 4<<10); err == nil; _, err = filler.Write(junk) {
		_, _ = rand.Read(junk)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	_, _ = w.Write(o.body[2<<20:])
	w.Close()
	full("bytes on a full disk", <-answer)
	if at := h.standing(m); at != 1<<20 {
		t.Errorf("it stands at %d, %d bytes were durable", at, 1<<20)
	}
	full("the next attempt", h.append(m, 1<<20, o.body[1<<20:], true))
	h.untouched("on a full disk", o.env.Key())

	if err := errors.Join(filler.Close(), os.Remove(filler.Name())); err != nil {
		t.Fatal(err)
	}
	h.accepted(o, h.append(m, 1<<20, o.body[1<<20:], true))
	h.untouched("never taken", all[3].env.Key())
	if _, err := b.Sealed(t.Context(), protocol.Sum(all[3].body)); err == nil {
		t.Error("bytes of a refused offer are here")
	}
}
