package store

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"comity/protocol"
	"comity/protocol/evidence"
)

// sealedFiles lists the files of sealed bytes, unfinished ones too.
func (n *node) sealedFiles() (names []string) {
	n.t.Helper()
	err := filepath.WalkDir(filepath.Join(n.dir, "sealed"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, d.Name())
		}
		return err
	})
	if err != nil {
		n.t.Fatal(err)
	}
	return names
}

func (n *node) acceptBody(number int, sealed []byte) AcceptRelay {
	f := n.accept(number)
	f.Sealed, f.Spool = sealedOf(sealed), n.spool(sealed)
	return f
}

func TestSealedBytesComeBack(t *testing.T) {
	n := newNode(t)
	for i, size := range []int{0, 1, protocol.MaxInline - 1, protocol.MaxInline, protocol.MaxInline + 1, 5 * protocol.MaxInline} {
		want := body(i, size)
		n.commit(n.acceptBody(i, want))
		s, err := n.Sealed(t.Context(), protocol.Sum(want))
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		got, err := io.ReadAll(io.NewSectionReader(s, 0, s.Size()))
		if err != nil || !bytes.Equal(got, want) || s.Size() != int64(size) {
			t.Errorf("%d bytes: read %d, %v", size, len(got), err)
		}
		s.Close()
	}
	if files := n.sealedFiles(); len(files) != 2 {
		t.Errorf("%d files, want 2: small bodies are columns", len(files))
	}
	if _, err := n.Sealed(t.Context(), protocol.Sum([]byte("never seen"))); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown digest: %v", err)
	}
}

// The power goes after each step of keeping a large body; the next open leaves
// only what a row refers to.
func TestSpoolIsCutAtEachStep(t *testing.T) {
	n := newNode(t)
	stays := body(1, 2*protocol.MaxInline)
	n.commit(n.acceptBody(1, stays))

	half := n.NewSpool() // still being written
	mustWrite(t, half, body(2, 2*protocol.MaxInline))
	done := n.NewSpool() // written, not kept
	mustWrite(t, done, body(3, 2*protocol.MaxInline))
	n.spool(body(4, 2*protocol.MaxInline)) // kept, its fact never committed
	if files := n.sealedFiles(); len(files) != 4 {
		t.Fatalf("before the cut: %d files, want 4", len(files))
	}
	dir := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(dir, os.DirFS(n.dir)); err != nil {
		t.Fatal(err)
	}
	c := n.config()
	c.Dir = dir
	g, err := n.openWith(c)
	if err != nil {
		t.Fatal(err)
	}
	cut := &node{Gateway: g, t: t, dir: dir}
	if files := cut.sealedFiles(); len(files) != 2 {
		t.Errorf("opened after the cut: files %v, want those that are whole", files)
	}
	if err := cut.RemoveOrphans(t.Context()); err != nil {
		t.Fatal(err)
	}
	if files := cut.sealedFiles(); len(files) != 1 || files[0] != protocol.Sum(stays).String() {
		t.Errorf("after the cut: files %v, want the committed one", files)
	}
	half.Discard()
	done.Discard()
	n.reopen()
}

// A database is opened that is older than its folder: a copy from before a commit, or a
// standby that was behind. It has no row of the bytes that came with that commit, and
// the newer database that takes its place again has them nowhere else.
func TestAnOlderCopyKeepsTheBytesOfTheNewer(t *testing.T) {
	if testEngine != onSQLite {
		return // there, a database is one file
	}
	n := newNode(t)
	n.commit(n.acceptBody(1, body(1, 2*protocol.MaxInline)))
	rows := filepath.Join(n.dir, gatewayKind.file)
	swap := func(before []byte) (now []byte) {
		t.Helper()
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		n.Gateway = nil
		now, err := os.ReadFile(rows)
		if err == nil && before != nil {
			err = os.WriteFile(rows, before, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		n.reopen()
		return now
	}
	older := swap(nil)
	after := body(2, 2*protocol.MaxInline)
	n.commit(n.acceptBody(2, after))
	newer := swap(older)
	if _, err := n.Sealed(t.Context(), protocol.Sum(after)); !errors.Is(err, ErrNotFound) {
		t.Fatalf("the older copy says %v of what came later, want ErrNotFound", err)
	}
	if _, err := n.Sweep(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	swap(newer)
	s, err := n.Sealed(t.Context(), protocol.Sum(after))
	if err != nil {
		t.Fatalf("when the newer one is back: %v", err)
	}
	s.Close()
}

func TestDiscardedSpoolsLeaveNothing(t *testing.T) {
	n := newNode(t)
	open := n.NewSpool()
	mustWrite(t, open, body(1, 2*protocol.MaxInline))
	open.Discard()
	if _, err := open.Write([]byte("more")); err == nil {
		t.Errorf("a discarded spool takes bytes")
	}
	if err := open.Keep(); err == nil {
		t.Errorf("a discarded spool can be kept")
	}
	kept := n.spool(body(2, 2*protocol.MaxInline))
	if _, err := kept.Write([]byte("more")); err == nil {
		t.Errorf("a kept spool takes bytes")
	}
	// Two uploads of the same bytes; one of them is committed.
	wins := n.acceptBody(3, body(3, 2*protocol.MaxInline))
	loses := n.acceptBody(3, body(3, 2*protocol.MaxInline))
	n.commit(wins)
	if !n.commit(loses)[0].Repeat {
		t.Errorf("the second upload is not told as a repeat")
	}
	kept.Discard()
	loses.Spool.Discard()
	wins.Spool.Discard()
	if _, err := n.Sweep(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if files := n.sealedFiles(); len(files) != 1 || files[0] != wins.Sealed.Digest.String() {
		t.Errorf("files %v, want the committed one", files)
	}
}

// Bytes are released only when no row needs them, and come back with a new row.
func TestSweep(t *testing.T) {
	for name, size := range map[string]int{"small": 100, "large": 2 * protocol.MaxInline} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			sealed := body(77, size)
			f := n.submit(1, prosecution, court)
			f.Spool = n.spool(sealed)
			for i := range f.Out {
				f.Out[i].Sealed = sealedOf(sealed)
			}
			n.commit(f)
			sweep := func(when string, want int) {
				t.Helper()
				if got, err := n.Sweep(t.Context(), 0); err != nil || got != want {
					t.Errorf("%s: swept %d, %v; want %d", when, got, err, want)
				}
			}
			handover := func(to protocol.AuthorityID) {
				k := key(1, to)
				n.commit(TakeEvidence{Key: k, Evidence: n.foreign(k, evidence.ContentHandover), Release: true})
			}
			sweep("both wait", 0)
			handover(court)
			sweep("one waits", 0)
			open, err := n.Sealed(t.Context(), protocol.Sum(sealed))
			if err != nil {
				t.Fatal(err)
			}
			defer open.Close()
			handover(prosecution)
			again := n.spool(sealed) // somebody is about to use the same bytes again
			sweep("held by a spool", 0)
			again.Discard()
			sweep("nobody waits", 1)
			sweep("again", 0)
			if _, err := n.Sealed(t.Context(), protocol.Sum(sealed)); !errors.Is(err, ErrGone) {
				t.Errorf("after the sweep: %v, want ErrGone", err)
			}
			if files := n.sealedFiles(); len(files) != 0 {
				t.Errorf("files after the sweep: %v", files)
			}
			if _, err := io.ReadAll(io.NewSectionReader(open, 0, open.Size())); err != nil {
				t.Errorf("an open reader was cut off: %v", err)
			}
			n.commit(n.acceptBody(1, sealed)) // the other side of the same node, say
			sweep("its recipient waits", 0)
			s, err := n.Sealed(t.Context(), protocol.Sum(sealed))
			if err != nil {
				t.Fatalf("after new bytes came: %v", err)
			}
			s.Close()
			// A repeat of what was released brings nothing back.
			k := key(1, prosecution)
			n.commit(FileEvidence{Key: k, Evidence: n.evidence(k, evidence.ContentHandoverFailure), Release: true})
			sweep("released again", 1)
			repeat := n.acceptBody(1, sealed)
			n.commit(repeat)
			repeat.Spool.Discard()
			sweep("after a repeat", 0)
			if files := n.sealedFiles(); len(files) != 0 {
				t.Errorf("files after the repeat: %v", files)
			}
		})
	}
}

// A file that vanished is told, never made up for.
func TestMissingSealedFile(t *testing.T) {
	n := newNode(t)
	sealed := body(1, 2*protocol.MaxInline)
	n.commit(n.acceptBody(1, sealed))
	d := protocol.Sum(sealed)
	path := filepath.Join(n.dir, "sealed", d.String()[:2], d.String())
	if err := os.Truncate(path, 10); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Sealed(t.Context(), d); !errors.Is(err, ErrIntegrity) {
		t.Errorf("cut file: %v, want ErrIntegrity", err)
	}
	os.Remove(path)
	if _, err := n.Sealed(t.Context(), d); !errors.Is(err, ErrIntegrity) {
		t.Errorf("missing file: %v, want ErrIntegrity", err)
	}
}

func mustWrite(tb testing.TB, s *Spool, b []byte) {
	tb.Helper()
	if _, err := s.Write(b); err != nil {
		tb.Fatal(err)
	}
}
