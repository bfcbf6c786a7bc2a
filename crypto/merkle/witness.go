package merkle

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"filippo.io/mldsa"
	fnote "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
)

var (
	// ErrCosignature is in the chain of every error about a cosignature that is
	// missing or wrong.
	ErrCosignature = errors.New("cosignature not valid")
	// ErrNotCosigned is in the chain too when nothing is wrong, but one of the
	// witness's two lines, or both, are not there.
	ErrNotCosigned = errors.New("not cosigned")
)

// Witness checks the cosignatures of one witness. It is safe for concurrent use.
type Witness struct {
	name    string
	ed25519 note.Verifier
	mldsa44 note.Verifier
}

// Cosignature is what a witness said about a checkpoint.
type Cosignature struct {
	Witness string // its name
	// Time is when it cosigned, as it says itself: whole seconds, UTC. Both
	// signatures cover it.
	Time time.Time
}

// NewWitness makes a verifier from the texts of a witness's two public keys
// (c2sp.org/signed-note, types 0x04 and 0x06). Both carry one name, and each
// text must be the one spelling of its key. The keys of a log are refused.
func NewWitness(ed25519Key, mldsa44Key string) (*Witness, error) {
	name, _, _ := strings.Cut(ed25519Key, "+")
	if err := checkName(name); err != nil {
		return nil, fmt.Errorf("load witness keys: %w", err)
	}
	w := &Witness{name: name}
	var err error
	if err = checkVerifierKey(name, ed25519Key, typeEd25519Cosignature, ed25519.PublicKeySize); err != nil {
		return nil, fmt.Errorf("load Ed25519 key of witness %s: %w", name, err)
	}
	if w.ed25519, err = fnote.NewVerifierForCosignatureV1(ed25519Key); err != nil {
		return nil, fmt.Errorf("load Ed25519 key of witness %s: %w", name, err)
	}
	if err = checkVerifierKey(name, mldsa44Key, typeMLDSA44, mldsa.MLDSA44PublicKeySize); err != nil {
		return nil, fmt.Errorf("load ML-DSA-44 key of witness %s: %w", name, err)
	}
	if w.mldsa44, err = fnote.NewMLDSAVerifier(mldsa44Key); err != nil {
		return nil, fmt.Errorf("load ML-DSA-44 key of witness %s: %w", name, err)
	}
	if w.ed25519.KeyHash() == w.mldsa44.KeyHash() {
		return nil, fmt.Errorf("load keys of witness %s: both keys have one id", name)
	}
	return w, nil
}

// LineStart returns how each signature line begins that is made with a verifier
// key: its name, and of the base64 behind it the letters that the key's id alone
// decides. No other key of that name has the same, but by an accident of 30 bits.
func LineStart(key string) (string, error) {
	name, rest, _ := strings.Cut(key, "+")
	id, _, found := strings.Cut(rest, "+")
	raw, err := hex.DecodeString(id)
	if err := checkName(name); err != nil {
		return "", fmt.Errorf("begin a line: %w", err)
	}
	if !found || err != nil || len(raw) != 4 {
		return "", fmt.Errorf("begin a line of %s: the key has no id", name)
	}
	return "— " + name + " " + base64.StdEncoding.EncodeToString(raw)[:5], nil
}

// Name returns the name of the witness.
func (w *Witness) Name() string { return w.name }

// Cosignature verifies that this witness cosigned the note: both of its lines
// are there, right, and of one time (R-WIT-2). The log's own signatures are for
// Verifier.Checkpoint. A note whose form is not good is an ErrCheckpoint; every
// other refusal is an ErrCosignature, and an ErrNotCosigned too when it is only
// that a line is missing.
func (w *Witness) Cosignature(note []byte) (Cosignature, error) {
	c, _, err := w.Lines(note)
	return c, err
}

// Lines verifies as Cosignature does and returns the witness's own two lines,
// Ed25519 first, without those of anybody else.
func (w *Witness) Lines(note []byte) (Cosignature, []byte, error) {
	n, err := parseNote(note)
	if err != nil {
		return Cosignature{}, nil, fmt.Errorf("verify cosignature of %s: %w", w.name, err)
	}
	classic, err1 := n.verify(w.ed25519)
	quantum, err2 := n.verify(w.mldsa44)
	if err := errors.Join(err1, err2); err != nil {
		return Cosignature{}, nil, w.refusal(err1, err2)
	}
	at, err1 := fnote.CoSigV1Timestamp(classic)
	other, err2 := fnote.CoSigV1Timestamp(quantum)
	if err := errors.Join(err1, err2, checkTime(at)); err != nil {
		return Cosignature{}, nil, fmt.Errorf("verify cosignature of %s: %w: %w", w.name, ErrCosignature, err)
	}
	if !at.Equal(other) {
		return Cosignature{}, nil, fmt.Errorf("verify cosignature of %s: %w: its two lines are of different times", w.name, ErrCosignature)
	}
	return Cosignature{Witness: w.name, Time: at.UTC()}, []byte(rawLine(classic) + rawLine(quantum)), nil
}

// refusal tells a missing line from a wrong one: a wrong one is an accusation.
func (w *Witness) refusal(classic, quantum error) error {
	if errors.Is(classic, errWrong) || errors.Is(quantum, errWrong) {
		return fmt.Errorf("verify cosignature of %s: %w: a signature is wrong", w.name, ErrCosignature)
	}
	which := "both lines are missing"
	switch {
	case classic == nil:
		which = "the ML-DSA-44 line is missing"
	case quantum == nil:
		which = "the Ed25519 line is missing"
	}
	return fmt.Errorf("verify cosignature of %s: %w: %w: %s", w.name, ErrCosignature, ErrNotCosigned, which)
}

func rawLine(s note.Signature) string { return "— " + s.Name + " " + s.Base64 + "\n" }

// WithCosignatures returns the note with these signature lines added, or in
// place of older ones by the same keys. The lines stand in one order, whatever
// the order they came in: those of the log's own name first, as they were, then
// by name, and of one name the shorter kind first. Nothing is verified but the
// form; a form that is not good, and more than MaxCosignatures, is an
// ErrCheckpoint.
func WithCosignatures(note, lines []byte) ([]byte, error) {
	n, err := parseNote(note)
	if err != nil {
		return nil, fmt.Errorf("add cosignatures: %w", err)
	}
	added, err := openUnverified(append([]byte(n.text+"\n"), lines...))
	if err == nil && added.Text != n.text {
		err = fmt.Errorf("%w: more than signature lines", ErrCheckpoint)
	}
	if err != nil {
		return nil, fmt.Errorf("add cosignatures: %w", err)
	}
	all := slices.Clone(n.lines)
	for _, line := range added.UnverifiedSigs {
		i := slices.IndexFunc(all, func(old signature) bool { return old.Name == line.Name && old.Hash == line.Hash })
		if i < 0 {
			all = append(all, line)
		} else {
			all[i] = line
		}
	}
	slices.SortStableFunc(all, func(a, b signature) int { return compareLines(n.Origin, a, b) })
	out := n.text + "\n"
	for _, line := range all {
		out += rawLine(line)
	}
	if _, err := parseNote([]byte(out)); err != nil { // the limits
		return nil, fmt.Errorf("add cosignatures: %w", err)
	}
	return []byte(out), nil
}

type signature = note.Signature

func compareLines(origin string, a, b signature) int {
	switch ownA, ownB := a.Name == origin, b.Name == origin; {
	case ownA && ownB:
		return 0
	case ownA:
		return -1
	case ownB:
		return 1
	}
	if c := strings.Compare(a.Name, b.Name); c != 0 {
		return c
	}
	if c := len(a.Base64) - len(b.Base64); c != 0 {
		return c
	}
	return strings.Compare(a.Base64, b.Base64)
}
