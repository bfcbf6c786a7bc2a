package seal

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"filippo.io/age"
)

func passphrase(t testing.TB, text string) *Passphrase {
	t.Helper()
	p, err := NewPassphrase(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// withFactor is a secret protected by the library as it likes, with a work factor.
func withFactor(t testing.TB, text string, factor int, secret []byte) []byte {
	t.Helper()
	to, err := age.NewScryptRecipient(text)
	if err != nil {
		t.Fatal(err)
	}
	to.SetWorkFactor(factor)
	var file bytes.Buffer
	w, err := age.Encrypt(&file, to)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(secret); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func TestProtectThenUnprotect(t *testing.T) {
	p, secret := passphrase(t, "correct horse battery staple"), []byte("a secret\n")
	file, err := p.Protect(secret)
	if err != nil {
		t.Fatal(err)
	}
	if !Protected(file) || Protected(secret) || bytes.Contains(file, secret) {
		t.Errorf("protected: %q", file)
	}
	if got, err := p.Unprotect(file); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := passphrase(t, "correct horse battery stable").Unprotect(file); !errors.Is(err, ErrPassphrase) || got != nil {
		t.Errorf("another passphrase: %q, %v", got, err)
	}
	if again, err := p.Protect(secret); err != nil || bytes.Equal(again, file) {
		t.Errorf("the same secret twice gives the same bytes, %v", err)
	}
	for _, size := range []int{0, MaxSecret + 1} {
		if _, err := p.Protect(make([]byte, size)); err == nil {
			t.Errorf("protected a secret of %d bytes", size)
		}
	}
	longest, err := p.Protect(make([]byte, MaxSecret))
	if err != nil || len(longest) > MaxProtected {
		t.Errorf("the longest secret makes %d bytes, %v", len(longest), err)
	}
}

// Damage is told from a wrong passphrase wherever that can be known: what to do
// about the one is not what to do about the other.
func TestUnprotectRefuses(t *testing.T) {
	const text = "correct horse battery staple"
	p, file := passphrase(t, text), withFactor(t, text, 1, []byte("a secret"))
	altered := func(i int) []byte {
		b := bytes.Clone(file)
		b[i] ^= 1
		return b
	}
	mac := bytes.Index(file, []byte("--- ")) + 4
	for what, bad := range map[string][]byte{
		"nothing":           {},
		"not age":           []byte("-----BEGIN PRIVATE KEY-----\n"),
		"half a header":     file[:60],
		"no content":        file[:mac+44],
		"cut":               file[:len(file)-1],
		"extended":          append(bytes.Clone(file), 0),
		"altered content":   altered(len(file) - 1),
		"altered MAC":       altered(mac),
		"armored":           []byte("-----BEGIN AGE ENCRYPTED FILE-----\n"),
		"sealed to a key":   []byte(intro + "-> X25519 " + strings.Repeat("A", 43) + "\n" + strings.Repeat("A", 43) + "\n--- "),
		"too much work":     bytes.Replace(file, []byte(" 1\n"), fmt.Appendf(nil, " %d\n", MaxWorkFactor+1), 1),
		"far too much work": bytes.Replace(file, []byte(" 1\n"), []byte(" 99999999999999999999\n"), 1),
		"too long":          make([]byte, MaxProtected+1),
		"empty secret":      withFactor(t, text, 1, nil),
	} {
		if got, err := p.Unprotect(bad); !errors.Is(err, ErrProtected) || got != nil {
			t.Errorf("%s: got %q, %v", what, got, err)
		}
	}
}

// Work factors of others open up to the limit, the age tool's own among them.
func TestUnprotectWhatOthersProtected(t *testing.T) {
	const text = "correct horse battery staple"
	for _, factor := range []int{1, WorkFactor, 18} {
		if got, err := passphrase(t, text).Unprotect(withFactor(t, text, factor, []byte("a secret"))); err != nil || string(got) != "a secret" {
			t.Errorf("work factor %d: got %q, %v", factor, got, err)
		}
	}
}

func TestNewPassphrase(t *testing.T) {
	for _, weak := range []string{
		"", strings.Repeat("x", MinPassphrase-1), strings.Repeat("é", MinPassphrase-1), strings.Repeat("x", MaxPassphrase+1),
		"two lines of text\nin it", "a tab\tin a passphrase", "not UTF-8 \xff and so on",
	} {
		_, err := NewPassphrase(weak)
		if !errors.Is(err, ErrWeak) {
			t.Errorf("%q: %v", weak, err)
		} else if weak != "" && strings.Contains(err.Error(), weak) {
			t.Errorf("the error quotes it: %v", err)
		}
	}
	if _, err := NewPassphrase(strings.Repeat("é", MinPassphrase)); err != nil {
		t.Error(err)
	}
	one, other := GeneratePassphrase(), GeneratePassphrase()
	if passphrase(t, one); one == other || len(one) != 34 {
		t.Errorf("generated %q and %q", one, other)
	}
}

// FuzzUnprotect: no file makes it panic, and what opens has an allowed size.
// Files that ask for real work are left out: they cost a fifth of a second each.
func FuzzUnprotect(f *testing.F) {
	const text = "correct horse battery staple"
	file := withFactor(f, text, 1, []byte("a secret"))
	f.Add(file)
	f.Add(file[:len(file)-3])
	f.Add([]byte(intro))
	p := passphrase(f, text)
	f.Fuzz(func(t *testing.T, b []byte) {
		if header := protectedHeader.FindSubmatch(b); header != nil && len(header[1]) > 1 {
			return
		}
		secret, err := p.Unprotect(b)
		if err == nil && (len(secret) == 0 || len(secret) > len(b)) {
			t.Errorf("%d bytes out of %d", len(secret), len(b))
		}
	})
}
