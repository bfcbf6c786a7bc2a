package merkle

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/transparency-dev/formats/log"
	"golang.org/x/mod/sumdb/note"
)

// Checkpoint is one signed state of a log (c2sp.org/tlog-checkpoint). Values
// can be compared with ==.
type Checkpoint struct {
	Origin string // names the log; also the name of its keys
	Size   int64  // number of leaves
	Root   Hash   // over the first Size leaves
	// Time is when the log signed, as it says itself: whole seconds, UTC. It
	// comes from the ML-DSA-44 signature and is covered by it; the Ed25519
	// signature says nothing about time.
	Time time.Time
}

// lastSecond is the end of the year 9999, beyond which times have no RFC 3339
// text.
const lastSecond = 253402300799

// check says whether the statement is one that a log can make.
func (c Checkpoint) check() error {
	if err := checkName(c.Origin); err != nil {
		return err
	}
	if c.Size < 0 || c.Size > MaxSize {
		return fmt.Errorf("size %d is not a size of a log", c.Size)
	}
	if c.Size == 0 && c.Root != emptyRoot {
		return errors.New("the root of an empty log is not that of an empty tree")
	}
	return nil
}

// text is the body of the note: three lines, no extension.
func (c Checkpoint) text() string {
	return string(log.Checkpoint{Origin: c.Origin, Size: uint64(c.Size), Hash: c.Root[:]}.Marshal())
}

// checkTime refuses moments that a signature cannot carry or that have no text.
// Zero would mean "no statement about time" (tlog-cosignature), which a log
// must make.
func checkTime(t time.Time) error {
	if s := t.Unix(); s <= 0 || s > lastSecond {
		return fmt.Errorf("time %d s is outside the years 1970 to 9999", s)
	}
	return nil
}

// signedNote is a checkpoint note of good form; nothing in it is verified.
type signedNote struct {
	Checkpoint // Time is not set
	text       string
	lines      []note.Signature
}

// parseNote checks the form of a checkpoint note. The libraries' parsers would
// let pass a short root, a size of "07", extension lines, repeated signatures
// and spare bits in base64, so everything is written again and compared: a note
// that passes has exactly one spelling.
func parseNote(b []byte) (*signedNote, error) {
	if len(b) > MaxCheckpoint {
		return nil, fmt.Errorf("%w: %d bytes, more than %d", ErrCheckpoint, len(b), MaxCheckpoint)
	}
	n, err := openUnverified(b)
	if err != nil {
		return nil, err
	}
	var head log.Checkpoint
	rest, err := head.Unmarshal([]byte(n.Text))
	if err != nil || len(rest) != 0 || len(head.Hash) != sha256.Size || head.Size > MaxSize {
		return nil, fmt.Errorf("%w: the text is not origin, size and root in three lines", ErrCheckpoint)
	}
	s := &signedNote{text: n.Text, lines: n.UnverifiedSigs}
	s.Checkpoint = Checkpoint{Origin: head.Origin, Size: int64(head.Size), Root: Hash(head.Hash)}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	if s.Checkpoint.text() != s.text {
		return nil, fmt.Errorf("%w: the text is not in the one spelling", ErrCheckpoint)
	}
	return s, nil
}

// openUnverified splits a note into text and signature lines, without keys.
func openUnverified(b []byte) (*note.Note, error) {
	var unverified *note.UnverifiedNoteError
	if _, err := note.Open(b, note.VerifierList()); !errors.As(err, &unverified) {
		return nil, fmt.Errorf("%w: not a signed note", ErrCheckpoint)
	}
	n := unverified.Note
	if len(n.UnverifiedSigs) > 2+MaxCosignatures {
		return nil, fmt.Errorf("%w: %d signatures, more than %d", ErrCheckpoint, len(n.UnverifiedSigs), 2+MaxCosignatures)
	}
	// Without signers this writes the lines as they were read, but each once.
	if again, err := note.Sign(n); err != nil || !bytes.Equal(again, b) {
		return nil, fmt.Errorf("%w: the note is not in the one spelling", ErrCheckpoint)
	}
	type key struct {
		name string
		id   uint32
	}
	seen := make(map[key]bool, len(n.UnverifiedSigs))
	for _, line := range n.UnverifiedSigs {
		if _, err := base64.StdEncoding.Strict().DecodeString(line.Base64); err != nil {
			return nil, fmt.Errorf("%w: a signature is not in the one spelling of base64", ErrCheckpoint)
		}
		k := key{line.Name, line.Hash}
		if seen[k] {
			return nil, fmt.Errorf("%w: two signatures by one key", ErrCheckpoint)
		}
		seen[k] = true
	}
	return n, nil
}

// signature returns the line of one key.
func (s *signedNote) signature(name string, id uint32) (note.Signature, bool) {
	for _, line := range s.lines {
		if line.Name == name && line.Hash == id {
			return line, true
		}
	}
	return note.Signature{}, false
}
