package merkle_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"comity/crypto/merkle"
)

func mustMarshal(tb testing.TB, s *merkle.Signer) string {
	tb.Helper()
	b, err := s.Marshal()
	if err != nil {
		tb.Fatal(err)
	}
	return string(b)
}

func TestSignerRoundTrip(t *testing.T) {
	s := newLog(t, origin)
	text := mustMarshal(t, s)
	again, err := merkle.ParseSigner([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if got := mustMarshal(t, again); got != text {
		t.Error("Marshal after ParseSigner gives other bytes")
	}
	if a, b := s.Origin(), again.Origin(); a != b {
		t.Errorf("origin %q after ParseSigner, want %q", b, a)
	}
	// What the parsed keys sign, the published keys of the first verify.
	if _, err := newVerifier(t, s).Checkpoint(mustSign(t, again, 3, newTree(t, 3))); err != nil {
		t.Errorf("checkpoint of the parsed signer: %v", err)
	}
}

func TestNames(t *testing.T) {
	for _, test := range []struct {
		name string
		good bool
	}{
		{"gateway.xa.example/log/2026", true},
		{"x", true},
		{strings.Repeat("x", merkle.MaxName), true},
		{strings.Repeat("x", merkle.MaxName+1), false},
		{"", false},
		{"two words", false},
		{"a+b", false},
		{"line\nbreak", false},
		{"délégué.example", false}, // one spelling: punycode
		{"\x7f", false},
	} {
		s, err := merkle.GenerateLog(test.name)
		if (err == nil) != test.good {
			t.Errorf("GenerateLog(%q): %v, want success %v", test.name, err, test.good)
		}
		if _, _, _, err := merkle.GenerateKeypair(test.name); (err == nil) != test.good {
			t.Errorf("GenerateKeypair(%q): %v, want success %v", test.name, err, test.good)
		}
		if s != nil { // limits hold for the longest name
			if _, err := merkle.ParseSigner([]byte(mustMarshal(t, s))); err != nil {
				t.Errorf("ParseSigner of the log %q: %v", test.name, err)
			}
		}
	}
}

// secretTexts returns the base64 of both keys.
func secretTexts(marshaled string) (keys []string) {
	for line := range strings.Lines(marshaled) {
		keys = append(keys, strings.TrimSpace(strings.SplitN(line, "+", 5)[4]))
	}
	return keys
}

// badSecrets are texts near a good one, by what is wrong with them.
func badSecrets(good, other string) map[string]string {
	lines, others := strings.SplitAfter(good, "\n"), strings.SplitAfter(other, "\n")
	return map[string]string{
		"nothing":            "",
		"one line":           lines[0],
		"the other order":    lines[1] + lines[0],
		"no final newline":   strings.TrimSuffix(good, "\n"),
		"three lines":        good + lines[0],
		"empty line before":  "\n" + good,
		"comment":            "# log\n" + good,
		"carriage returns":   strings.ReplaceAll(good, "\n", "\r\n"),
		"two names":          lines[0] + others[1],
		"a key id altered":   strings.Replace(good, "+log-a+", "+log-b+", 1),
		"both names altered": strings.ReplaceAll(good, "+log-a+", "+log-b+"),
		"one key twice":      lines[0] + lines[0],
		"far too long":       strings.Repeat(good, 10),
	}
}

func TestParseSignerRefusals(t *testing.T) {
	good, other := mustMarshal(t, newLog(t, "log-a")), mustMarshal(t, newLog(t, "log-c"))
	secret := secretTexts(good)[1]
	for name, text := range badSecrets(good, other) {
		_, err := merkle.ParseSigner([]byte(text))
		if err == nil {
			t.Errorf("%s: ParseSigner accepted it", name)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error shows the secret", name)
		}
	}
}

// oneID makes two public keys of one id, as anybody can within a second: of a line that
// names it, nobody could tell by which of them it is.
func oneID(name string, kind byte) (ed25519, mldsa44 string) {
	key := func(kind byte, size, n int) (text string, id [4]byte) {
		raw := binary.BigEndian.AppendUint64([]byte{kind}, uint64(n))
		raw = append(raw, make([]byte, 1+size-len(raw))...)
		sum := sha256.Sum256(append([]byte(name+"\n"), raw...))
		return fmt.Sprintf("%s+%x+%s", name, sum[:4], base64.StdEncoding.EncodeToString(raw)), [4]byte(sum[:4])
	}
	known := map[[4]byte]string{}
	for n := range 1 << 17 {
		text, id := key(kind, 32, n)
		known[id] = text
	}
	for n := 0; ; n++ {
		if text, id := key(0x06, 1312, n); known[id] != "" {
			return known[id], text
		}
	}
}

func TestNewVerifierRefusals(t *testing.T) {
	s, other := newLog(t, "log-a"), newLog(t, "log-b")
	ed, ml := s.VerifierKeys()
	id := strings.Split(ml, "+")[1]
	for strings.ToUpper(id) == id { // one case needs an id with a letter
		s = newLog(t, "log-a")
		ed, ml = s.VerifierKeys()
		id = strings.Split(ml, "+")[1]
	}
	otherEd, otherML := other.VerifierKeys()
	oneEd, oneML := oneID("log-a", 0x01)
	for _, test := range []struct{ name, origin, ed, ml string }{
		{"nothing", "", "", ""},
		{"no keys", "log-a", "", ""},
		{"one key twice", "log-a", ed, ed},
		{"the other order", "log-a", ml, ed},
		{"another origin", "log-b", ed, ml},
		{"Ed25519 key of another log", "log-a", otherEd, ml},
		{"ML-DSA-44 key of another log", "log-a", ed, otherML},
		{"wrong key id", "log-a", ed, strings.Replace(ml, id, "00000000", 1)},
		{"keys of one id", "log-a", oneEd, oneML},
		{"key id in capitals", "log-a", ed, strings.Replace(ml, id, strings.ToUpper(id), 1)},
		{"spare bits", "log-a", ed, loosen(ml)},
		{"newline after", "log-a", ed + "\n", ml},
		{"newline inside", "log-a", ed, ml[:100] + "\n" + ml[100:]},
		{"a secret key", "log-a", strings.SplitN(mustMarshal(t, s), "\n", 2)[0], ml},
	} {
		if _, err := merkle.NewVerifier(test.origin, test.ed, test.ml); err == nil {
			t.Errorf("%s: NewVerifier(%q, %q, %.60q…) accepted it", test.name, test.origin, test.ed, test.ml)
		}
	}
}

func TestSignerIsRedacted(t *testing.T) {
	s := newLog(t, origin)
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+"\n", s)
		fmt.Fprintf(&out, verb+"\n", *s)
		fmt.Fprintf(&out, verb+"\n", struct{ S merkle.Signer }{*s})
		fmt.Fprintf(&out, verb+"\n", struct{ s merkle.Signer }{*s})
	}
	fmt.Fprintln(&out, s.String(), s.GoString())
	slog.New(slog.NewJSONHandler(&out, nil)).Info("log", "signer", s, "copy", *s)
	slog.New(slog.NewTextHandler(&out, nil)).Info("log", "signer", s, "copy", *s)
	if err := json.NewEncoder(&out).Encode(s); err != nil {
		t.Fatal(err)
	}
	for _, key := range secretTexts(mustMarshal(t, s)) {
		if strings.Contains(out.String(), key) || strings.Contains(out.String(), "PRIVATE") {
			t.Errorf("a printed signer shows its key:\n%s", out.String())
		}
	}
	if !strings.Contains(out.String(), "[redacted]") {
		t.Errorf("a printed signer does not say [redacted]:\n%s", out.String())
	}
}

func FuzzParseSigner(f *testing.F) {
	good, other := mustMarshal(f, newLog(f, "log-a")), mustMarshal(f, newLog(f, "log-c"))
	f.Add([]byte(good))
	for _, text := range badSecrets(good, other) {
		f.Add([]byte(text))
	}
	witness, _, _, err := merkle.GenerateKeypair("witness")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(witness)
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := merkle.ParseSigner(b)
		if err != nil {
			return
		}
		if got := mustMarshal(t, s); got != string(b) {
			t.Errorf("ParseSigner(%q) marshals to %q", b, got)
		}
	})
}

func FuzzNewVerifier(f *testing.F) {
	ed, ml := newLog(f, "log-a").VerifierKeys()
	f.Add("log-a", ed, ml)
	f.Add("log-a", ml, ed)
	f.Add("log-b", ed, ml)
	f.Add("", "", "")
	f.Add("log-a", "log-a+00000000+AQ==", "log-a+00000000+Bg==")
	f.Fuzz(func(t *testing.T, origin, ed, ml string) {
		v, err := merkle.NewVerifier(origin, ed, ml)
		if err != nil {
			return
		}
		if got := v.Origin(); got != origin || !strings.HasPrefix(ed, origin+"+") || !strings.HasPrefix(ml, origin+"+") {
			t.Errorf("NewVerifier(%q, %q, %q) is of origin %q", origin, ed, ml, got)
		}
	})
}
