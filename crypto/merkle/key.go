package merkle

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"filippo.io/mldsa"
)

// Signature types of c2sp.org/signed-note. The type is part of a key's text and
// of its id, so a witness's Ed25519 key can never be loaded as a log's.
const (
	typeEd25519            = 0x01 // a log's signature over the whole text
	typeEd25519Cosignature = 0x04 // a witness's timestamped cosignature
	typeMLDSA44            = 0x06 // timestamped (co)signature over origin, size and root
)

// seedSize is the size of both kinds of secret keys.
const seedSize = 32

// keyID is the four bytes by which a signature line names its key:
// SHA-256(name ‖ "\n" ‖ type ‖ public key), cut (signed-note).
func keyID(name string, kind byte, public []byte) []byte {
	h := sha256.New()
	h.Write([]byte(name + "\n"))
	h.Write([]byte{kind})
	h.Write(public)
	return h.Sum(nil)[:4]
}

// verifierKey is the text of a public key: name+id+base64(type ‖ key).
func verifierKey(name string, kind byte, public []byte) string {
	return fmt.Sprintf("%s+%x+%s", name, keyID(name, kind, public), keyText(kind, public))
}

func keyText(kind byte, key []byte) string {
	return base64.StdEncoding.EncodeToString(append([]byte{kind}, key...))
}

// checkVerifierKey refuses all but the one text of a public key of this name,
// type and size. The libraries would pass a wrong id (ML-DSA) or spare bits in
// the last character, and one key could then be published under two texts.
func checkVerifierKey(name, text string, kind byte, size int) error {
	prefix := name + "+"
	if !strings.HasPrefix(text, prefix) {
		return errors.New("not a verifier key of this name")
	}
	_, encoded, _ := strings.Cut(text[len(prefix):], "+")
	if len(encoded) != base64.StdEncoding.EncodedLen(1+size) {
		return fmt.Errorf("want %d bytes of key of type %#02x", size, kind)
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(key) != 1+size || key[0] != kind || verifierKey(name, kind, key[1:]) != text {
		return fmt.Errorf("not the text of a key of type %#02x", kind)
	}
	return nil
}

// pair is the two secret keys that a log or a witness signs with. Its text is
// two lines in the form that stock tools for signed notes read.
type pair struct {
	name    string
	kind    byte // of the Ed25519 key: a log's or a witness's
	ed25519 ed25519.PrivateKey
	mldsa   *mldsa.PrivateKey
}

func generatePair(name string, kind byte) (*pair, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	_, classic, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate Ed25519 key of %s: %w", name, err)
	}
	quantum, err := mldsa.GenerateKey(mldsa.MLDSA44())
	if err != nil {
		return nil, fmt.Errorf("generate ML-DSA-44 key of %s: %w", name, err)
	}
	return &pair{name: name, kind: kind, ed25519: classic, mldsa: quantum}, nil
}

// secrets returns the texts of the two secret keys.
func (p *pair) secrets() (classic, quantum string) {
	text := func(kind byte, public, seed []byte) string {
		return fmt.Sprintf("PRIVATE+KEY+%s+%x+%s", p.name, keyID(p.name, kind, public), keyText(kind, seed))
	}
	return text(p.kind, p.ed25519.Public().(ed25519.PublicKey), p.ed25519.Seed()),
		text(typeMLDSA44, p.mldsa.PublicKey().Bytes(), p.mldsa.Bytes())
}

// marshal returns the two secret keys, one line each, Ed25519 first.
func (p *pair) marshal() []byte {
	classic, quantum := p.secrets()
	return []byte(classic + "\n" + quantum + "\n")
}

// verifierKeys returns the texts of the two public keys.
func (p *pair) verifierKeys() (classic, quantum string) {
	return verifierKey(p.name, p.kind, p.ed25519.Public().(ed25519.PublicKey)),
		verifierKey(p.name, typeMLDSA44, p.mldsa.PublicKey().Bytes())
}

// errSecret says all that may be said about a secret that does not parse.
var errSecret = errors.New("not the two lines of an Ed25519 and an ML-DSA-44 note key of one name")

// parsePair reads what marshal wrote, and nothing else. No error repeats any
// of the input.
func parsePair(b []byte, kind byte) (*pair, error) {
	if len(b) > MaxSecret {
		return nil, errSecret
	}
	lines := strings.Split(string(b), "\n")
	if len(lines) != 3 {
		return nil, errSecret
	}
	name, seed, err := parseSecret(lines[0])
	if err != nil {
		return nil, err
	}
	_, quantumSeed, err := parseSecret(lines[1])
	if err != nil {
		return nil, err
	}
	quantum, err := mldsa.NewPrivateKey(mldsa.MLDSA44(), quantumSeed)
	if err != nil {
		return nil, errSecret
	}
	p := &pair{name: name, kind: kind, ed25519: ed25519.NewKeyFromSeed(seed), mldsa: quantum}
	if string(p.marshal()) != string(b) { // types, ids, the second name, spare bits
		return nil, errSecret
	}
	return p, nil
}

func parseSecret(line string) (name string, seed []byte, err error) {
	parts := strings.SplitN(line, "+", 5)
	if len(parts) != 5 || checkName(parts[2]) != nil {
		return "", nil, errSecret
	}
	key, err := base64.StdEncoding.DecodeString(parts[4])
	if err != nil || len(key) != 1+seedSize {
		return "", nil, errSecret
	}
	return parts[2], key[1:], nil
}

// GenerateKeypair makes the keys with which a node cosigns other logs'
// checkpoints as a witness: the secret is two lines, an Ed25519 cosigning key
// (type 0x04) and an ML-DSA-44 key (type 0x06), as stock tools for
// c2sp.org/tlog-cosignature read them; ed25519 and mldsa44 are the public keys'
// texts. The name is up to MaxName bytes of visible ASCII without "+" and must
// not be the origin of a log. ParseSigner refuses the secret.
func GenerateKeypair(name string) (secret []byte, ed25519, mldsa44 string, err error) {
	p, err := generatePair(name, typeEd25519Cosignature)
	if err != nil {
		return nil, "", "", fmt.Errorf("generate witness keys: %w", err)
	}
	ed25519, mldsa44 = p.verifierKeys()
	return p.marshal(), ed25519, mldsa44, nil
}
