package merkle_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/transparency-dev/formats/log"
	fnote "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"

	"comity/crypto/merkle"
)

// A log's own note, taken apart so that tests can put it together wrongly.
type parts struct {
	signer           *merkle.Signer
	verifier         *merkle.Verifier
	text             string
	classic, quantum string // signature lines
}

func newParts(tb testing.TB) parts {
	tb.Helper()
	s := newLog(tb, origin)
	signed := string(mustSign(tb, s, 7, newTree(tb, 7)))
	text, sigs, _ := strings.Cut(signed, "\n\n")
	classic, quantum, _ := strings.Cut(sigs, "\n")
	return parts{s, newVerifier(tb, s), text + "\n", classic + "\n", quantum}
}

func (p parts) note(lines ...string) string { return p.text + "\n" + strings.Join(lines, "") }

// resigned signs any text with both keys of the log.
func (p parts) resigned(tb testing.TB, text string) string {
	tb.Helper()
	secret, err := p.signer.Marshal()
	if err != nil {
		tb.Fatal(err)
	}
	lines := strings.Split(string(secret), "\n")
	classic, err := note.NewSigner(lines[0])
	if err != nil {
		tb.Fatal(err)
	}
	quantum, err := fnote.NewMLDSASigner(lines[1])
	if err != nil {
		tb.Fatal(err)
	}
	signed, err := note.Sign(&note.Note{Text: text}, classic, quantum)
	if err != nil {
		tb.Fatal(err)
	}
	return string(signed)
}

// dated signs the text of p with a time of the test's choice in the ML-DSA-44 line.
func (p parts) dated(tb testing.TB, seconds uint64) string {
	tb.Helper()
	secret, err := p.signer.Marshal()
	if err != nil {
		tb.Fatal(err)
	}
	quantum, err := fnote.NewMLDSASigner(strings.Split(string(secret), "\n")[1])
	if err != nil {
		tb.Fatal(err)
	}
	var c log.Checkpoint
	if _, err := c.Unmarshal([]byte(p.text)); err != nil {
		tb.Fatal(err)
	}
	sig, err := quantum.SignSubtree(seconds, c.Origin, 0, c.Size, c.Hash)
	if err != nil {
		tb.Fatal(err)
	}
	return p.note(p.classic, line(origin, quantum.KeyHash(), sig))
}

func line(name string, id uint32, sig []byte) string {
	return fmt.Sprintf("— %s %s\n", name, base64.StdEncoding.EncodeToString(append(binary.BigEndian.AppendUint32(nil, id), sig...)))
}

// foreign is the line of a witness nobody here knows.
func foreign(n int) string {
	return line(fmt.Sprintf("witness-%d.example", n), uint32(n), bytes.Repeat([]byte{byte(n)}, 72))
}

func foreigners(n int) []string {
	var lines []string
	for i := range n {
		lines = append(lines, foreign(i))
	}
	return lines
}

func idOf(line string) uint32 {
	raw, _ := base64.StdEncoding.DecodeString(strings.TrimSpace(line[strings.LastIndex(line, " ")+1:]))
	return binary.BigEndian.Uint32(raw)
}

// flip puts another character of base64 at one place.
func flip(s string, at int) string {
	i := strings.IndexByte(base64Alphabet, s[at])
	return s[:at] + base64Alphabet[(i+1)%64:][:1] + s[at+1:]
}

// loosen sets the two spare bits of the last character of base64 that ends in
// one "=": a lenient decoder reads the same bytes.
func loosen(s string) string {
	at := strings.LastIndexByte(s, '=') - 1
	i := strings.IndexByte(base64Alphabet, s[at])
	return s[:at] + base64Alphabet[i|3:][:1] + s[at+1:]
}

const base64Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
