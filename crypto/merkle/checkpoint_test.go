package merkle_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/transparency-dev/formats/log"
	fnote "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"

	"comity/crypto/merkle"
)

func TestCheckpointRoundTrip(t *testing.T) {
	s, tree := newLog(t, origin), newTree(t, 7)
	for _, size := range []int64{0, 1, 7} {
		got, err := newVerifier(t, s).Checkpoint(mustSign(t, s, size, tree))
		if err != nil {
			t.Fatal(err)
		}
		want := merkle.Checkpoint{Origin: origin, Size: size, Root: mustRoot(t, size, tree), Time: signedAt.Truncate(time.Second)}
		if diff := cmp.Diff(want, got); diff != "" || want != got {
			t.Errorf("checkpoint of size %d (-want +got):\n%s", size, diff)
		}
	}
}

// The stock libraries read our notes: text, then the Ed25519 line, then the
// ML-DSA-44 line.
func TestCheckpointIsStandard(t *testing.T) {
	s, tree := newLog(t, origin), newTree(t, 7)
	signed := mustSign(t, s, 7, tree)
	classicKey, quantumKey := s.VerifierKeys()
	classic, err := note.NewVerifier(classicKey)
	if err != nil {
		t.Fatal(err)
	}
	quantum, err := fnote.NewMLDSAVerifier(quantumKey)
	if err != nil {
		t.Fatal(err)
	}
	c, rest, n, err := log.ParseCheckpoint(signed, origin, classic, quantum)
	if err != nil || len(rest) != 0 || c.Size != 7 {
		t.Fatalf("ParseCheckpoint(%q) = %v, rest %q, %v", signed, c, rest, err)
	}
	var ids []uint32
	for _, sig := range n.Sigs {
		ids = append(ids, sig.Hash)
	}
	if diff := cmp.Diff([]uint32{classic.KeyHash(), quantum.KeyHash()}, ids); diff != "" {
		t.Errorf("keys of the signature lines (-want +got):\n%s", diff)
	}
}

func TestCosignaturesAreTolerated(t *testing.T) {
	p := newParts(t)
	for _, test := range []struct{ name, note string }{
		{"none", p.note(p.classic, p.quantum)},
		{"one after", p.note(p.classic, p.quantum, foreign(1))},
		{"one before and one between", p.note(foreign(1), p.classic, foreign(2), p.quantum)},
		{"the other order", p.note(p.quantum, p.classic)},
		{"as many as allowed", p.note(append(foreigners(merkle.MaxCosignatures), p.classic, p.quantum)...)},
		{"another key of the log's name", p.note(p.classic, p.quantum, line(origin, 7, make([]byte, 64)))},
	} {
		if c, err := p.verifier.Checkpoint([]byte(test.note)); err != nil || c.Size != 7 {
			t.Errorf("%s: Checkpoint(%q) = %+v, %v, want size 7", test.name, test.note, c, err)
		}
	}
}

// A real witness of both kinds cosigns with the keys of GenerateKeypair.
func TestWitnessKeysCosign(t *testing.T) {
	secret, classicKey, quantumKey, err := merkle.GenerateKeypair("gateway.xb.example/witness")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(secret), "\n")
	var signers []note.Signer
	for _, line := range lines[:2] {
		s, err := fnote.NewSignerForCosignatureV1(line)
		if err != nil {
			t.Fatal(err)
		}
		signers = append(signers, s)
	}
	p := newParts(t)
	ours, theirs := p.signer.VerifierKeys()
	logKey, err := note.NewVerifier(ours)
	if err != nil {
		t.Fatal(err)
	}
	n, err := note.Open([]byte(p.note(p.classic, p.quantum)), note.VerifierList(logKey))
	if err != nil {
		t.Fatal(err)
	}
	cosigned, err := note.Sign(n, signers...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.verifier.Checkpoint(cosigned); err != nil {
		t.Errorf("the log's verifier on a cosigned note: %v", err)
	}
	var witness []note.Verifier
	for _, key := range []string{classicKey, quantumKey} {
		v, err := fnote.NewVerifierForCosignatureV1(key)
		if err != nil {
			t.Fatal(err)
		}
		witness = append(witness, v)
	}
	if n, err = note.Open(cosigned, note.VerifierList(witness...)); err != nil || len(n.Sigs) != 2 {
		t.Errorf("verify the cosignatures: %v, %v, want both", n, err)
	}
	// Roles do not mix: neither as a secret nor as a published key.
	if _, err := merkle.ParseSigner(secret); err == nil {
		t.Error("ParseSigner took the keys of a witness")
	}
	if _, err := merkle.NewVerifier("gateway.xb.example/witness", classicKey, quantumKey); err == nil {
		t.Error("NewVerifier took the keys of a witness")
	}
	if _, err := merkle.NewVerifier(origin, ours, theirs); err != nil {
		t.Errorf("NewVerifier of the log's own keys: %v", err)
	}
}

// R-LOG-2, and everything in which a note could differ from its one spelling.
func TestCheckpointRefusals(t *testing.T) {
	p := newParts(t)
	other := newParts(t) // another log of the same name
	const root = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	for _, test := range []struct{ name, note string }{
		{"nothing", ""},
		{"no signature", p.text},
		{"empty signature block", p.note()},
		{"ML-DSA-44 line stripped", p.note(p.classic)},
		{"Ed25519 line stripped", p.note(p.quantum)},
		{"only a foreign line", p.note(foreign(1))},
		{"Ed25519 line of another key", p.note(other.classic, p.quantum)},
		{"ML-DSA-44 line of another key", p.note(p.classic, other.quantum)},
		{"both of another key", other.note(other.classic, other.quantum)},
		{"Ed25519 signature altered", p.note(flip(p.classic, 60), p.quantum)},
		{"ML-DSA-44 signature altered", p.note(p.classic, flip(p.quantum, 200))},
		{"ML-DSA-44 time altered", p.note(p.classic, flip(p.quantum, len("— "+origin+" ")+14))},
		{"Ed25519 signature cut", p.note(line(origin, idOf(p.classic), []byte{1}), p.quantum)},
		{"ML-DSA-44 signature cut", p.note(p.classic, line(origin, idOf(p.quantum), make([]byte, 8)))},
		{"size altered", strings.Replace(p.note(p.classic, p.quantum), "\n7\n", "\n8\n", 1)},
		{"too many lines", p.note(append(foreigners(merkle.MaxCosignatures+1), p.classic, p.quantum)...)},
		{"far too many lines", p.note(append(foreigners(120), p.classic, p.quantum)...)},
		{"too many bytes", p.note(p.classic, p.quantum, line("w", 1, make([]byte, merkle.MaxCheckpoint)))},
		{"one line twice", p.note(p.classic, p.quantum, p.quantum)},
		{"a foreign line twice", p.note(p.classic, p.quantum, foreign(1), foreign(1))},
		{"two lines of one foreign key", p.note(p.classic, p.quantum, foreign(1), line("witness-1.example", 1, make([]byte, 72)))},
		{"spare bits in base64", p.note(p.classic, loosen(p.quantum))},
		{"bytes after", p.note(p.classic, p.quantum) + "\n"},
		{"no final newline", strings.TrimSuffix(p.note(p.classic, p.quantum), "\n")},
		{"a line of something else", p.note(p.classic, p.quantum, "thank you\n")},
		{"carriage returns", strings.ReplaceAll(p.note(p.classic, p.quantum), "\n", "\r\n")},
		{"not UTF-8", p.note(p.classic, p.quantum, "— \xff AAAAAAA=\n")},
		{"blank line before the text", "\n" + p.note(p.classic, p.quantum)},

		{"signed: another origin", p.resigned(t, "gateway.xb.example/log/2026\n7\n"+root+"\n")},
		{"signed: leading zero", p.resigned(t, origin+"\n07\n"+root+"\n")},
		{"signed: extension line", p.resigned(t, origin+"\n7\n"+root+"\nextra\n")},
		{"signed: empty extension line", p.resigned(t, origin+"\n7\n"+root+"\n\n")},
		{"signed: short root", p.resigned(t, origin+"\n7\nAAAA\n")},
		{"signed: spare bits in the root", p.resigned(t, origin+"\n7\n"+root[:42]+"B=\n")},
		{"signed: size of 2^53", p.resigned(t, origin+"\n9007199254740992\n"+root+"\n")},
		{"signed: empty log with a root", p.resigned(t, origin+"\n0\n"+root+"\n")},
		{"signed: no time", p.dated(t, 0)},
		{"signed: time beyond all calendars", p.dated(t, 1<<62)},
		{"signed: time that would be negative", p.dated(t, 1<<63+5)},
	} {
		c, err := p.verifier.Checkpoint([]byte(test.note))
		refused(t, test.name, err, merkle.ErrCheckpoint)
		if c != (merkle.Checkpoint{}) {
			t.Errorf("%s: Checkpoint(%q) = %+v beside an error", test.name, test.note, c)
		}
	}
	if _, err := p.verifier.Checkpoint([]byte(p.dated(t, 5))); err != nil {
		t.Errorf("control: a note put together by the test is refused: %v", err)
	}
}

// More checkpoints than are remembered, each seen several times by several
// goroutines; a refused note is never remembered as good.
func TestRememberedCheckpoints(t *testing.T) {
	s, tree := newLog(t, origin), newTree(t, 70)
	v := newVerifier(t, s)
	var wg sync.WaitGroup
	for start := range int64(4) {
		wg.Go(func() {
			for i := range int64(70) {
				size := (i+17*start)%70 + 1
				signed, err := s.Checkpoint(size, mustRoot(t, size, tree), signedAt)
				if err != nil {
					t.Error(err)
					return
				}
				bad := bytes.Replace(signed, fmt.Appendf(nil, "\n%d\n", size), fmt.Appendf(nil, "\n%d\n", size+1), 1)
				for range 2 {
					if c, err := v.Checkpoint(signed); err != nil || c.Size != size || c.Root != mustRoot(t, size, tree) {
						t.Errorf("Checkpoint of size %d = %+v, %v", size, c, err)
					}
					if _, err := v.Checkpoint(bad); err == nil {
						t.Errorf("Checkpoint accepted size %d instead of %d", size+1, size)
					}
				}
			}
		})
	}
	wg.Wait()
}

func TestSignRefusals(t *testing.T) {
	s, tree := newLog(t, origin), newTree(t, 3)
	root, empty := mustRoot(t, 3, tree), mustRoot(t, 0, tree)
	for _, test := range []struct {
		name string
		size int64
		root merkle.Hash
		at   time.Time
	}{
		{"negative size", -1, root, signedAt},
		{"size of 2^53", merkle.MaxSize + 1, root, signedAt},
		{"empty log with a root", 0, root, signedAt},
		{"no time", 3, root, time.Time{}},
		{"1970", 3, root, time.Unix(0, 999_999_999)},
		{"year 10000", 3, root, time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		if signed, err := s.Checkpoint(test.size, test.root, test.at); err == nil {
			t.Errorf("%s: Checkpoint(%d, %v, %v) = %q, want an error", test.name, test.size, test.root, test.at, signed)
		}
	}
	if _, err := s.Checkpoint(0, empty, signedAt); err != nil {
		t.Errorf("Checkpoint of an empty log: %v", err)
	}
}

func FuzzCheckpoint(f *testing.F) {
	p := newParts(f)
	good := p.note(p.classic, p.quantum)
	f.Add([]byte(good))
	f.Add([]byte(p.note(foreign(1), p.quantum, foreign(2), p.classic)))
	f.Add([]byte(p.note(p.classic)))
	f.Add([]byte(p.resigned(f, origin+"\n07\nAAAA\n")))
	f.Add([]byte(p.resigned(f, origin+"\n7\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nextra\n")))
	want, err := p.verifier.Checkpoint([]byte(good))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := p.verifier.Checkpoint(b)
		if err != nil {
			refused(t, fmt.Sprintf("Checkpoint(%q)", b), err, merkle.ErrCheckpoint)
			return
		}
		// Nobody can sign here, so whatever passes says what the log said, in
		// the same bytes.
		if got != want || !strings.HasPrefix(string(b), p.text+"\n") {
			t.Errorf("Checkpoint(%q) = %+v, want %+v", b, got, want)
		}
	})
}
