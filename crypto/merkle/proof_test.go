package merkle_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"comity/crypto/merkle"
)

func TestProofOfEveryLeaf(t *testing.T) {
	s, tree := newLog(t, origin), newTree(t, 21)
	v := newVerifier(t, s)
	for size := int64(1); size <= 21; size += 4 {
		for index := range size {
			want := mustProve(t, s, size, index, tree)
			text := want.Marshal()
			parsed, err := merkle.ParseProof(text, merkle.MaxProof)
			if err != nil {
				t.Fatalf("ParseProof(%q): %v", text, err)
			}
			if diff := cmp.Diff(want, *parsed, cmpNilIsEmpty); diff != "" {
				t.Errorf("proof of %d in %d (-want +got):\n%s", index, size, diff)
			}
			if got := parsed.Marshal(); !bytes.Equal(got, text) {
				t.Errorf("Marshal after ParseProof = %q, want %q", got, text)
			}
			e := numberedEvidence(index)
			got, c, err := v.Proof(text, e.document, e.signature)
			if err != nil || c.Size != size || got.Index != index || got.Leaf() != e.leaf() {
				t.Errorf("Proof of %d in %d = %+v, %+v, %v", index, size, got, c, err)
			}
		}
	}
}

// A log of one leaf has an empty path.
var cmpNilIsEmpty = cmp.Comparer(func(a, b []merkle.Hash) bool { return slices.Equal(a, b) })

// R-LOG-5, and every single tampering with a proof.
func TestProofRefusals(t *testing.T) {
	s, tree := newLog(t, origin), newTree(t, 21)
	other, same := newLog(t, "gateway.xb.example/log/2026"), newLog(t, origin)
	v := newVerifier(t, s)
	e := numberedEvidence(9)
	good := func() merkle.Proof { return mustProve(t, s, 21, 9, tree) }
	if _, _, err := v.Proof(good().Marshal(), e.document, e.signature); err != nil {
		t.Fatalf("the proof that the cases tamper with: %v", err)
	}
	for _, test := range []struct {
		name   string
		tamper func(*merkle.Proof)
	}{
		{"another index", func(p *merkle.Proof) { p.Index++ }},
		{"index of the size", func(p *merkle.Proof) { p.Index = 21 }},
		{"negative index", func(p *merkle.Proof) { p.Index = -1 }},
		{"another salt", func(p *merkle.Proof) { p.Salt[0] ^= 1 }},
		{"another document", func(p *merkle.Proof) { p.Document[0] ^= 1 }},
		{"another signature", func(p *merkle.Proof) { p.Signature[31] ^= 1 }},
		{"digests exchanged", func(p *merkle.Proof) { p.Document, p.Signature = p.Signature, p.Document }},
		{"a bent hash", func(p *merkle.Proof) { p.Hashes[2][5] ^= 1 }},
		{"hashes exchanged", func(p *merkle.Proof) { p.Hashes[0], p.Hashes[1] = p.Hashes[1], p.Hashes[0] }},
		{"one hash less", func(p *merkle.Proof) { p.Hashes = p.Hashes[1:] }},
		{"one hash more", func(p *merkle.Proof) { p.Hashes = append(p.Hashes, merkle.Hash{}) }},
		{"no hashes", func(p *merkle.Proof) { p.Hashes = nil }},
		{"too many hashes", func(p *merkle.Proof) { p.Hashes = make([]merkle.Hash, merkle.MaxHashes+1) }},
		{"no checkpoint", func(p *merkle.Proof) { p.Checkpoint = nil }},
		{"a checkpoint of another size", func(p *merkle.Proof) { p.Checkpoint = mustSign(t, s, 20, tree) }},
		{"a checkpoint of another log", func(p *merkle.Proof) { p.Checkpoint = mustSign(t, other, 21, tree) }},
		{"a checkpoint of a false log of this name", func(p *merkle.Proof) { p.Checkpoint = mustSign(t, same, 21, tree) }},
		{"a checkpoint of another tree", func(p *merkle.Proof) {
			root := merkle.Hash(sha256.Sum256([]byte("fork")))
			p.Checkpoint, _ = s.Checkpoint(21, root, signedAt)
		}},
		{"bytes after", func(p *merkle.Proof) { p.Checkpoint = append(p.Checkpoint, "\n"...) }},
		{"one signature only", func(p *merkle.Proof) {
			p.Checkpoint = p.Checkpoint[:bytes.LastIndex(p.Checkpoint, []byte("— "))]
		}},
	} {
		p := good()
		test.tamper(&p)
		got, c, err := v.Proof(p.Marshal(), e.document, e.signature)
		refused(t, test.name, err, merkle.ErrProof)
		if got != nil || c != (merkle.Checkpoint{}) {
			t.Errorf("%s: Proof = %+v, %+v beside an error", test.name, got, c)
		}
	}
	text := good().Marshal()
	for _, asked := range []struct {
		name                string
		document, signature [32]byte
	}{
		{"asked for another document", [32]byte{1}, e.signature},
		{"asked for another signature", e.document, [32]byte{1}},
	} {
		_, _, err := v.Proof(text, asked.document, asked.signature)
		refused(t, asked.name, err, merkle.ErrProof)
	}
	if _, _, err := newVerifier(t, other).Proof(text, e.document, e.signature); err == nil {
		t.Error("the verifier of another log accepted the proof")
	}
}

// spellings are texts that a lenient reader would take for the same proof.
func spellings(text string) map[string]string {
	lines := strings.SplitAfterN(text, "\n", 5)
	return map[string]string{
		"nothing":           "",
		"another version":   strings.Replace(text, "@v1", "@v2", 1),
		"carriage returns":  strings.ReplaceAll(text, "\n", "\r\n"),
		"one return":        strings.Replace(text, "\n", "\r\n", 1),
		"leading zero":      strings.Replace(text, "index ", "index 0", 1),
		"plus sign":         strings.Replace(text, "index ", "index +", 1),
		"index too large":   strings.Replace(text, "index ", "index 9007199254740992", 1),
		"index of the size": strings.Replace(text, "index ", "index 10", 1), // no test's log has a hundred leaves
		"index far beyond":  strings.Replace(text, "index ", "index 99999999999999999999", 1),
		"no extra":          lines[0] + strings.Join(lines[2:], ""),
		"empty extra":       lines[0] + "extra \n" + strings.Join(lines[2:], ""),
		"short extra":       lines[0] + "extra AAAA\n" + strings.Join(lines[2:], ""),
		"extra twice":       lines[0] + lines[1] + strings.Join(lines[1:], ""),
		"extra after index": lines[0] + lines[2] + lines[1] + strings.Join(lines[3:], ""),
		"spare bits":        lines[0] + lines[1] + lines[2] + loosen(lines[3]) + lines[4],
		"short hash":        lines[0] + lines[1] + lines[2] + "AAAA\n" + lines[4],
		"blank line more":   strings.Replace(text, "\n\n", "\n\n\n", 1),
		"blank line before": "\n" + text,
		"newline after":     text + "\n",
		"no final newline":  strings.TrimSuffix(text, "\n"),
		"no checkpoint":     text[:strings.Index(text, "\n\n")+2],
	}
}

func TestProofHasOneSpelling(t *testing.T) {
	s := newLog(t, origin)
	text := string(mustProve(t, s, 21, 9, newTree(t, 21)).Marshal())
	for name, bad := range spellings(text) {
		if p, err := merkle.ParseProof([]byte(bad), merkle.MaxProof); err == nil {
			t.Errorf("%s: ParseProof(%q) = %+v, want an error", name, bad, p)
		} else {
			refused(t, name, err, merkle.ErrProof)
		}
	}
	if _, err := merkle.ParseProof([]byte(text), len(text)); err != nil {
		t.Errorf("ParseProof with a limit of exactly its size: %v", err)
	}
	_, err := merkle.ParseProof([]byte(text), len(text)-1)
	refused(t, "one byte beyond the limit", err, merkle.ErrProof)
	_, err = merkle.ParseProof(bytes.Repeat([]byte("x"), merkle.MaxProof+1), merkle.MaxProof*2)
	refused(t, "a limit beyond MaxProof", err, merkle.ErrProof)
}

func FuzzParseProof(f *testing.F) {
	s, tree := newLog(f, origin), newTree(f, 21)
	v := newVerifier(f, s)
	e := numberedEvidence(9)
	good := mustProve(f, s, 21, 9, tree).Marshal()
	f.Add(good)
	f.Add(mustProve(f, s, 1, 0, tree).Marshal())
	for _, text := range spellings(string(good)) {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := merkle.ParseProof(b, merkle.MaxProof)
		if err != nil {
			refused(t, fmt.Sprintf("ParseProof(%q)", b), err, merkle.ErrProof)
		} else if got := p.Marshal(); !bytes.Equal(got, b) {
			t.Errorf("ParseProof(%q) marshals to %q", b, got)
		}
		// Nobody can sign here: whatever verifies is the leaf that was logged.
		if p, c, err := v.Proof(b, e.document, e.signature); err == nil && (p.Leaf() != e.leaf() || p.Index != 9 || c.Size != 21) {
			t.Errorf("Proof(%q) = %+v, %+v", b, p, c)
		}
	})
}
