package merkle_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/mldsa"
	fnote "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"

	"comity/crypto/merkle"
)

const witnessName = "gateway.xb.example/witness"

var cosignedAt = signedAt.Add(42 * time.Second)

func newCosigner(tb testing.TB, name string) *merkle.Cosigner {
	tb.Helper()
	secret, _, _, err := merkle.GenerateKeypair(name)
	if err != nil {
		tb.Fatal(err)
	}
	c, err := merkle.ParseCosigner(secret)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func mustCosign(tb testing.TB, c *merkle.Cosigner, note []byte, at time.Time) []byte {
	tb.Helper()
	lines, err := c.Cosign(note, at)
	if err != nil {
		tb.Fatal(err)
	}
	return lines
}

func with(tb testing.TB, note []byte, lines ...[]byte) []byte {
	tb.Helper()
	for _, l := range lines {
		var err error
		if note, err = merkle.WithCosignatures(note, l); err != nil {
			tb.Fatal(err)
		}
	}
	return note
}

// R-WIT-1, by hand: what stands in SPEC.md, put together from bytes and verified without the library that knows the format.
func TestCosignatureIsTheseBytes(t *testing.T) {
	s, tree := newLog(t, origin), newTree(t, 7)
	signed := mustSign(t, s, 7, tree)
	c := newCosigner(t, witnessName)
	classicKey, quantumKey := c.VerifierKeys()
	lines := strings.Split(strings.TrimSuffix(string(mustCosign(t, c, signed, cosignedAt)), "\n"), "\n")
	if len(lines) != 2 {
		t.Fatalf("Cosign returned %d lines, want 2", len(lines))
	}
	text, _, _ := strings.Cut(string(signed), "\n\n")
	root, seconds := mustRoot(t, 7, tree), uint64(cosignedAt.Unix())

	id, sig := takenApart(t, lines[0], seconds)
	public := publicKey(t, classicKey, 0x04, id)
	if message := fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s\n", seconds, text); !ed25519.Verify(public, message, sig) {
		t.Errorf("the Ed25519 line does not sign %q", message)
	}

	id, sig = takenApart(t, lines[1], seconds)
	key, err := mldsa.NewPublicKey(mldsa.MLDSA44(), publicKey(t, quantumKey, 0x06, id))
	if err != nil {
		t.Fatal(err)
	}
	message := []byte("subtree/v1\n\x00")
	message = append(message, byte(len(witnessName)))
	message = append(message, witnessName...)
	message = binary.BigEndian.AppendUint64(message, seconds)
	message = append(message, byte(len(origin)))
	message = append(message, origin...)
	message = binary.BigEndian.AppendUint64(message, 0)
	message = binary.BigEndian.AppendUint64(message, 7)
	message = append(message, root[:]...)
	if err := mldsa.Verify(key, message, sig, nil); err != nil {
		t.Errorf("the ML-DSA-44 line does not sign %q: %v", message, err)
	}
}

// takenApart checks name and time of a line and returns key id and signature.
func takenApart(t *testing.T, line string, seconds uint64) (id, sig []byte) {
	t.Helper()
	text, found := strings.CutPrefix(line, "— "+witnessName+" ")
	raw, err := base64.StdEncoding.DecodeString(text)
	if !found || err != nil || len(raw) < 12 {
		t.Fatalf("line %q: %v", line, err)
	}
	if got := binary.BigEndian.Uint64(raw[4:12]); got != seconds {
		t.Errorf("line of time %d, want %d", got, seconds)
	}
	return raw[:4], raw[12:]
}

// publicKey takes a verifier key apart and checks the id by which a line names it.
func publicKey(t *testing.T, text string, kind byte, id []byte) []byte {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(strings.SplitN(text, "+", 3)[2])
	if err != nil || raw[0] != kind {
		t.Fatalf("key %q: kind %#x, %v", text, raw[0], err)
	}
	if want := sha256.Sum256(append([]byte(witnessName+"\n"), raw...)); !bytes.Equal(want[:4], id) {
		t.Errorf("the line names the key %x, want %x", id, want[:4])
	}
	return raw[1:]
}

// The stock libraries verify what we cosign, and we what they cosign.
func TestCosignaturesAreStandard(t *testing.T) {
	s := newLog(t, origin)
	signed := mustSign(t, s, 7, newTree(t, 7))
	secret, classicKey, quantumKey, err := merkle.GenerateKeypair(witnessName)
	if err != nil {
		t.Fatal(err)
	}
	c, err := merkle.ParseCosigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	var theirs []note.Verifier
	var signers []note.Signer
	for i, key := range []string{classicKey, quantumKey} {
		v, err := fnote.NewVerifierForCosignatureV1(key)
		if err != nil {
			t.Fatal(err)
		}
		signer, err := fnote.NewSignerForCosignatureV1(strings.Split(string(secret), "\n")[i])
		if err != nil {
			t.Fatal(err)
		}
		theirs, signers = append(theirs, v), append(signers, signer)
	}
	cosigned := with(t, signed, mustCosign(t, c, signed, cosignedAt))
	n, err := note.Open(cosigned, note.VerifierList(theirs...))
	if err != nil || len(n.Sigs) != 2 {
		t.Fatalf("the stock library finds %v of our cosignatures: %v", n, err)
	}
	again, err := note.Sign(&note.Note{Text: n.Text}, signers...)
	if err != nil {
		t.Fatal(err)
	}
	_, lines, _ := bytes.Cut(again, []byte("\n\n"))
	if _, err := c.Witness().Cosignature(with(t, signed, lines)); err != nil {
		t.Errorf("what the stock library cosigned is refused: %v", err)
	}
	if _, err := newVerifier(t, s).Checkpoint(cosigned); err != nil {
		t.Errorf("the log's verifier on the cosigned note: %v", err)
	}
}

func TestCosignRefusals(t *testing.T) {
	p := newParts(t)
	good := []byte(p.note(p.classic, p.quantum))
	c := newCosigner(t, witnessName)
	for _, test := range []struct {
		name string
		note []byte
		at   time.Time
	}{
		{"nothing", nil, cosignedAt},
		{"no signature", []byte(p.text), cosignedAt},
		{"extension line", []byte(p.resigned(t, p.text+"extra\n")), cosignedAt},
		{"no time", good, time.Time{}},
		{"1970", good, time.Unix(0, 999_999_999)},
		{"year 10000", good, time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		if lines, err := c.Cosign(test.note, test.at); err == nil {
			t.Errorf("%s: Cosign(%q, %v) = %q, want an error", test.name, test.note, test.at, lines)
		}
	}
	if lines, err := newCosigner(t, origin).Cosign(good, cosignedAt); err == nil {
		t.Errorf("a witness with the name of the log cosigned: %q", lines)
	}
}

func TestParseCosignerRefusals(t *testing.T) {
	secret, _, _, err := merkle.GenerateKeypair("log-a")
	if err != nil {
		t.Fatal(err)
	}
	other, _, _, err := merkle.GenerateKeypair("log-c")
	if err != nil {
		t.Fatal(err)
	}
	bad := badSecrets(string(secret), string(other))
	bad["the keys of a log"] = mustMarshal(t, newLog(t, "log-a"))
	for name, text := range bad {
		_, err := merkle.ParseCosigner([]byte(text))
		if err == nil {
			t.Errorf("%s: ParseCosigner accepted it", name)
		} else if strings.Contains(err.Error(), secretTexts(string(secret))[1]) {
			t.Errorf("%s: the error shows the secret", name)
		}
	}
}

func TestCosignerIsRedacted(t *testing.T) {
	secret, _, _, err := merkle.GenerateKeypair(witnessName)
	if err != nil {
		t.Fatal(err)
	}
	c, err := merkle.ParseCosigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+"\n", c)
		fmt.Fprintf(&out, verb+"\n", *c)
		fmt.Fprintf(&out, verb+"\n", struct{ c merkle.Cosigner }{*c})
	}
	fmt.Fprintln(&out, c.String(), c.GoString())
	slog.New(slog.NewJSONHandler(&out, nil)).Info("witness", "keys", c, "copy", *c)
	if err := json.NewEncoder(&out).Encode(c); err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(secretTexts(string(secret)), func(key string) bool { return strings.Contains(out.String(), key) }) ||
		strings.Contains(out.String(), "PRIVATE") {
		t.Errorf("a printed cosigner shows its key:\n%s", out.String())
	}
	if !strings.Contains(out.String(), "[redacted]") {
		t.Errorf("a printed cosigner does not say [redacted]:\n%s", out.String())
	}
}
