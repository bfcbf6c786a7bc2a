package parcel

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"comity/crypto/pgp"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/statement"

	"github.com/google/go-cmp/cmp"
)

func TestManifestAgain(t *testing.T) {
	want := request()
	got, err := ParseManifest(unsigned(t, want).Document)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
}

// The rules of the one document, each broken alone; a value that breaks one can
// be neither encoded nor read.
func TestManifestRules(t *testing.T) {
	digests := func(n int) (list []protocol.Digest) {
		for i := range n {
			list = append(list, protocol.Sum([]byte{byte(i), byte(i >> 8)}))
		}
		return list
	}
	parties := func(n int) (list []Party) {
		for i := range n {
			list = append(list, Party{protocol.AuthorityID(fmt.Sprintf("xb/court-%d", i+1)), filler(0xbb)})
		}
		return list
	}
	files := func(n int, size int64) (list []File) {
		for i := range n {
			list = append(list, File{Path: filePath(i), Name: fmt.Sprintf("page %d", i+1), MediaType: "image/tiff", Size: size, Role: Attachment})
		}
		return list
	}
	pages := func(n int64) *int64 { return &n }
	rows := []struct {
		name   string
		change func(m *Manifest)
		want   protocol.Code
	}{
		{"as it is", func(m *Manifest) {}, ""},
		{"type", func(m *Manifest) { m.Type = "comity/envelope/v1" }, protocol.Malformed},
		{"nonce of zeros", func(m *Manifest) { m.Nonce = protocol.Digest{} }, protocol.Malformed},
		{"sequence 0", func(m *Manifest) { m.Sequence = 0 }, protocol.Malformed},
		{"sequence -1", func(m *Manifest) { m.Sequence = -1 }, protocol.Malformed},
		{"unknown kind", func(m *Manifest) { m.Kind = "request" }, protocol.Malformed},
		{"no kind", func(m *Manifest) { m.Kind = "" }, protocol.Malformed},
		{"a test that is not marked", func(m *Manifest) { m.Kind = KindConformanceTest }, protocol.Malformed},
		{"a test", func(m *Manifest) { m.Kind, m.Test = KindConformanceTest, true }, ""},
		{"a rehearsal", func(m *Manifest) { m.Test = true }, ""},
		{"approvals -1", func(m *Manifest) { m.Approvals = -1 }, protocol.Malformed},
		{"most approvals", func(m *Manifest) { m.Approvals = protocol.MaxApprovals }, ""},
		{"too many approvals", func(m *Manifest) { m.Approvals = protocol.MaxApprovals + 1 }, protocol.Malformed},
		{"most follows", func(m *Manifest) { m.Follows = digests(protocol.MaxFollows) }, ""},
		{"too many follows", func(m *Manifest) { m.Follows = digests(protocol.MaxFollows + 1) }, protocol.Malformed},
		{"follows one twice", func(m *Manifest) { m.Follows = append(digests(2), digests(1)...) }, protocol.Malformed},
		{"follows zeros", func(m *Manifest) { m.Follows = make([]protocol.Digest, 1) }, protocol.Malformed},
		{"sender without certificate", func(m *Manifest) { m.From.Certificate = protocol.Digest{} }, protocol.Malformed},
		{"recipient without certificate", func(m *Manifest) { m.To[0].Certificate = protocol.Digest{} }, protocol.Malformed},
		{"no recipient", func(m *Manifest) { m.To = nil }, protocol.Malformed},
		{"most recipients", func(m *Manifest) { m.To = parties(protocol.MaxRecipients) }, ""},
		{"too many recipients", func(m *Manifest) { m.To = parties(protocol.MaxRecipients + 1) }, protocol.Malformed},
		{"a recipient twice", func(m *Manifest) { m.To = append(parties(2), parties(1)...) }, protocol.Malformed},
		{"to the sender", func(m *Manifest) { m.To = append(m.To, m.From) }, protocol.Malformed},
		{"no file", func(m *Manifest) { m.Files = nil }, protocol.Malformed},
		{"most files", func(m *Manifest) { m.Files = files(protocol.MaxFiles, 1<<20) }, ""},
		{"too many files", func(m *Manifest) { m.Files = files(protocol.MaxFiles+1, 0) }, protocol.Malformed},
		{"a path twice", func(m *Manifest) { m.Files[1].Path = "files/0001" }, protocol.Malformed},
		{"paths out of order", func(m *Manifest) { m.Files[0].Path, m.Files[1].Path = "files/0002", "files/0001" }, protocol.Malformed},
		{"a path that climbs", func(m *Manifest) { m.Files[0].Path = "../0001" }, protocol.Malformed},
		{"a name that climbs", func(m *Manifest) { m.Files[0].Name = "../request.json" }, protocol.Malformed},
		{"names alike but for case", func(m *Manifest) { m.Files[1].Name = "REQUEST.json" }, protocol.Malformed},
		{"media type with parameter", func(m *Manifest) { m.Files[0].MediaType = "text/plain; charset=utf-8" }, protocol.Malformed},
		{"media type in capitals", func(m *Manifest) { m.Files[0].MediaType = "text/HTML" }, protocol.Malformed},
		{"media type without subtype", func(m *Manifest) { m.Files[0].MediaType = "text" }, protocol.Malformed},
		{"media type of three", func(m *Manifest) { m.Files[0].MediaType = "a/b/c" }, protocol.Malformed},
		{"media type with a line feed", func(m *Manifest) { m.Files[0].MediaType = "text/plain\n" }, protocol.Malformed},
		{"media type of a vendor", func(m *Manifest) {
			m.Files[0].MediaType = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
		}, ""},
		{"media type of a structured syntax", func(m *Manifest) { m.Files[0].MediaType = "image/svg+xml" }, ""},
		{"negative size", func(m *Manifest) { m.Files[0].Size = -1 }, protocol.Malformed},
		{"largest file", func(m *Manifest) { m.Files[0].Size = protocol.MaxFileSize }, ""},
		{"too large a file", func(m *Manifest) { m.Files[0].Size = protocol.MaxFileSize + 1 }, protocol.TooLarge},
		{"too large together", func(m *Manifest) { m.Files = files(3, protocol.MaxFileSize) }, protocol.TooLarge},
		{"no pages", func(m *Manifest) { m.Files[0].Pages = pages(0) }, protocol.Malformed},
		{"one page", func(m *Manifest) { m.Files[0].Pages = pages(1) }, ""},
		{"too many pages", func(m *Manifest) { m.Files[0].Pages = pages(protocol.MaxPages + 1) }, protocol.Malformed},
		{"unknown role", func(m *Manifest) { m.Files[0].Role = "cover" }, protocol.Malformed},
		{"two forms", func(m *Manifest) { m.Files[1].Role = Form }, protocol.Malformed},
		{"no form", func(m *Manifest) { m.Files[0].Role = Attachment }, ""},
		{"two documents", func(m *Manifest) { m.Files[2].Role = Document }, ""},
	}
	for _, row := range rows {
		m := request()
		row.change(m)
		wantCode(t, row.name+", validate", m.Validate(), row.want)
		_, err := m.Encode()
		wantCode(t, row.name+", encode", err, row.want)
		if doc, err := statement.Encode(m); err == nil {
			_, err = ParseManifest(doc)
			wantCode(t, row.name+", parse", err, row.want)
		}
	}
}

// The largest manifest that the other limits allow fits into its own.
func TestLargestManifest(t *testing.T) {
	m, pages := request(), int64(protocol.MaxPages)
	m.To, m.Files = nil, nil
	for i := range protocol.MaxRecipients {
		m.To = append(m.To, Party{protocol.AuthorityID(fmt.Sprintf("xb/%s-%02d", strings.Repeat("c", 58), i)), filler(0xbb)})
	}
	for i := range protocol.MaxFiles {
		m.Files = append(m.Files, File{
			Path: filePath(i), Name: fmt.Sprintf("%s%04d", strings.Repeat("n", protocol.MaxFileName-4), i),
			MediaType: strings.Repeat("a", 127) + "/" + strings.Repeat("b", 127),
			Size:      200_000_000, Digest: filler(0xcc), Pages: &pages, Role: Translation,
		})
	}
	doc, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes of %d", len(doc), protocol.MaxManifest)
	if _, err := ParseManifest(doc); err != nil {
		t.Error(err)
	}
}

// Refusals may be read outside the office: they hold no real file name.
func TestRefusalsTellNoName(t *testing.T) {
	m := request()
	m.Files[1].Name = "secret\u202e.pdf"
	m.Files[2].MediaType = "secret"
	for range 2 {
		err := m.Validate()
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("got %v, want a refusal that names the file by number only", err)
		}
		m.Files[1].Name = "b.pdf"
	}
}

// R-PCL-7: a parcel sealed again for someone else is of no use to him.
func TestCheckAddressed(t *testing.T) {
	m := request()
	wantCode(t, "the recipient", m.CheckAddressed("xb/prosecution-service", filler(0xbb)), "")
	wantCode(t, "someone else", m.CheckAddressed("xc/prosecution-service", filler(0xbb)), protocol.WrongParcel)
	wantCode(t, "the sender", m.CheckAddressed("xa/central-authority", filler(0xaa)), protocol.WrongParcel)
	wantCode(t, "another certificate", m.CheckAddressed("xb/prosecution-service", filler(0xbc)), protocol.WrongParcel)
}

// R-PCL-10: what stands outside is what stands inside.
func TestCheckEnvelope(t *testing.T) {
	m := request()
	ref := unsigned(t, m).Ref()
	rows := []struct {
		name   string
		change func(e *envelope.Envelope)
		want   protocol.Code
	}{
		{"as it is", func(e *envelope.Envelope) {}, ""},
		{"parcel", func(e *envelope.Envelope) { e.Parcel = "0195575a-7a00-7abc-8def-0123456789ac" }, protocol.ManifestMismatch},
		{"sender", func(e *envelope.Envelope) { e.From = "xa/supreme-court" }, protocol.ManifestMismatch},
		{"recipient", func(e *envelope.Envelope) { e.To = "xb/central-authority" }, protocol.ManifestMismatch},
		{"test mark", func(e *envelope.Envelope) { e.Test = true }, protocol.ManifestMismatch},
		{"digest", func(e *envelope.Envelope) { e.Manifest.Document[0] ^= 1 }, protocol.ManifestMismatch},
		{"digest of the signature", func(e *envelope.Envelope) { e.Manifest.Signature[0] ^= 1 }, protocol.ManifestMismatch},
		{"a further reader", func(e *envelope.Envelope) { e.Sealed.Recipients = 2 }, protocol.ManifestMismatch},
	}
	for _, row := range rows {
		e := &envelope.Envelope{
			Type: envelope.Type, Parcel: m.Parcel, From: m.From.Authority, To: m.To[0].Authority,
			Sealed: envelope.Sealed{Recipients: 1}, Manifest: ref,
		}
		row.change(e)
		wantCode(t, row.name, m.CheckEnvelope(e, ref), row.want)
	}
}

func TestSign(t *testing.T) {
	keys, err := pgp.Generate("Central Authority of XA", pgp.Ed25519, 2, day.Add(-time.Hour), 365*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	m := request()
	if _, err := m.Sign(keys.Subkeys[0], day); err == nil {
		t.Error("signed with a key of another certificate than the manifest names")
	}
	m.From.Certificate = keys.Certificate.Primary()
	if _, err := m.Sign(keys.Primary, day); err == nil {
		t.Error("signed with the primary key")
	}
	signed, err := m.Sign(keys.Subkeys[0], day)
	if err != nil {
		t.Fatal(err)
	}
	if doc, err := m.Encode(); err != nil || !bytes.Equal(doc, signed.Document) {
		t.Errorf("signed other bytes than Encode returns (%v)", err)
	}
	if _, err := keys.Certificate.Verify(signed.Document, signed.Signature, keys.Subkeys[0].Digest(), day.Add(time.Hour)); err != nil {
		t.Error(err)
	}
	a, err := Approve(signed.Document, keys.Subkeys[1], day.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	approval, err := ParseApproval(a.Document)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := approval.Sign(keys.Subkeys[0], day); err == nil {
		t.Error("an approval is signed with another key than it names")
	}
	if _, err := Approve([]byte("{}\n"), keys.Subkeys[1], day); err == nil {
		t.Error("approved something that is no manifest")
	}
}

func TestApprovalRules(t *testing.T) {
	good, err := ParseApproval(approvalOf(t, request(), nil, 1).Document)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(a *Approval){
		"type":              func(a *Approval) { a.Type = Type },
		"manifest of zeros": func(a *Approval) { a.Manifest = protocol.Digest{} },
		"key of zeros":      func(a *Approval) { a.Key = protocol.Digest{} },
	} {
		a := *good
		change(&a)
		wantCode(t, name, a.Validate(), protocol.Malformed)
	}
}

func TestKinds(t *testing.T) {
	seen := map[Kind]bool{}
	for _, k := range Kinds() {
		if seen[k] {
			t.Errorf("%s stands twice", k)
		}
		seen[k] = true
		var got Kind
		if err := got.UnmarshalText([]byte(k)); err != nil || got != k {
			t.Errorf("%s: read as %q (%v)", k, got, err)
		}
	}
	KindGroups()[0].Kinds[0] = "OTHER"
	if Kinds()[0] == "OTHER" || reflect.DeepEqual(KindGroups()[0].Kinds[0], Kind("OTHER")) {
		t.Error("a caller changed the list")
	}
}
