package parcel

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"comity/protocol"
	"comity/protocol/statement"
)

// entryAt returns the offset of the header of an entry of testdata/small.tar.
func entryAt(t *testing.T, b []byte, name string) int {
	t.Helper()
	at := bytes.Index(b, append([]byte(name), 0))
	if at < 0 || at%blockSize != 0 {
		t.Fatalf("no header of %s", name)
	}
	return at
}

// reseal computes the checksum of the header at at anew, as an attacker would.
func reseal(b []byte, at int) {
	h := b[at : at+blockSize]
	copy(h[atChecksum:], "        ")
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[atChecksum:], fmt.Sprintf("%06o\x00 ", sum))
}

func insert(b []byte, at int, more ...byte) []byte {
	return append(append(bytes.Clone(b[:at]), more...), b[at:]...)
}

func remove(b []byte, at, n int) []byte { return append(bytes.Clone(b[:at]), b[at+n:]...) }

// R-PCL-1, R-PCL-2, R-PCL-3: no container but the one.
func TestHostileContainers(t *testing.T) {
	zeros := make([]byte, 3*blockSize)
	field := func(name string, at int, text string) func([]byte) []byte {
		return func(b []byte) []byte {
			h := entryAt(t, b, name)
			copy(b[h+at:], text)
			reseal(b, h)
			return b
		}
	}
	entry := func(name, content string) []byte {
		b := AppendHeader(nil, name, int64(len(content)))
		b = append(b, content...)
		return appendZeros(b, Padding(int64(len(content))))
	}
	before := func(name string, more []byte) func([]byte) []byte {
		return func(b []byte) []byte { return insert(b, entryAt(t, b, name), more...) }
	}
	swap := func(first, second, after string) func([]byte) []byte {
		return func(b []byte) []byte {
			i, j, k := entryAt(t, b, first), entryAt(t, b, second), len(b)-TrailerSize
			if after != "" {
				k = entryAt(t, b, after)
			}
			return bytes.Join([][]byte{b[:i], b[j:k], b[i:j], b[k:]}, nil)
		}
	}
	rows := []struct {
		name   string
		change func(b []byte) []byte
	}{
		{"nothing at all", func([]byte) []byte { return nil }},
		{"only a trailer", func([]byte) []byte { return zeros[:TrailerSize] }},
		{"one byte more", func(b []byte) []byte { return append(b, 0) }},
		{"one block more", func(b []byte) []byte { return append(b, zeros[:blockSize]...) }},
		{"padded to a record of 20 blocks, as tar does by default", func(b []byte) []byte { return appendZeros(b, -int64(len(b))&(20*blockSize-1)) }},
		{"one block less", func(b []byte) []byte { return b[:len(b)-blockSize] }},
		{"one byte less", func(b []byte) []byte { return b[:len(b)-1] }},
		{"something in the trailer", func(b []byte) []byte { b[len(b)-1] = 1; return b }},
		{"a second container behind", func(b []byte) []byte { return append(b, b...) }},
		{"a gap before the manifest", func(b []byte) []byte { return insert(b, 0, zeros[:blockSize]...) }},
		{"a gap before the files", before("files/0001", zeros[:blockSize])},
		{"a gap between files", before("files/0002", zeros)},
		{"a hidden entry first", before("manifest.json", entry("manifest.json", "{}\n"))},
		{"a hidden entry between", before("files/0002", entry("files/0002", "other"))},
		{"an extra entry last", func(b []byte) []byte { return insert(b, len(b)-TrailerSize, entry("files/0004", "more")...) }},
		{"an extra approval", before("files/0001", append(entry("approvals/0002.json", "{}\n"), entry("approvals/0002.json.asc", "x")...))},
		{"no approval", func(b []byte) []byte {
			at := entryAt(t, b, "approvals/0001.json")
			return remove(b, at, entryAt(t, b, "files/0001")-at)
		}},
		{"no approval's signature", func(b []byte) []byte {
			at := entryAt(t, b, "approvals/0001.json.asc")
			return remove(b, at, entryAt(t, b, "files/0001")-at)
		}},
		{"signature before manifest", swap("manifest.json", "manifest.json.asc", "approvals/0001.json")},
		{"files swapped", swap("files/0001", "files/0002", "files/0003")},
		{"files before approvals", swap("approvals/0001.json", "files/0001", "files/0002")},
		{"an entry less", func(b []byte) []byte { return remove(b, entryAt(t, b, "files/0003"), blockSize) }},
		{"padding that is not zero", func(b []byte) []byte { b[entryAt(t, b, "files/0002")-1] = 'x'; return b }},
		{"manifest's padding that is not zero", func(b []byte) []byte { b[entryAt(t, b, "manifest.json.asc")-1] = 'x'; return b }},
		{"executable", field("files/0001", atMode, "0000755")},
		{"readable by all", field("manifest.json", atMode, "0000644")},
		{"an owner", field("files/0001", atUser, "0001750")},
		{"a group", field("files/0001", atGroup, "0001750")},
		{"a time", field("files/0001", atTime, "14746126550")},
		{"a symbolic link", field("files/0001", atKind, "2")},
		{"a link's target", field("files/0001", 157, "/etc/passwd")},
		{"a hard link", field("files/0001", atKind, "1")},
		{"a folder", field("files/0003", atKind, "5")},
		{"the old kind of regular file", field("files/0001", atKind, "\x00")},
		{"a GNU long name", field("files/0001", atKind, "L")},
		{"a GNU header", field("files/0001", atMagic, "ustar  \x00")},
		{"an owner's name", field("files/0001", 265, "root")},
		{"a group's name", field("files/0001", 297, "root")},
		{"a device", field("files/0001", atDevice, "0000001")},
		{"a name's prefix", field("files/0001", 345, "../..")},
		{"bytes behind the name", field("files/0001", 11, "x")},
		{"another name", field("files/0001", atName, "files/0009")},
		{"a name that climbs", field("files/0001", atName, "../../0001")},
		{"a size that lies upwards", field("files/0001", atSize, "00000000777")},
		{"a size that lies downwards", field("files/0001", atSize, "00000000001")},
		{"a manifest's size that lies upwards", field("manifest.json", atSize, "00000003777")},
		{"a manifest's size that lies downwards", field("manifest.json", atSize, "00000000777")},
		{"a manifest beyond its limit", field("manifest.json", atSize, "00100000001")},
		{"a manifest beyond everything", field("manifest.json", atSize, "77777777777")},
		{"a manifest without size", field("manifest.json", atSize, "00000000000")},
		{"a signature without size", field("manifest.json.asc", atSize, "00000000000")},
		{"a signature beyond its limit", field("manifest.json.asc", atSize, "00000004001")},
		{"a size in binary", field("manifest.json", atSize, "\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05")},
		{"a size with spaces", field("files/0003", atSize, "          0")},
		{"a size in decimal", field("files/0003", atSize, "00000000009")},
		{"a checksum that is wrong", func(b []byte) []byte { b[entryAt(t, b, "files/0001")+atChecksum]++; return b }},
		{"a checksum in another form", func(b []byte) []byte {
			copy(b[entryAt(t, b, "files/0001")+atChecksum+6:], " \x00")
			return b
		}},
		{"a PAX header for a small file", func(b []byte) []byte {
			record := "21 path=../../etc/xx\n"
			pax := appendBlock(nil, extendedName("files/0001"), int64(len(record)), extendedHeader)
			pax = appendZeros(append(pax, record...), Padding(int64(len(record))))
			return insert(b, entryAt(t, b, "files/0001"), pax...)
		}},
	}
	for _, row := range rows {
		b := row.change(small(t))
		_, err := Read(bytes.NewReader(b), int64(len(b)))
		wantCode(t, row.name, err, protocol.BadContainer)
	}
}

// Every single byte counts: Read judges what is not content and the manifest,
// VerifyAll the files. Signatures are for callers, and with them what an
// approval says beyond the manifest's digest.
func TestEveryByteCounts(t *testing.T) {
	whole := small(t)
	c, err := Read(bytes.NewReader(whole), int64(len(whole)))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range c.layout.parts {
		t.Logf("%-24s at %5d, %4d bytes", p.name, p.at, p.size)
	}
	owner := func(at int64) string {
		for _, p := range c.layout.parts {
			if p.at <= at && at < p.at+p.size {
				return p.name
			}
		}
		return ""
	}
	for at := range whole {
		b := bytes.Clone(whole)
		b[at] ^= 1
		c, err := Read(bytes.NewReader(b), int64(len(b)))
		switch name := owner(int64(at)); {
		case strings.HasPrefix(name, "files/"):
			if err == nil {
				err = c.VerifyAll(t.Context(), nil)
			}
			wantCode(t, fmt.Sprintf("byte %d in %s", at, name), err, protocol.DigestMismatch) // R-PCL-5
		case strings.HasSuffix(name, signatureSuffix):
			if err != nil {
				t.Errorf("byte %d in %s: %v", at, name, err)
			}
		case name == "":
			wantCode(t, fmt.Sprintf("byte %d between contents", at), err, protocol.BadContainer)
		case name == manifestName:
			// A changed manifest is not the one that was approved, if it is one at all.
			if protocol.CodeOf(err) == "" {
				t.Errorf("byte %d in %s: %v, want a refusal", at, name, err)
			}
		}
	}
	for n := 0; n < len(whole); n += 32 {
		if _, err := Read(bytes.NewReader(whole[:n]), int64(n)); protocol.CodeOf(err) == "" {
			t.Errorf("cut to %d bytes: %v, want a refusal", n, err)
		}
	}
}

// The approvals of a container are those that the manifest announces.
func TestHostileApprovals(t *testing.T) {
	m := request()
	m.Approvals = 2
	signed := unsigned(t, m)
	other := request()
	other.Sequence = 2
	change := func(f func(a *Approval)) statement.Signed {
		s := approvalOf(t, m, signed.Document, 2)
		a, err := ParseApproval(s.Document)
		if err != nil {
			t.Fatal(err)
		}
		f(a)
		if s.Document, err = statement.Encode(a); err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := approvalOf(t, m, signed.Document, 1)
	rows := []struct {
		name string
		list []statement.Signed
		want protocol.Code
	}{
		{"as announced", []statement.Signed{first, approvalOf(t, m, signed.Document, 2)}, ""},
		{"one less than announced", []statement.Signed{first}, protocol.BadContainer},
		{"one more than announced", []statement.Signed{first, approvalOf(t, m, signed.Document, 2), approvalOf(t, m, signed.Document, 3)}, protocol.BadContainer},
		{"twice by the same key", []statement.Signed{first, first}, protocol.WrongRole},
		{"of another manifest", []statement.Signed{first, approvalOf(t, m, unsigned(t, other).Document, 2)}, protocol.WrongParcel},
		{"of another parcel", []statement.Signed{first, change(func(a *Approval) { a.Parcel = "0195575a-7a00-7abc-8def-0123456789ac" })}, protocol.WrongParcel},
		{"by another authority", []statement.Signed{first, change(func(a *Approval) { a.Authority = "xa/supreme-court" })}, protocol.WrongRole},
		{"dated before the manifest", []statement.Signed{first, change(func(a *Approval) { a.Created = protocol.At(day.Add(-2 * protocol.MaxSkew)) })}, protocol.Malformed},
		{"not an approval", []statement.Signed{first, signed}, protocol.Malformed},
		{"without signature", []statement.Signed{first, {Document: approvalOf(t, m, signed.Document, 2).Document}}, protocol.BadContainer},
	}
	for _, row := range rows {
		_, err := NewLayout(signed, row.list)
		wantCode(t, row.name, err, row.want)
	}
}

// claim is a large container of which only the first header is written.
type claim struct {
	header []byte
	most   int // bytes asked for at once
}

func (c *claim) ReadAt(b []byte, at int64) (int, error) {
	c.most = max(c.most, len(b))
	clear(b)
	if at < int64(len(c.header)) {
		copy(b, c.header[at:])
	}
	return len(b), nil
}

// A header can claim any size: no more than the limit is ever held in memory.
func TestReadHoldsNoMoreThanTheLimit(t *testing.T) {
	for _, size := range []int64{0, protocol.MaxManifest + 1, octalEnd - 1} {
		c := &claim{header: AppendHeader(nil, manifestName, size)}
		if _, err := Read(c, protocol.MaxSealed); protocol.CodeOf(err) != protocol.BadContainer || c.most > blockSize {
			t.Errorf("a manifest of %d bytes: %v, and %d bytes read at once", size, err, c.most)
		}
	}
}
