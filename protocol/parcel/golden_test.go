package parcel

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"comity/crypto/pgp"
	"comity/protocol"
	"comity/protocol/statement"

	"github.com/google/go-cmp/cmp"
)

// The entries of testdata/small.tar in their one order.
var smallEntries = []string{
	"manifest.json", "manifest.json.asc", "approvals/0001.json", "approvals/0001.json.asc",
	"files/0001", "files/0002", "files/0003",
}

func smallPart(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "small", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The exact bytes of a container never change (R-PCL-1, R-PCL-3).
func TestSmallContainer(t *testing.T) {
	if *update {
		writeSmall(t)
	}
	want := small(t)
	manifest := statement.Signed{Document: smallPart(t, "manifest.json"), Signature: smallPart(t, "manifest.json.asc")}
	approval := statement.Signed{Document: smallPart(t, "approvals/0001.json"), Signature: smallPart(t, "approvals/0001.json.asc")}
	open := func(i int) (io.ReadCloser, error) {
		return os.Open(filepath.Join("testdata", "small", filepath.FromSlash(filePath(i))))
	}
	var got bytes.Buffer
	var done, total int64
	err := Write(&got, manifest, []statement.Signed{approval}, open, func(d, n int64) { done, total = d, n })
	if err != nil {
		t.Fatalf("write: %v", err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Fatalf("write: %d bytes differ from the %d of testdata/small.tar", got.Len(), len(want))
	}
	layout, err := NewLayout(manifest, []statement.Signed{approval})
	if err != nil {
		t.Fatal(err)
	}
	if n := int64(len(want)); layout.Size() != n || done != n || total != n {
		t.Errorf("size: layout %d, progress %d of %d, want %d", layout.Size(), done, total, n)
	}

	c, err := Read(bytes.NewReader(want), int64(len(want)))
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	if err := c.VerifyAll(t.Context(), func(d, n int64) { done, total = d, n }); err != nil {
		t.Fatalf("verify: %v", err)
	}
	if n := c.Manifest.TotalSize(); done != n || total != n {
		t.Errorf("progress of verifying: %d of %d, want %d", done, total, n)
	}
	if diff := cmp.Diff(manifest, c.Signed); diff != "" {
		t.Errorf("manifest read back (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]statement.Signed{approval}, []statement.Signed{c.Approvals[0].Signed}); diff != "" {
		t.Errorf("approval read back (-want +got):\n%s", diff)
	}
	for i := range c.Manifest.Files {
		got, err := io.ReadAll(c.File(i))
		if want := smallPart(t, filePath(i)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("file %d: got %q (%v), want %q", i, got, err, want)
		}
		if got := want[c.layout.FileOffset(i):][:c.Manifest.Files[i].Size]; !bytes.Equal(got, smallPart(t, filePath(i))) {
			t.Errorf("offset of file %d is %d, which holds %q", i, c.layout.FileOffset(i), got)
		}
	}
}

// What the caller verifies with the sender's record stands in Contents.
func TestSmallSignatures(t *testing.T) {
	b := small(t)
	c, err := Read(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join("testdata", "small.certificate"))
	if err != nil {
		t.Fatal(err)
	}
	cert, err := pgp.ParseCertificate(raw, protocol.MaxCertificate)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Manifest.From.Certificate; got != cert.Primary() {
		t.Errorf("certificate of the sender: got %s, want %x", got, cert.Primary())
	}
	act, now := cert.Keys()[1], c.Manifest.Created.Add(time.Hour)
	if _, err := cert.Verify(c.Signed.Document, c.Signed.Signature, act.Digest, now); err != nil {
		t.Errorf("manifest, R-PCL-8: %v", err)
	}
	a := c.Approvals[0]
	if _, err := cert.Verify(a.Signed.Document, a.Signed.Signature, a.Approval.Key, now); err != nil {
		t.Errorf("approval, R-PCL-9: %v", err)
	}
	if protocol.Digest(act.Digest) == a.Approval.Key {
		t.Errorf("approval is by the key of the manifest")
	}
}

// Any tar program opens a container.
func TestSmallWithArchiveTar(t *testing.T) {
	r := tar.NewReader(bytes.NewReader(small(t)))
	for _, name := range smallEntries {
		h, err := r.Next()
		if err != nil || h.Name != name || h.Typeflag != tar.TypeReg || h.Mode != 0o600 {
			t.Fatalf("entry: got %+v (%v), want %s", h, err, name)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, smallPart(t, name)) {
			t.Errorf("%s: got %q (%v)", name, got, err)
		}
	}
	if _, err := r.Next(); err != io.EOF {
		t.Errorf("after the last entry: %v", err)
	}
}

func gnuTar(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("tar")
	if err == nil {
		var out []byte
		if out, err = exec.Command(path, "--version").Output(); err == nil && bytes.Contains(out, []byte("GNU tar")) {
			return path
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatal("GNU tar is missing")
	}
	t.Skip("SKIPPED: this test needs GNU tar")
	return ""
}

// GNU tar unpacks a container, and makes the same bytes from its parts.
func TestSmallWithGNUTar(t *testing.T) {
	program := gnuTar(t)
	dir := t.TempDir()
	file, err := filepath.Abs(filepath.Join("testdata", "small.tar"))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(program, "-C", dir, "-xf", file).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("tar x: %v, said %q, want nothing", err, out)
	}
	for _, name := range smallEntries {
		got, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil || !bytes.Equal(got, smallPart(t, name)) {
			t.Errorf("unpacked %s: got %q (%v)", name, got, err)
		}
	}
	args := append([]string{
		"-C", filepath.Join("testdata", "small"), "--format=ustar", "--owner=0", "--group=0",
		"--numeric-owner", "--mode=0600", "--mtime=@0", "--blocking-factor=1", "-cf", "-",
	}, smallEntries...)
	packed, err := exec.Command(program, args...).Output()
	if err != nil || !bytes.Equal(packed, small(t)) {
		t.Errorf("tar c: %d bytes (%v), not those of testdata/small.tar", len(packed), err)
	}
}

// Every header is the one that Go's archive/tar writes, except that the block
// which announces a PAX record is made like all others.
func TestHeaderAgainstArchiveTar(t *testing.T) {
	for _, size := range []int64{
		0, 1, 511, 512, 513, 1 << 20, octalEnd - 1, octalEnd, octalEnd + 1, 9_999_999_999,
		10_000_000_000, 99_999_999_999, 100_000_000_000, 999_999_999_999, 1_000_000_000_000, protocol.MaxFileSize,
	} {
		var theirs bytes.Buffer
		w := tar.NewWriter(&theirs)
		err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "files/0042", Size: size, Mode: 0o600, ModTime: time.Unix(0, 0)})
		if err != nil {
			t.Fatal(err)
		}
		got, want := AppendHeader(nil, "files/0042", size), theirs.Bytes()
		if size >= octalEnd {
			got, want = got[blockSize:], want[blockSize:]
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("header for %d bytes (-archive/tar +ours):\n%s", size, diff)
		}
	}
}

// sparse is a container whose files are all zeros, however large.
type sparse struct {
	layout              *Layout
	manifest, signature []byte
}

func (s *sparse) ReadAt(p []byte, off int64) (int, error) {
	n := min(int64(len(p)), s.layout.size-off)
	if n < 0 {
		return 0, io.EOF
	}
	p = p[:n]
	clear(p)
	put := func(b []byte, at int64) {
		if from := max(0, off-at); from < int64(len(b)) && at < off+n {
			copy(p[max(0, at-off):], b[from:])
		}
	}
	for i := range len(s.layout.parts) + 1 {
		put(s.layout.appendGlue(nil, i), s.layout.glueOffset(i))
	}
	put(s.manifest, s.layout.parts[0].at)
	put(s.signature, s.layout.parts[1].at)
	if s.layout.size == off+n {
		return int(n), io.EOF
	}
	return int(n), nil
}

// Sizes from 8 GiB on need a PAX record; every reader finds what follows.
func TestLargeFiles(t *testing.T) {
	m := request()
	m.Files[0].Size, m.Files[1].Size, m.Files[2].Size = octalEnd-1, octalEnd, 50<<30+7
	signed := unsigned(t, m)
	layout, err := NewLayout(signed, nil)
	if err != nil {
		t.Fatal(err)
	}
	src := &sparse{layout: layout, manifest: signed.Document, signature: signed.Signature}
	c, err := Read(src, layout.Size())
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	if got := c.File(2).Size(); got != 50<<30+7 {
		t.Errorf("size of file 3: got %d", got)
	}

	r := tar.NewReader(io.NewSectionReader(src, 0, layout.Size()))
	var got []int64
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("archive/tar: %v", err)
		}
		got = append(got, h.Size)
	}
	want := []int64{int64(len(signed.Document)), int64(len(signed.Signature)), octalEnd - 1, octalEnd, 50<<30 + 7}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sizes that archive/tar sees (-want +got):\n%s", diff)
	}

	t.Run("GNU tar", func(t *testing.T) {
		program := gnuTar(t)
		file, err := os.Create(filepath.Join(t.TempDir(), "large.tar"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if err := file.Truncate(layout.Size()); err != nil {
			t.Fatalf("this test needs a file system with sparse files: %v", err)
		}
		for i, p := range layout.parts {
			b := layout.appendGlue(nil, i)
			if i < 2 {
				b = append(b, [][]byte{signed.Document, signed.Signature}[i]...)
			}
			if _, err := file.WriteAt(b, layout.glueOffset(i)); err != nil {
				t.Fatalf("%s: %v", p.name, err)
			}
		}
		out, err := exec.Command(program, "--utc", "-tvf", file.Name()).CombinedOutput()
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		if err != nil || len(lines) != 5 {
			t.Fatalf("tar t: %v, said\n%s", err, out)
		}
		for i, want := range []string{"8589934591", "8589934592", "53687091207"} {
			want = "-rw------- 0/0      " + want
			if got := strings.Join(strings.Fields(lines[2+i])[:3], " "); got != strings.Join(strings.Fields(want), " ") {
				t.Errorf("tar t, line %d: got %q, want %q", 3+i, lines[2+i], want)
			}
		}
	})
}
