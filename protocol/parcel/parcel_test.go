package parcel

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"comity/crypto/pgp"
	"comity/protocol"
	"comity/protocol/statement"
)

var update = flag.Bool("update", false, "write testdata anew, with fresh keys")

// day is when the documents of these tests are made.
var day = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

// filler is a digest that stands for one this test does not care about.
func filler(b byte) (d protocol.Digest) {
	for i := range d {
		d[i] = b
	}
	return d
}

// request is an ordinary manifest: a request with a form, a document whose name
// is Arabic, and an attachment, which is empty unless three contents are given.
func request(contents ...string) *Manifest {
	if contents == nil {
		contents = []string{"{\"summary\":\"…\"}\n", "the letter of request, page by page", ""}
	}
	names := []string{"request.json", "طلب المساعدة القانونية.pdf", "证据 Pièce nº 3.txt"}
	roles := []FileRole{Form, Document, Attachment}
	pages := int64(12)
	m := &Manifest{
		Type:     Type,
		Parcel:   "0195575a-7a00-7abc-8def-0123456789ab",
		Nonce:    filler(0x11),
		Case:     "6f9619ff-8b86-4d01-b42d-00cf4fc964ff",
		Sequence: 1,
		Follows:  []protocol.Digest{},
		Kind:     KindRequest,
		From:     Party{"xa/central-authority", filler(0xaa)},
		To:       []Party{{"xb/prosecution-service", filler(0xbb)}},
		Created:  protocol.At(day),
	}
	for i, c := range contents {
		m.Files = append(m.Files, File{
			Path: filePath(i), Name: names[i], Size: int64(len(c)), Digest: protocol.Sum([]byte(c)), Role: roles[i],
		})
	}
	for i, mediaType := range []string{"application/json", "application/pdf", "text/plain"} {
		m.Files[i].MediaType = mediaType
	}
	m.Files[1].Pages = &pages
	return m
}

// unsigned stands where no signature is judged: containers carry any bytes.
func unsigned(t testing.TB, v interface{ Encode() ([]byte, error) }) statement.Signed {
	t.Helper()
	doc, err := v.Encode()
	if err != nil {
		t.Fatalf("encode: %v", err)
	}
	return statement.Signed{Document: doc, Signature: []byte("-----BEGIN PGP SIGNATURE-----\nnot judged here\n")}
}

// approvalOf makes an approval of the manifest by the key that b fills.
func approvalOf(t testing.TB, m *Manifest, manifest []byte, b byte) statement.Signed {
	t.Helper()
	a := Approval{
		Type: ApprovalType, Parcel: m.Parcel, Manifest: protocol.Sum(manifest),
		Authority: m.From.Authority, Key: filler(b), Created: protocol.At(day.Add(time.Minute)),
	}
	doc, err := statement.Encode(a)
	if err != nil {
		t.Fatalf("encode approval: %v", err)
	}
	return statement.Signed{Document: doc, Signature: []byte("not judged here either\n")}
}

// opener serves the files of a message from memory.
func opener(contents ...string) func(int) (io.ReadCloser, error) {
	return func(i int) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader([]byte(contents[i]))), nil
	}
}

// container writes a container in memory.
func container(t testing.TB, manifest statement.Signed, approvals []statement.Signed, contents ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, manifest, approvals, opener(contents...), nil); err != nil {
		t.Fatalf("write: %v", err)
	}
	return b.Bytes()
}

// small is the container of testdata: signed and approved with real keys.
func small(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "small.tar"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// writeSmall makes the container of testdata anew, its parts and its certificate.
func writeSmall(t *testing.T) {
	t.Helper()
	keys, err := pgp.Generate("Central Authority of XA", pgp.Ed25519, 2, day.Add(-time.Hour), 365*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	m := request()
	m.From.Certificate = keys.Certificate.Primary()
	m.Approvals = 1
	doc, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	approval, err := Approve(doc, keys.Subkeys[1], day.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := SignDocument(doc, keys.Subkeys[0], day.Add(2*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	contents := []string{"{\"summary\":\"…\"}\n", "the letter of request, page by page", ""}
	parts := map[string][]byte{
		"small.certificate":             keys.Certificate.Bytes(),
		"small.tar":                     container(t, signed, []statement.Signed{approval}, contents...),
		"small/manifest.json":           signed.Document,
		"small/manifest.json.asc":       signed.Signature,
		"small/approvals/0001.json":     approval.Document,
		"small/approvals/0001.json.asc": approval.Signature,
	}
	for i, c := range contents {
		parts["small/"+filePath(i)] = []byte(c)
	}
	for name, b := range parts {
		name = filepath.Join("testdata", filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// wantCode fails unless err is a refusal with the code.
func wantCode(t *testing.T, what string, err error, want protocol.Code) {
	t.Helper()
	if got := protocol.CodeOf(err); got != want {
		t.Errorf("%s: got %q (%v), want %q", what, got, err, want)
	}
}
