package store

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"comity/protocol"
)

// large is a body of which parts are kept, and what a peer announces about it.
func (n *node) large() (Announced, []byte) {
	return Announced{
		Envelope: protocol.Sum([]byte("an envelope")), Peer: nodeA, Packets: []byte("an offer\n"), Size: 3 << 20, Expires: n.clock.now().Add(time.Hour),
	}, body(5, 3<<20)
}

func (n *node) begin(about Announced) *Upload {
	n.t.Helper()
	u, err := n.BeginUpload(context.Background(), about)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { u.Close() })
	return u
}

func (n *node) take(u *Upload, b []byte) {
	n.t.Helper()
	if _, err := u.Write(b); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) settle(u *Upload) error {
	n.t.Helper()
	m, err := u.Mark()
	if err != nil {
		n.t.Fatal(err)
	}
	return u.Settle(context.Background(), m)
}

// cut goes on with a copy of the folder as it is now: the power went.
func (n *node) cut() {
	n.t.Helper()
	dir := filepath.Join(n.t.TempDir(), "copy")
	if err := os.CopyFS(dir, os.DirFS(n.dir)); err != nil {
		n.t.Fatal(err)
	}
	c := n.config()
	c.Dir = dir
	if _, err := n.openWith(c); err != nil {
		n.t.Fatal(err)
	}
	n.dir = dir
}

// A body goes on, byte for byte, from what was durable when the power went, at
// whatever place that was, and whatever the file holds beyond it.
func TestAnUploadGoesOnAfterACut(t *testing.T) {
	for _, durable := range []int{1, 70_000, 1 << 20, 1<<20 + 7, 3<<20 - 1, 3 << 20} {
		t.Run(strconv.Itoa(durable), func(t *testing.T) {
			n := newNode(t)
			about, want := n.large()
			u := n.begin(about)
			for _, to := range []int{durable / 2, durable} {
				n.take(u, want[u.Offset():to])
				if err := n.settle(u); err != nil {
					t.Fatal(err)
				}
			}
			n.take(u, bytes.Repeat([]byte("torn"), (len(want)-durable)/8)) // nothing promises it
			n.cut()

			s, err := n.Upload(t.Context(), about.Envelope)
			if err != nil || s.Offset != int64(durable) || s.Peer != nodeA || !bytes.Equal(s.Packets, about.Packets) {
				t.Fatalf("after the cut: %+v, %v", s, err)
			}
			u = n.begin(about)
			if u.Damage != nil || u.Offset() != int64(durable) {
				t.Fatalf("goes on at %d, %v", u.Offset(), u.Damage)
			}
			n.take(u, want[durable:])
			if again, err := u.Reread(t.Context()); err != nil || again != protocol.Sum(want) || again != u.Digest() {
				t.Errorf("other bytes in the file: %v", err)
			}
			n.accepted(u, want)
			if err := n.DropUpload(t.Context(), about.Envelope); err != nil {
				t.Error(err)
			}
			if files := n.sealedFiles(); len(files) != 1 {
				t.Errorf("files at the end: %v", files)
			}
		})
	}
}

// accepted commits a finished upload and reads it back.
func (n *node) accepted(u *Upload, want []byte) {
	n.t.Helper()
	f := n.accept(50)
	var err error
	if f.Spool, err = u.Finish(context.Background()); err != nil {
		n.t.Fatal(err)
	}
	defer f.Spool.Discard()
	f.Sealed = sealedOf(want)
	n.commit(f)
	s, err := n.Sealed(context.Background(), protocol.Sum(want))
	if err != nil {
		n.t.Fatal(err)
	}
	defer s.Close()
	got := make([]byte, len(want))
	if _, err := s.ReadAt(got, 0); err != nil || !bytes.Equal(got, want) {
		n.t.Errorf("the kept body is another: %v", err)
	}
}

// What nothing promises leaves no file and no row: a body that ended before
// anything of it was durable, by itself or with the power.
func TestAnUploadWithoutPromiseLeavesNothing(t *testing.T) {
	for name, end := range map[string]func(*node, *Upload) error{
		"it ends":        func(_ *node, u *Upload) error { return u.Close() },
		"the power goes": func(n *node, _ *Upload) error { n.cut(); return nil },
	} {
		n := newNode(t)
		about, want := n.large()
		u := n.begin(about)
		n.take(u, want[:1<<20])
		if err := end(n, u); err != nil {
			t.Fatal(err)
		}
		if files := n.sealedFiles(); len(files) != 0 {
			t.Errorf("%s: %v", name, files)
		}
		if _, err := n.Upload(t.Context(), about.Envelope); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: a row: %v", name, err)
		}
	}
}

// A row or a file that is not what it was is not gone on with: the body begins
// anew instead of ending in a wrong digest that would be blamed on the peer.
func TestADamagedUploadBeginsAnew(t *testing.T) {
	sql := func(query string) func(*node, string) {
		return func(n *node, _ string) { execute(n.t, n.v.database, query) }
	}
	for name, damage := range map[string]func(*node, string){
		"hash state":   sql(`UPDATE upload SET hash_state = hash_check`),
		"check":        sql(`UPDATE upload SET hash_check = envelope_digest`),
		"offset":       sql(`UPDATE upload SET offset_bytes = offset_bytes - 1`),
		"torn file":    func(_ *node, file string) { _ = os.Truncate(file, 1<<20-1) },
		"file is gone": func(_ *node, file string) { _ = os.Remove(file) },
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			about, want := n.large()
			u := n.begin(about)
			n.take(u, want[:1<<20])
			if err := n.settle(u); err != nil {
				t.Fatal(err)
			}
			u.Close()
			damage(n, filepath.Join(n.dir, "sealed", partial, about.Envelope.String()))
			u = n.begin(about)
			if u.Damage == nil || u.Offset() != 0 {
				t.Fatalf("goes on at %d, %v", u.Offset(), u.Damage)
			}
			n.take(u, want)
			n.accepted(u, want)
		})
	}
}

// The disk fails between the bytes and the row that promises them, or while it
// writes either: the offset never says more than what is in the file.
func TestSettlingFails(t *testing.T) {
	for name, c := range map[string]struct {
		sync    error // of the file
		commit  error
		written bool
		durable int64 // afterwards
		usable  bool  // the upload goes on without being opened anew
	}{
		"bytes not synced":          {errDisk, nil, false, 1 << 20, false},
		"row failed":                {nil, errDisk, false, 1 << 20, true},
		"row failed but is written": {nil, errDisk, true, 2 << 20, true},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			healthy := Config{}.sync
			sync := healthy
			sick := n.config()
			sick.Sync = func(f *os.File) error { return sync(f) }
			if _, err := n.openWith(sick); err != nil {
				t.Fatal(err)
			}
			about, want := n.large()
			u := n.begin(about)
			n.take(u, want[:1<<20])
			if err := n.settle(u); err != nil {
				t.Fatal(err)
			}
			n.take(u, want[1<<20:2<<20])
			if c.sync != nil {
				sync = func(*os.File) error { return c.sync }
			}
			if c.commit != nil {
				n.disk.Set(func() (bool, error) { return c.written, c.commit })
			}
			if err := n.settle(u); !errors.Is(err, errDisk) {
				t.Fatalf("settling: %v", err)
			}
			sync = healthy
			n.disk.Heal()
			if s, err := n.Upload(t.Context(), about.Envelope); err != nil || s.Offset != c.durable {
				t.Errorf("durable: %+v, %v; want %d", s, err, c.durable)
			}
			if _, err := u.Write(want[2<<20:]); (err == nil) != c.usable {
				t.Errorf("the next write: %v", err)
			}
			if !c.usable {
				u.Close()
				u = n.begin(about)
				n.take(u, want[u.Offset():])
			}
			if u.Damage != nil || u.Digest() != protocol.Sum(want) {
				t.Errorf("another digest; %v", u.Damage)
			}
			n.accepted(u, want)
		})
	}
}

// A commit that fails costs nothing of a body of which a part was durable, and
// what becomes of its other name never touches bytes that somebody needs.
func TestAFinishedUploadSurvivesItsCommit(t *testing.T) {
	for name, fail := range map[string]func(*node, *Upload, *Spool){
		"the commit fails": func(_ *node, u *Upload, s *Spool) { s.Discard(); u.Close() },
		"the power goes":   func(n *node, _ *Upload, _ *Spool) { n.cut() },
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			about, want := n.large()
			n.commit(n.acceptBody(51, want)) // the same bytes, for somebody else
			u := n.begin(about)
			n.take(u, want[:2<<20])
			if err := n.settle(u); err != nil {
				t.Fatal(err)
			}
			n.take(u, want[2<<20:])
			spool, err := u.Finish(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			fail(n, u, spool)
			if _, err := n.Sweep(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			u = n.begin(about)
			if u.Damage != nil || u.Offset() != about.Size {
				t.Fatalf("goes on at %d, %v", u.Offset(), u.Damage)
			}
			n.accepted(u, want)
			if err := n.DropUpload(t.Context(), about.Envelope); err != nil {
				t.Fatal(err)
			}
			if files := n.sealedFiles(); !slices.Equal(files, []string{protocol.Sum(want).String()}) {
				t.Errorf("files %v", files)
			}
		})
	}
}

// An upload that is given up while its bytes come ends with the next promise.
func TestAnUploadIsGivenUpMeanwhile(t *testing.T) {
	n := newNode(t)
	about, want := n.large()
	u := n.begin(about)
	n.take(u, want[:1<<20])
	if err := n.settle(u); err != nil {
		t.Fatal(err)
	}
	list, err := n.Uploads(t.Context(), protocol.Digest{})
	if err != nil || len(list) != 1 || list[0].Offset != 1<<20 || list[0].Decided || !list[0].Expires.Equal(about.Expires) {
		t.Errorf("listed: %+v, %v", list, err)
	}
	for peer, want := range map[protocol.NodeID]int64{nodeA: 1, nodeB: 0} {
		if count, err := n.CountUploads(t.Context(), peer); err != nil || count != want {
			t.Errorf("%d uploads of %s, %v; want %d", count, peer, err, want)
		}
	}
	if err := n.DropUpload(t.Context(), about.Envelope); err != nil {
		t.Fatal(err)
	}
	n.take(u, want[1<<20:2<<20])
	if err := n.settle(u); !errors.Is(err, ErrNotFound) {
		t.Errorf("settling: %v", err)
	}
	if _, err := u.Write(want[2<<20:]); err == nil {
		t.Error("it takes bytes")
	}
	u.Close()
	if files := n.sealedFiles(); len(files) != 0 {
		t.Errorf("files %v", files)
	}
}

// More than was announced is refused before it is written.
func TestAnUploadBeyondItsSize(t *testing.T) {
	n := newNode(t)
	about, want := n.large()
	u := n.begin(about)
	n.take(u, want)
	if _, err := u.Write([]byte{1}); protocol.CodeOf(err) != protocol.SizeMismatch {
		t.Errorf("one byte more: %v", err)
	}
	other := about
	other.Peer = nodeB
	if err := n.settle(u); err != nil {
		t.Fatal(err)
	}
	if _, err := n.BeginUpload(t.Context(), other); !errors.Is(err, ErrIntegrity) {
		t.Errorf("under another peer's name: %v", err)
	}
}

// A disk that does not open a part just now says nothing about the part: the
// error is told, and what was durable stays.
func TestAPartThatCannotBeOpenedStays(t *testing.T) {
	n := newNode(t)
	about, body := n.large()
	u := n.begin(about)
	n.take(u, body[:1<<20])
	if err := n.settle(u); err != nil {
		t.Fatal(err)
	}
	u.Close()
	name := filepath.Join(n.dir, "sealed", partial, about.Envelope.String())
	if err := errors.Join(os.Rename(name, name+".aside"), os.Mkdir(name, 0o700)); err != nil {
		t.Fatal(err)
	}
	if u, err := n.BeginUpload(t.Context(), about); err == nil {
		u.Close()
		t.Errorf("goes on at %d, damage: %v", u.Offset(), u.Damage)
	}
	if err := errors.Join(os.Remove(name), os.Rename(name+".aside", name)); err != nil {
		t.Fatal(err)
	}
	u = n.begin(about)
	if u.Damage != nil || u.Offset() != 1<<20 {
		t.Errorf("afterwards it goes on at %d, %v", u.Offset(), u.Damage)
	}
	u.Close()
}
