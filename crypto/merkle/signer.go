package merkle

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	fnote "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
)

// Signer holds the two secret keys of one log. Both sign every checkpoint: the
// Ed25519 key for everyone's tools, the ML-DSA-44 key for the years after
// quantum computers. The keys must sign for no other log and for nothing else.
//
// A Signer is safe for concurrent use. It prints as [redacted].
type Signer struct {
	// A pointer, so that a Signer inside somebody's struct prints as an address
	// where fmt cannot call Format.
	keys *logKeys
}

type logKeys struct {
	pair     *pair
	ed25519  note.Signer
	mldsa44  *fnote.SubtreeSigner
	verifier *Verifier
}

// GenerateLog makes the keys of a new log. The origin names the log for ever,
// such as "gateway.example/log/2026": up to MaxName bytes of visible ASCII
// without "+".
func GenerateLog(origin string) (*Signer, error) {
	p, err := generatePair(origin, typeEd25519)
	if err != nil {
		return nil, fmt.Errorf("generate log keys: %w", err)
	}
	return newSigner(p)
}

// ParseSigner reads what Marshal wrote, and nothing else: exactly two lines of
// one name, first Ed25519 (type 0x01), then ML-DSA-44 (type 0x06). Errors never
// repeat the input.
func ParseSigner(b []byte) (*Signer, error) {
	p, err := parsePair(b, typeEd25519)
	if err != nil {
		return nil, fmt.Errorf("parse log keys: %w", err)
	}
	return newSigner(p)
}

func newSigner(p *pair) (*Signer, error) {
	classic, quantum := p.secrets()
	k := &logKeys{pair: p}
	var err error
	if k.ed25519, err = note.NewSigner(classic); err != nil {
		return nil, fmt.Errorf("load Ed25519 key of log %s: %w", p.name, err)
	}
	if k.mldsa44, err = fnote.NewMLDSASigner(quantum); err != nil {
		return nil, fmt.Errorf("load ML-DSA-44 key of log %s: %w", p.name, err)
	}
	vClassic, vQuantum := p.verifierKeys()
	if k.verifier, err = NewVerifier(p.name, vClassic, vQuantum); err != nil {
		return nil, fmt.Errorf("load keys of log %s: %w", p.name, err)
	}
	return &Signer{keys: k}, nil
}

// Marshal returns both secret keys, one line each, as stock tools for signed
// notes read them. The bytes are secret.
func (s *Signer) Marshal() ([]byte, error) { return s.keys.pair.marshal(), nil }

// Origin returns the name of the log.
func (s *Signer) Origin() string { return s.keys.pair.name }

// VerifierKeys returns the texts of the two public keys, for NewVerifier.
func (s *Signer) VerifierKeys() (ed25519, mldsa44 string) { return s.keys.pair.verifierKeys() }

// Verifier returns the verifier of this log's own checkpoints.
func (s *Signer) Verifier() *Verifier { return s.keys.verifier }

// Checkpoint signs the state of the log as of at and returns the note: three
// lines of text, the Ed25519 line, the ML-DSA-44 line, in this order. The note
// is stored and sent as these bytes; signing again gives others.
//
// The caller answers for the statement: size and root must be those of rows
// that commit together with the note, and extend every state signed before
// (R-LOG-4). A signed note that never leaves the process harms nobody; one that
// leaves and is then forgotten is a fork. Of at the whole seconds count.
func (s *Signer) Checkpoint(size int64, root Hash, at time.Time) ([]byte, error) {
	c := Checkpoint{Origin: s.Origin(), Size: size, Root: root, Time: time.Unix(at.Unix(), 0).UTC()}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("sign checkpoint: %w", err)
	}
	if err := checkTime(c.Time); err != nil {
		return nil, fmt.Errorf("sign checkpoint: %w", err)
	}
	signed, err := note.Sign(&note.Note{Text: c.text()}, s.keys.ed25519, dated{s.keys.mldsa44, c})
	if err != nil {
		return nil, fmt.Errorf("sign checkpoint of size %d: %w", size, err)
	}
	// A fault while signing must show now, not in a court: what was signed is
	// verified before anybody commits to it.
	got, err := s.keys.verifier.Checkpoint(signed)
	if err == nil && got != c {
		err = errors.New("it says something else")
	}
	if err != nil {
		return nil, fmt.Errorf("sign checkpoint of size %d: check the signed note: %w", size, err)
	}
	return signed, nil
}

// dated signs one checkpoint as of its Time. The library's own way of signing a
// note would read the machine's clock.
type dated struct {
	*fnote.SubtreeSigner
	c Checkpoint
}

// Sign ignores the text: what it says is in c, and a checkpoint is the subtree
// from leaf 0 to its size.
func (d dated) Sign([]byte) ([]byte, error) {
	return d.SignSubtree(uint64(d.c.Time.Unix()), d.c.Origin, 0, uint64(d.c.Size), d.c.Root[:])
}

const redacted = "[redacted]"

// String, GoString, Format and LogValue keep the keys out of logs and errors.
func (Signer) String() string { return redacted }

// GoString returns [redacted].
func (Signer) GoString() string { return redacted }

// Format prints [redacted] for every verb.
func (Signer) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue logs [redacted].
func (Signer) LogValue() slog.Value { return slog.StringValue(redacted) }
