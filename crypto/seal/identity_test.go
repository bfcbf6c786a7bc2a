package seal

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
)

// testIdentity is a published secret: it must never protect anything.
//
//go:embed testdata/identity.txt
var testIdentity string

// testBody was sealed to it by the stock age tool, v1.3.2.
//
//go:embed testdata/stock.age
var testBody []byte

func TestOpensWhatTheStockToolSealed(t *testing.T) {
	t.Parallel()
	id, err := ParseIdentity(testIdentity)
	if err != nil {
		t.Fatal(err)
	}
	const want = "Rechtshilfeersuchen\n"
	if got, err := openAll(t, testBody, id); err != nil || string(got) != want {
		t.Errorf("testdata/stock.age = %q, %v; want %q", got, err, want)
	}
	if !strings.Contains(testIdentity, "# public key: "+id.Recipient().String()+"\n") {
		t.Error("the recipient is not the one in the file's comment")
	}
}

func TestIdentityFile(t *testing.T) {
	t.Parallel()
	id := generate(t)
	created := time.Date(2001, 2, 3, 4, 5, 6, 7, time.FixedZone("", 3600))
	file := id.File(created)
	lines := strings.Split(string(file), "\n")
	if len(lines) != 4 || lines[0] != "# created: 2001-02-03T03:05:06Z" || lines[1] != "# public key: "+id.Recipient().String() ||
		!strings.HasPrefix(lines[2], "AGE-SECRET-KEY-PQ-1") || lines[3] != "" {
		t.Errorf("the file has not the form that age-keygen writes: %d lines, %q", len(lines), lines[0])
	}
	again, err := ParseIdentity(string(file))
	if err != nil {
		t.Fatalf("ParseIdentity of File: %v", err)
	}
	if again.Recipient().String() != id.Recipient().String() || !bytes.Equal(again.File(created), file) {
		t.Error("another identity comes back")
	}
	if ids, err := age.ParseIdentities(bytes.NewReader(file)); err != nil || len(ids) != 1 {
		t.Errorf("age reads %d identities, %v", len(ids), err)
	}
	if _, err := ParseIdentity(strings.ReplaceAll(string(file), "\n", "\r\n")); err != nil {
		t.Errorf("with CRLF: %v", err)
	}
}

func TestParseIdentityRefuses(t *testing.T) {
	t.Parallel()
	id, second := generate(t), generate(t)
	secret := id.age.String()
	classic, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty":             "",
		"comments":          "# created\n\n",
		"two":               secret + "\n" + second.age.String() + "\n",
		"twice":             secret + "\n" + secret + "\n",
		"classic":           classic.String() + "\n",
		"classic second":    secret + "\n" + classic.String(),
		"lower case":        strings.ToLower(secret),
		"mixed case":        secret[:40] + strings.ToLower(secret[40:]),
		"cut":               secret[:len(secret)-1],
		"prefix only":       "AGE-SECRET-KEY-PQ-1",
		"altered":           secret[:30] + flip(secret[30]) + secret[31:],
		"space before":      " " + secret,
		"space behind":      secret + " ",
		"same line":         secret + secret,
		"recipient":         id.Recipient().String(),
		"plugin":            "AGE-PLUGIN-YUBIKEY-1QQQQ",
		"not UTF-8":         "# \xff\n" + secret,
		"byte order mark":   "\ufeff" + secret,
		"too long":          secret + strings.Repeat("\n", maxIdentityFile),
		"an OpenSSH secret": "-----BEGIN OPENSSH PRIVATE KEY-----\n",
	} {
		got, err := ParseIdentity(text)
		if !errors.Is(err, ErrIdentity) || got != nil {
			t.Errorf("%s: accepted or wrong error: %v", name, err)
			continue
		}
		for n := 0; n+8 <= len(secret)-20; n++ {
			if strings.Contains(err.Error(), secret[20+n:20+n+8]) {
				t.Errorf("%s: the error tells a piece of the secret", name)
				break
			}
		}
	}
}

// flip gives another digit of Bech32.
func flip(c byte) string {
	if c == 'Q' || c == 'q' {
		return string(c - 'Q' + 'P')
	}
	return string("Qq"[c>>5&1])
}

func TestParseRecipient(t *testing.T) {
	t.Parallel()
	id := generate(t)
	text := id.Recipient().String()
	if r, err := ParseRecipient(text); err != nil || r.String() != text || r.Digest() != id.Recipient().Digest() {
		t.Errorf("ParseRecipient(%.20s…) = %.20s…, %v", text, r, err)
	}
	if len(text) != recipientSize {
		t.Errorf("a recipient has %d characters, want %d", len(text), recipientSize)
	}
	classic, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	// R-SEAL-1
	for name, c := range map[string]struct{ text, says string }{
		"empty":       {"", "begin with age1pq1"},
		"classic":     {classic.Recipient().String(), "quantum computer"},
		"plugin":      {"age1yubikey1qqqq", "plugin"},
		"tagged":      {"age1tagpq1qqqq", "plugin"},
		"ssh":         {"ssh-ed25519 AAAA", "begin with age1pq1"},
		"secret":      {id.age.String(), "secret key"},
		"old secret":  {classic.String(), "secret key"},
		"upper case":  {strings.ToUpper(text), "begin with age1pq1"},
		"mixed case":  {text[:100] + strings.ToUpper(text[100:]), "mistyped"},
		"cut":         {text[:len(text)-1], "1958 characters"},
		"longer":      {text + "q", "1960 characters"},
		"newline":     {text + "\n", "1960 characters"},
		"space":       {" " + text, "begin with age1pq1"},
		"altered":     {text[:500] + flip(text[500]) + text[501:], "mistyped"},
		"prefix only": {"age1pq1", "7 characters"},
		"not ASCII":   {text[:500] + "é" + text[502:], "mistyped"},
	} {
		r, err := ParseRecipient(c.text)
		if !errors.Is(err, ErrRecipient) || r != nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v, want one that says %q", name, err, c.says)
			continue
		}
		if len(c.text) > 40 && strings.Contains(err.Error(), c.text[20:40]) {
			t.Errorf("%s: the error quotes the input", name)
		}
	}
}

func TestSecretsPrintRedacted(t *testing.T) {
	t.Parallel()
	id := generate(t)
	_, key := sealed(t, nil, id.Recipient())
	verbs := []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%b", "%o", "%c", "%U", "%40s", "%T"}
	for name, v := range map[string]any{"identity": id, "identity value": *id, "file key": *key, "file key pointer": key, "passphrase": passphrase(t, "correct horse battery staple")} {
		for _, verb := range verbs[:len(verbs)-1] {
			if got := fmt.Sprintf(verb, v); got != redacted {
				t.Errorf("%s with %s prints %q", name, verb, got)
			}
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("m", "k", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "k", v)
		if got := strings.Count(log.String(), redacted); got != 2 {
			t.Errorf("%s in logs: %s", name, log.String())
		}
		if b, err := json.Marshal(v); err == nil {
			t.Errorf("%s marshals to %s", name, b)
		}
		if b, err := json.Marshal(map[string]any{"k": v}); err == nil {
			t.Errorf("%s in a map marshals to %s", name, b)
		}
	}
	// In unexported fields, fmt asks no methods.
	hidden := fmt.Sprintf("%v %+v %#v", struct{ id Identity }{*id}, struct{ id *Identity }{id}, struct{ key *FileKey }{key})
	hidden += fmt.Sprintf("%v %+v %#v", struct{ p Passphrase }{*passphrase(t, "correct horse battery staple")}, struct{ p *Passphrase }{passphrase(t, "correct horse battery staple")}, 1)
	for _, secret := range []string{id.age.String()[20:60], fmt.Sprint(key[:]), fmt.Sprint([16]byte(*key)), fmt.Sprintf("%x", key[:]), "horse"} {
		if strings.Contains(hidden, secret) {
			t.Errorf("a secret shows in %s", hidden)
		}
	}
	if got := fmt.Sprint(Identities{id}); got != "[[redacted]]" {
		t.Errorf("identities print %q", got)
	}
	if got := fmt.Sprintf("%v %s", (*Identity)(nil), (*FileKey)(nil)); strings.Contains(got, "PANIC") {
		t.Errorf("nil pointers print %q", got)
	}
}

// TestForbiddenByFIPSOnly runs itself again with the setting, which is read
// when a program starts: the HPKE library would never return.
func TestForbiddenByFIPSOnly(t *testing.T) {
	t.Parallel()
	if os.Getenv("COMITY_TEST_FIPS") != "" {
		if _, err := GenerateIdentity(); err == nil || !strings.Contains(err.Error(), "fips140=only") {
			t.Errorf("GenerateIdentity says %v", err)
		}
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestForbiddenByFIPSOnly$", "-test.timeout=30s")
	cmd.Env = append(os.Environ(), "COMITY_TEST_FIPS=1", "GODEBUG=fips140=only")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("under GODEBUG=fips140=only: %v\n%s", err, out)
	}
}

func FuzzParseIdentity(f *testing.F) {
	f.Add(testIdentity)
	f.Add(strings.ReplaceAll(testIdentity, "\n", "\r\n"))
	f.Add("AGE-SECRET-KEY-PQ-1QQQQQQ\n")
	f.Add("# nothing\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		id, err := ParseIdentity(text)
		if err != nil {
			if !errors.Is(err, ErrIdentity) || id != nil {
				t.Fatalf("ParseIdentity(%q): %v", text, err)
			}
			return
		}
		file := id.File(time.Unix(0, 0))
		again, err := ParseIdentity(string(file))
		if err != nil || again.Recipient().String() != id.Recipient().String() {
			t.Fatalf("ParseIdentity(%q): what File writes does not come back: %v", text, err)
		}
		if ids, err := age.ParseIdentities(strings.NewReader(text)); err != nil || len(ids) != 1 {
			t.Fatalf("ParseIdentity(%q): age reads %d identities, %v", text, len(ids), err)
		}
	})
}

func FuzzParseRecipient(f *testing.F) {
	id, err := ParseIdentity(testIdentity)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(id.Recipient().String())
	f.Add("age1pq1qqqq")
	f.Add("age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRecipient(s)
		if err != nil {
			if !errors.Is(err, ErrRecipient) {
				t.Fatalf("ParseRecipient(%q): %v", s, err)
			}
			return
		}
		if r.String() != s {
			t.Fatalf("ParseRecipient(%q) writes %q", s, r)
		}
		if w, _, err := Encrypt(io.Discard, r); err == nil {
			w.Close()
		}
	})
}
