package merkle

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"

	"filippo.io/mldsa"
	fnote "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
)

// Verifier checks checkpoints and proofs of one log. It is safe for concurrent
// use and must not be copied.
type Verifier struct {
	origin  string
	ed25519 note.Verifier
	mldsa44 note.Verifier
	known   verified
}

// NewVerifier makes a verifier from the texts of a log's two public keys
// (c2sp.org/signed-note, types 0x01 and 0x06). Both keys must carry the origin
// as their name, and each text must be the one spelling of its key.
func NewVerifier(origin, ed25519Key, mldsa44Key string) (*Verifier, error) {
	if err := checkName(origin); err != nil {
		return nil, fmt.Errorf("load log keys: %w", err)
	}
	v := &Verifier{origin: origin}
	var err error
	if err = checkVerifierKey(origin, ed25519Key, typeEd25519, ed25519.PublicKeySize); err != nil {
		return nil, fmt.Errorf("load Ed25519 key of log %s: %w", origin, err)
	}
	if v.ed25519, err = note.NewVerifier(ed25519Key); err != nil {
		return nil, fmt.Errorf("load Ed25519 key of log %s: %w", origin, err)
	}
	if err = checkVerifierKey(origin, mldsa44Key, typeMLDSA44, mldsa.MLDSA44PublicKeySize); err != nil {
		return nil, fmt.Errorf("load ML-DSA-44 key of log %s: %w", origin, err)
	}
	if v.mldsa44, err = fnote.NewMLDSAVerifier(mldsa44Key); err != nil {
		return nil, fmt.Errorf("load ML-DSA-44 key of log %s: %w", origin, err)
	}
	if v.ed25519.KeyHash() == v.mldsa44.KeyHash() {
		return nil, fmt.Errorf("load keys of log %s: both keys have one id", origin)
	}
	return v, nil
}

// Origin returns the name of the log.
func (v *Verifier) Origin() string { return v.origin }

// Checkpoint verifies a checkpoint note of this log: both of the log's
// signatures are there and right (R-LOG-2; a parser that is content with one
// would let an attacker strip the other), the origin is this log's, and the
// note is in its one spelling. Up to MaxCosignatures lines of other keys may
// stand anywhere among the signatures, one for each key; they are not verified.
//
// It does not compare Time with a clock, nor the state with earlier ones. Every
// refusal is an ErrCheckpoint.
func (v *Verifier) Checkpoint(signed []byte) (Checkpoint, error) {
	if len(signed) > MaxCheckpoint { // before hashing it
		return Checkpoint{}, fmt.Errorf("verify checkpoint of log %s: %w: %d bytes", v.origin, ErrCheckpoint, len(signed))
	}
	digest := sha256.Sum256(signed)
	if c, ok := v.known.get(digest); ok {
		return c, nil
	}
	c, err := v.verify(signed)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("verify checkpoint of log %s: %w", v.origin, err)
	}
	v.known.put(digest, c)
	return c, nil
}

// Bare verifies a checkpoint note as Checkpoint does and returns it with the
// log's own two signature lines alone, in the order of Signer.Checkpoint: what
// others wrote below it, nobody here has verified.
func (v *Verifier) Bare(signed []byte) (Checkpoint, []byte, error) {
	c, err := v.Checkpoint(signed)
	if err != nil {
		return Checkpoint{}, nil, err
	}
	n, err := parseNote(signed)
	if err != nil {
		return Checkpoint{}, nil, err
	}
	bare := n.text + "\n"
	for _, key := range []note.Verifier{v.ed25519, v.mldsa44} {
		line, _ := n.signature(key.Name(), key.KeyHash())
		bare += rawLine(line)
	}
	return c, []byte(bare), nil
}

func (v *Verifier) verify(signed []byte) (Checkpoint, error) {
	n, err := parseNote(signed)
	if err != nil {
		return Checkpoint{}, err
	}
	if n.Origin != v.origin {
		return Checkpoint{}, fmt.Errorf("%w: it is of log %s", ErrCheckpoint, n.Origin)
	}
	if _, err := n.verify(v.ed25519); err != nil {
		return Checkpoint{}, fmt.Errorf("%w: Ed25519 %w", ErrCheckpoint, err)
	}
	line, err := n.verify(v.mldsa44)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: ML-DSA-44 %w", ErrCheckpoint, err)
	}
	at, err := fnote.CoSigV1Timestamp(line)
	if err == nil {
		err = checkTime(at)
	}
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	c := n.Checkpoint
	c.Origin = v.origin // the same text, without holding on to the note
	c.Time = at.UTC()
	return c, nil
}

var (
	errMissing = errors.New("signature is missing")
	errWrong   = errors.New("signature is wrong")
)

// verify finds the line of key and verifies it.
func (s *signedNote) verify(key note.Verifier) (note.Signature, error) {
	line, ok := s.signature(key.Name(), key.KeyHash())
	if !ok {
		return line, errMissing
	}
	sig, err := base64.StdEncoding.DecodeString(line.Base64)
	if err != nil || len(sig) < 4 || !key.Verify([]byte(s.text), sig[4:]) { // four bytes of key id
		return line, errWrong
	}
	return line, nil
}

// maxVerified is how many checkpoints a Verifier remembers as verified. All
// evidence of one commit shares a checkpoint, and a peer's evidence arrives in
// that order, so a few are enough; 64 take 10 kB.
const maxVerified = 64

// verified remembers the digests of notes that verified, and only of those.
// Hashing a note takes a hundredth of the time of verifying it (see the
// benchmark). Somebody who appends ever new foreign lines to a genuine note can
// push entries out, which costs time and nothing else.
type verified struct {
	mu    sync.Mutex
	notes map[[sha256.Size]byte]Checkpoint // guarded by mu
	order [][sha256.Size]byte              // a ring, oldest at next; guarded by mu
	next  int                              // guarded by mu
}

func (k *verified) get(digest [sha256.Size]byte) (Checkpoint, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c, ok := k.notes[digest]
	return c, ok
}

func (k *verified) put(digest [sha256.Size]byte, c Checkpoint) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, ok := k.notes[digest]; ok { // another goroutine was faster
		return
	}
	if k.notes == nil {
		k.notes = make(map[[sha256.Size]byte]Checkpoint)
	}
	if len(k.order) < maxVerified {
		k.order = append(k.order, digest)
	} else {
		delete(k.notes, k.order[k.next])
		k.order[k.next] = digest
		k.next = (k.next + 1) % maxVerified
	}
	k.notes[digest] = c
}
