package vectors

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"comity/crypto/pgp"
	"comity/crypto/seal"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/parcel"
	"comity/protocol/statement"
)

func (w *writer) parcels(o *world) {
	w.add("manifest", "manifest/valid", "", "R-PCL-6", "the manifest of the exchange", doc(o.signed.Document))
	w.manifests(o)
	w.add("approval", "approval/valid", "", "R-PCL-9", "the approval of the exchange", doc(o.approval.Document))
	w.add("approval", "approval/next-version", protocol.UnsupportedVersion, "R-DOC-3", "an approval of a version to come", doc(edit(w, o.approval.Document, "approval/v1", "approval/v2")))
	w.add("approval", "approval/of-nothing", protocol.Malformed, "R-PCL-9", "it approves a manifest with a digest of zeros",
		doc(edit(w, o.approval.Document, o.signed.Digest().String(), strings.Repeat("0", 64))))
	w.add("container", "container/valid", "", "R-PCL-1", "the opened parcel of the exchange", part{".tar", o.plain}, part{"=exchange/envelope.json", nil})
	w.layouts(o)
	w.containers(o)
	w.bodies(o)
}

func (w *writer) manifests(o *world) {
	g := o.signed.Document
	name := func(now string) [2]string { return [2]string{`"name": "request.pdf"`, `"name": "` + now + `"`} }
	for _, c := range []struct {
		name string
		code protocol.Code
		rule string
		why  string
		edit [2]string
	}{
		{"name-with-folder", protocol.Malformed, "R-PCL-6", "a path in place of a name", name("../request.pdf")},
		{"name-with-backslash", protocol.Malformed, "R-PCL-6", "a path as some systems write it", name(`folder\\request.pdf`)},
		{"name-dots", protocol.Malformed, "R-PCL-6", "the name of the folder above", name("..")},
		{"name-final-dot", protocol.Malformed, "R-PCL-6", "a dot at the end, which some systems drop", name("request.")},
		{"name-leading-space", protocol.Malformed, "R-PCL-6", "a space in front", name(" request.pdf")},
		{"name-line-feed", protocol.Malformed, "R-PCL-6", "a line feed", name(`request\n.pdf`)},
		{"name-turned-round", protocol.Malformed, "R-PCL-6", "shown as requestexe.pdf, it is an .exe", name("request\u202Efdp.exe")},
		{"name-zero-width", protocol.Malformed, "R-PCL-6", "a space that nobody sees", name("re\u200Bquest.pdf")},
		{"name-latin-joiner", protocol.Malformed, "R-PCL-6", "a joiner in a Latin word", name("re\u200Cquest.pdf")},
		{"name-persian-joiner", "", "R-PCL-6", "a Persian name that needs its joiner", name("می\u200Cخواهم.pdf")},
		{"name-arabic", "", "R-PCL-6", "an Arabic name", name("طلب مساعدة.pdf")},
		{"name-device", protocol.Malformed, "R-PCL-6", "a device on Windows", name("nul .pdf")},
		{"name-device-wide-space", protocol.Malformed, "R-PCL-6", "a device on Windows, and an ideographic space", name("nul\u3000.pdf")},
		{"name-256-bytes", protocol.Malformed, "R-PCL-6", "a name of 256 bytes", name(strings.Repeat("x", 256))},
		{"name-255-bytes", "", "R-PCL-6", "a name of 255 bytes", name(strings.Repeat("x", 255))},
		{"name-private-use", protocol.Malformed, "R-PCL-6", "a character without a common meaning", name("\uE000.pdf")},
		{"two-names-alike", protocol.Malformed, "R-PCL-6", "two names that differ in case only", name("EMPTY.TXT")},
		{"path-out-of-order", protocol.Malformed, "R-PCL-3", "the first file is called files/0002", [2]string{"files/0001", "files/0002"}},
		{"path-elsewhere", protocol.Malformed, "R-PCL-3", "a path outside files", [2]string{"files/0001", "/etc/passwd"}},
		{"size-negative", protocol.Malformed, "R-PCL-11", "a file of minus one byte", [2]string{`"size": 43`, `"size": -1`}},
		{"size-too-large", protocol.TooLarge, "R-PCL-11", "a file of more than 1 TiB", [2]string{`"size": 43`, `"size": 1099511627777`}},
		{"media-type-capital", protocol.Malformed, "R-PCL-11", "a media type in capitals", [2]string{"application/pdf", "Application/PDF"}},
		{"media-type-with-parameter", protocol.Malformed, "R-PCL-11", "a media type with a parameter", [2]string{"text/csv", "text/csv; charset=utf-8"}},
		{"pages-zero", protocol.Malformed, "R-PCL-11", "no pages are null, not 0", [2]string{`"pages": 12`, `"pages": 0`}},
		{"two-forms", protocol.Malformed, "R-PCL-11", "two files are the structured message", [2]string{`"role": "document"`, `"role": "form"`}},
		{"unknown-role", protocol.Malformed, "R-PCL-11", "a role that is not in the list", [2]string{`"role": "document"`, `"role": "letter"`}},
		{"unknown-kind", protocol.Malformed, "R-PCL-11", "a kind that is not in the list", [2]string{`"REQUEST"`, `"REQUESTS"`}},
		{"probe-not-marked", protocol.Malformed, "R-PCL-11", "a conformance test without the test mark", [2]string{`"REQUEST"`, `"CONFORMANCE_TEST"`}},
		{"no-files", protocol.Malformed, "R-PCL-11", "a message says what it says in a file", [2]string{string(g[bytes.Index(g, []byte(`"files": [`)):]), "\"files\": []\n}\n"}},
		{"nonce-zero", protocol.Malformed, "R-PCL-11", "a nonce of zeros", [2]string{o.manifest.Nonce.String(), strings.Repeat("0", 64)}},
		{"follows-twice", protocol.Malformed, "R-PCL-11", "it follows one message twice", [2]string{`"follows": []`, `"follows": ["` + o.signed.Digest().String() + `", "` + o.signed.Digest().String() + `"]`}},
		{"to-oneself", protocol.Malformed, "R-PCL-11", "the sender is a recipient", [2]string{`"authority": "xb/prosecution-service"`, `"authority": "xa/central-authority"`}},
		{"seventeen-approvals", protocol.Malformed, "R-PCL-11", "more approvals than there may be", [2]string{`"approvals": 1`, `"approvals": 17`}},
		{"sequence-zero", protocol.Malformed, "R-PCL-11", "messages count from 1", [2]string{`"sequence": 1`, `"sequence": 0`}},
	} {
		b := edit(w, g, c.edit[0], c.edit[1])
		if c.name == "two-forms" {
			b = edit(w, b, `"role": "attachment"`, `"role": "form"`)
		}
		w.add("manifest", "manifest/"+c.name, c.code, c.rule, c.why, doc(b))
	}
}

// layouts writes containers that are not in the one layout.
func (w *writer) layouts(o *world) {
	g := o.plain
	at := func(name string) int { // of an entry's header
		i := bytes.Index(g, append([]byte(name), 0))
		if i < 0 || i%512 != 0 {
			w.t.Fatalf("no entry %s", name)
		}
		return i
	}
	patch := func(i int, now string) []byte {
		b := bytes.Clone(g)
		copy(b[i:], now)
		return b
	}
	// A header whose checksum is right for what it says.
	header := func(name string, change func(h []byte)) []byte {
		b := bytes.Clone(g)
		h := b[at(name):][:512]
		change(h)
		checksum(h)
		return b
	}
	first := at("files/0001")
	pax := append(slices.Clone(g[:first]), paxHeader("files/0001", 43)...)
	pax = append(pax, g[first+512:]...)
	for _, c := range []struct {
		name string
		code protocol.Code
		rule string
		why  string
		tar  []byte
	}{
		{"empty", protocol.BadContainer, "R-PCL-2", "no bytes at all", []byte{}},
		{"tail", protocol.BadContainer, "R-PCL-2", "a block of zeros too many", append(bytes.Clone(g), make([]byte, 512)...)},
		{"short-trailer", protocol.BadContainer, "R-PCL-2", "one block of zeros at the end in place of two", g[:len(g)-512]},
		{"cut", protocol.BadContainer, "R-PCL-2", "the last byte is missing", g[:len(g)-1]},
		{"gap", protocol.BadContainer, "R-PCL-1", "a block of zeros before the first file", slices.Concat(g[:first], make([]byte, 512), g[first:])},
		{"byte-in-padding", protocol.BadContainer, "R-PCL-1", "a byte in the padding, where tar does not look", patch(first+512+43, "x")},
		{"byte-in-trailer", protocol.BadContainer, "R-PCL-1", "a byte in the trailer", patch(len(g)-1, "x")},
		{"mode", protocol.BadContainer, "R-PCL-1", "an entry that everybody may read", header("files/0001", func(h []byte) { copy(h[100:], "0000644") })},
		{"user-name", protocol.BadContainer, "R-PCL-1", "an entry with an owner", header("files/0001", func(h []byte) { copy(h[265:], "root") })},
		{"time", protocol.BadContainer, "R-PCL-1", "an entry with a time", header("files/0001", func(h []byte) { h[146] = '1' })},
		{"link", protocol.BadContainer, "R-PCL-1", "a symbolic link in place of a file", header("files/0003", func(h []byte) { h[156] = '2'; copy(h[157:], "/etc/passwd") })},
		{"checksum", protocol.BadContainer, "R-PCL-1", "a wrong checksum", patch(first+148, "000000")},
		{"size-lies", protocol.BadContainer, "R-PCL-1", "a header with another size than the manifest", header("files/0002", func(h []byte) { copy(h[124:], "00000000001") })},
		{"manifest-size-lies", protocol.BadContainer, "R-PCL-1", "the manifest's header says one byte less", header("manifest.json", func(h []byte) {
			copy(h[124:], fmt.Sprintf("%011o", len(o.signed.Document)-1))
		})},
		{"manifest-enormous", protocol.BadContainer, "R-PCL-1", "the manifest's header says 8 GiB less one byte", header("manifest.json", func(h []byte) { copy(h[124:], "77777777777") })},
		{"other-name", protocol.BadContainer, "R-PCL-1", "an entry called /etc/passwd", header("files/0001", func(h []byte) { copy(h, "/etc/passwd") })},
		{"files-swapped", protocol.BadContainer, "R-PCL-3", "the second file stands before the first", slices.Concat(g[:first], g[at("files/0002"):at("files/0003")], g[first:at("files/0002")], g[at("files/0003"):])},
		{"signature-first", protocol.BadContainer, "R-PCL-3", "the manifest's signature stands before it", slices.Concat(g[at("manifest.json.asc"):at("approvals/0001.json")], g[:at("manifest.json.asc")], g[at("approvals/0001.json"):])},
		{"approval-missing", protocol.BadContainer, "R-PCL-9", "the approval that the manifest announces is missing", slices.Concat(g[:at("approvals/0001.json")], g[first:])},
		{"extra-entry", protocol.BadContainer, "R-PCL-2", "one file more than the manifest lists", slices.Concat(g[:at("files/0003")], header("files/0003", func(h []byte) { h[9] = '4' })[at("files/0003"):][:512], g[at("files/0003"):])},
		{"pax-for-a-small-file", protocol.BadContainer, "R-PCL-1", "a PAX record where none is needed", pax},
		{"other-bytes", protocol.DigestMismatch, "R-PCL-5", "a file has other bytes of the same length", patch(first+512, "x")},
	} {
		w.add("container", "container/"+c.name, c.code, c.rule, c.why, part{".tar", c.tar})
	}
}

// paxHeader is the header that only a file of 8 GiB or more may have.
func paxHeader(name string, size int) []byte {
	record := fmt.Sprintf("%d size=%d\n", len("00 size=\n")+len(fmt.Sprint(size)), size)
	content := make([]byte, 512)
	copy(content, record)
	return slices.Concat(tarBlock("files/PaxHeaders.0/"+name[len("files/"):], len(record), 'x'), content, tarBlock(name, 0, '0'))
}

// tarBlock is one header block (SPEC.md, section 7), written without the code that is under test.
func tarBlock(name string, size int, kind byte) []byte {
	h := make([]byte, 512)
	copy(h, name)
	copy(h[100:], "0000600\x000000000\x000000000\x00")
	copy(h[124:], fmt.Sprintf("%011o\x0000000000000\x00        %c", size, kind))
	copy(h[257:], "ustar\x0000")
	copy(h[329:], "0000000\x000000000\x00")
	checksum(h)
	return h
}

// checksum makes a header's checksum right for what it says.
func checksum(h []byte) {
	copy(h[148:], "        ")
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
}

// containers writes containers in the right layout whose content is wrong.
func (w *writer) containers(o *world) {
	from := o.xa.office.keys
	type maker struct {
		manifest func(m *parcel.Manifest)
		key      *pgp.Secret // of the manifest
		approve  *pgp.Secret
		approval func(a *parcel.Approval)
	}
	for _, c := range []struct {
		name string
		code protocol.Code
		rule string
		why  string
		make maker
	}{
		{"valid-two-recipients", "", "R-PCL-7", "addressed to two authorities", maker{manifest: func(m *parcel.Manifest) {
			m.To = append(m.To, parcel.Party{Authority: "xc/ministry", Certificate: protocol.Sum([]byte("xc"))})
		}}},
		{"no-approval", "", "R-PCL-9", "without any approval", maker{manifest: func(m *parcel.Manifest) { m.Approvals = 0 }}},
		{"by-attest-key", protocol.WrongRole, "R-PCL-8", "the manifest is signed by the unattended key", maker{key: from.Subkeys[attest]}},
		{"by-another", protocol.BadSignature, "R-PCL-8", "the manifest is signed by another authority", maker{key: o.xb.office.keys.Subkeys[act]}},
		{"other-certificate", protocol.WrongRole, "R-PCL-8", "the manifest names another certificate for its sender than the record", maker{manifest: func(m *parcel.Manifest) {
			m.From.Certificate = o.xb.office.keys.Certificate.Primary()
		}}},
		{"unknown-sender", protocol.UnknownSender, "R-PCL-8", "the record does not list the sender", maker{
			manifest: func(m *parcel.Manifest) { m.From.Authority = "xa/ministry" },
			approval: func(a *parcel.Approval) { a.Authority = "xa/ministry" },
		}},
		{"addressed-elsewhere", protocol.WrongParcel, "R-PCL-7", "somebody sealed another's parcel again", maker{manifest: func(m *parcel.Manifest) {
			m.To = []parcel.Party{{Authority: "xc/ministry", Certificate: protocol.Sum([]byte("xc"))}}
		}}},
		{"addressed-to-old-certificate", protocol.WrongParcel, "R-PCL-7", "addressed to the recipient with another certificate than its own", maker{manifest: func(m *parcel.Manifest) {
			m.To[0].Certificate = protocol.Sum([]byte("another"))
		}}},
		{"approved-by-signer", protocol.WrongRole, "R-PCL-9", "approved with the key that signed the manifest", maker{approve: from.Subkeys[act]}},
		{"approved-by-attest-key", protocol.WrongRole, "R-PCL-9", "approved with the unattended key", maker{approve: from.Subkeys[attest]}},
		{"approved-by-another", protocol.WrongRole, "R-PCL-9", "approved with a key that the sender's record does not list", maker{approve: o.xb.office.keys.Subkeys[act]}},
		{"approves-another", protocol.WrongParcel, "R-PCL-9", "the approval is of another manifest", maker{approval: func(a *parcel.Approval) { a.Manifest = protocol.Sum([]byte("another")) }}},
		{"approved-too-early", protocol.Malformed, "R-PCL-9", "approved an hour before the manifest was made", maker{approval: func(a *parcel.Approval) { a.Created = protocol.At(day.Add(-time.Hour)) }}},
	} {
		m := o.manifest
		m.To = slices.Clone(m.To)
		if c.make.manifest != nil {
			c.make.manifest(&m)
		}
		key, approver := c.make.key, c.make.approve
		if key == nil {
			key = from.Subkeys[act]
		}
		if approver == nil {
			approver = from.Subkeys[secondAct]
		}
		s := must(statement.Sign(&m, protocol.MaxManifest, key, day.Add(time.Second)))
		a := parcel.Approval{
			Type: parcel.ApprovalType, Parcel: m.Parcel, Manifest: s.Digest(), Authority: m.From.Authority, Key: approver.Digest(), Created: protocol.At(day),
		}
		if c.make.approval != nil {
			c.make.approval(&a)
		}
		var approvals []statement.Signed
		if m.Approvals == 1 {
			approvals = append(approvals, must(statement.Sign(&a, protocol.MaxApproval, approver, day.Add(time.Second))))
		}
		w.add("container", "container/"+c.name, c.code, c.rule, c.why, part{".tar", lay(s, approvals, o.contents)})
	}
	for _, c := range []struct {
		name string
		why  string
		edit func(e *envelope.Envelope)
	}{
		{"envelope-of-another-manifest", "the envelope names another manifest", func(e *envelope.Envelope) { e.Manifest.Document = protocol.Sum([]byte("another")) }},
		{"envelope-of-another-signature", "the envelope names another signature of the manifest", func(e *envelope.Envelope) { e.Manifest.Signature = protocol.Sum([]byte("another")) }},
		{"envelope-of-another-parcel", "the envelope has another parcel id", func(e *envelope.Envelope) { e.Parcel = "019cadfd-8900-7e4d-8a55-3d5e0c2f9a02" }},
		{"envelope-is-a-test", "the envelope is a test and the manifest is not", func(e *envelope.Envelope) { e.Test = true }},
		{"envelope-for-two", "more can open it than the manifest names", func(e *envelope.Envelope) { e.Sealed.Recipients = 2 }},
	} {
		e := o.env
		c.edit(&e)
		w.add("container", "container/"+c.name, protocol.ManifestMismatch, "R-PCL-10", c.why, part{"=container/valid.tar", nil}, doc(must(statement.Encode(&e))))
	}
}

// lay is container without our writer, which refuses signed parts that do not fit each other.
func lay(manifest statement.Signed, approvals []statement.Signed, contents [][]byte) []byte {
	var b bytes.Buffer
	entry := func(name string, content []byte) {
		b.Write(tarBlock(name, len(content), '0'))
		b.Write(content)
		b.Write(make([]byte, -len(content)&511))
	}
	entry("manifest.json", manifest.Document)
	entry("manifest.json.asc", manifest.Signature)
	for i, a := range approvals {
		entry(fmt.Sprintf("approvals/%04d.json", i+1), a.Document)
		entry(fmt.Sprintf("approvals/%04d.json.asc", i+1), a.Signature)
	}
	for i, c := range contents {
		entry(fmt.Sprintf("files/%04d", i+1), c)
	}
	b.Write(make([]byte, 1024))
	return b.Bytes()
}

// bodies writes sealed bytes, each with the envelope that announces them.
func (w *writer) bodies(o *world) {
	w.add("sealed", "", "", "R-SEAL-1", "the sealed parcel of the exchange", part{"=exchange/parcel.age", nil}, part{"=exchange/envelope.json", nil})
	to := o.xb.office.identity.Recipient()
	small := []byte("whatever: nobody gets to see it\n")
	g := sealTo(small, to)
	stranger := must(seal.GenerateIdentity()).Recipient()
	lines := strings.SplitAfterN(string(g), "\n", 3)
	classic := "-> X25519 " + base64.RawStdEncoding.EncodeToString(bytes.Repeat([]byte{9}, 32)) + "\n" + base64.RawStdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32)) + "\n"
	flipped := bytes.Clone(g)
	flipped[len(flipped)-1] ^= 1
	badMAC := bytes.Clone(g)
	if i := bytes.Index(g, []byte("\n--- ")) + 5; badMAC[i] == 'A' {
		badMAC[i] = 'B'
	} else {
		badMAC[i] = 'A'
	}
	for _, c := range []struct {
		name  string
		code  protocol.Code
		rule  string
		why   string
		body  []byte
		about func(e *envelope.Envelope)
	}{
		{"classic-stanza", protocol.BadHeader, "R-SEAL-1", "an X25519 stanza, which a quantum computer could open", []byte(lines[0] + classic + lines[1] + lines[2]), func(e *envelope.Envelope) { e.Sealed.Recipients = 2 }},
		{"two-stanzas", protocol.BadHeader, "R-SEAL-3", "two can open it and the envelope says one", sealTo(small, to, stranger), func(e *envelope.Envelope) { e.Sealed.Recipients = 1 }},
		{"not-age", protocol.BadHeader, "R-SEAL-2", "the parcel was not sealed at all", o.plain[:1024], nil},
		{"cut-in-header", protocol.BadHeader, "R-SEAL-2", "the bytes end inside the header", g[:1000], nil},
		{"crlf", protocol.BadHeader, "R-SEAL-2", "a carriage return in the header", []byte(strings.Replace(string(g), "\n", "\r\n", 1)), nil},
		{"altered-mac", protocol.BadHeader, "R-SEAL-2", "the header's MAC is wrong, which only the recipient can see", badMAC, nil},
		{"cut", protocol.SizeMismatch, "R-SEAL-4", "fewer bytes than announced", g[:len(g)-1], func(e *envelope.Envelope) { e.Sealed.Size, e.Sealed.Digest = int64(len(g)), protocol.Sum(g) }},
		{"sealed-again", protocol.DigestMismatch, "R-SEAL-4", "the same bytes sealed a second time", sealTo(small, to), func(e *envelope.Envelope) { e.Sealed.Size, e.Sealed.Digest = int64(len(g)), protocol.Sum(g) }},
		{"to-another", protocol.CannotOpen, "R-ENV-3", "sealed to another key than the envelope says", sealTo(small, stranger), nil},
		{"damaged-before-sending", protocol.BadContainer, "R-PCL-2", "announced as it is, but its last chunk does not authenticate", flipped, nil},
		{"not-a-parcel", protocol.BadContainer, "R-PCL-1", "what is inside is no container", sealTo([]byte("hello\n"), to), nil},
		{"to-two", "", "R-SEAL-3", "sealed to two recipients of a manifest that names two", nil, nil},
	} {
		e := o.env
		if c.body == nil {
			two := read(w.t, "container/valid-two-recipients.tar")
			c.body = sealTo(two, to, stranger)
			e.Sealed.Recipients = 2
			e.Manifest = must(parcel.Read(bytes.NewReader(two), int64(len(two)))).Signed.Ref()
		}
		e.Sealed.Size, e.Sealed.Digest = int64(len(c.body)), protocol.Sum(c.body)
		if c.about != nil {
			c.about(&e)
		}
		w.add("sealed", "sealed/"+c.name, c.code, c.rule, c.why, part{".age", c.body}, part{".envelope.json", must(statement.Encode(&e))})
	}
}
