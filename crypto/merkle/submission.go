package merkle

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// ErrSubmission is in the chain of every error about the body of add-checkpoint
// that is malformed.
var ErrSubmission = errors.New("submission of a checkpoint not valid")

// MaxSubmission is the largest body of add-checkpoint, in bytes: a checkpoint,
// MaxHashes lines of 45 bytes, and one line with a size.
const MaxSubmission = MaxCheckpoint + 4<<10

// Submission is what a log sends to a witness: the body of add-checkpoint
// (c2sp.org/tlog-witness).
type Submission struct {
	Old        int64  // the size that the log believes the witness cosigned last; 0: none
	Proof      []Hash // that Checkpoint extends the state of size Old (ProveConsistency)
	Checkpoint []byte // the note, verbatim
}

// Marshal returns the body: "old <size>", a line for each hash, an empty line,
// the note. What no log can send becomes a text that ParseSubmission refuses.
func (s Submission) Marshal() []byte {
	b := fmt.Appendf(nil, "old %d\n", s.Old)
	for _, h := range s.Proof {
		b = append(b, h.String()...)
		b = append(b, '\n')
	}
	b = append(b, '\n')
	return append(b, s.Checkpoint...)
}

// ParseSubmission reads the body of add-checkpoint, and accepts exactly what
// Marshal writes. It checks the form only, that of the note included, and that
// the checkpoint is not smaller than Old; it returns also what the note claims
// to be, without a time. No signature and no hash is verified. The result
// shares no memory with b. Every refusal is an ErrSubmission; the specification
// answers it with status 400.
func ParseSubmission(b []byte) (*Submission, Checkpoint, error) {
	s, c, err := parseSubmission(b)
	if err != nil {
		return nil, Checkpoint{}, fmt.Errorf("parse submission of a checkpoint: %w: %w", ErrSubmission, err)
	}
	return s, c, nil
}

func parseSubmission(b []byte) (*Submission, Checkpoint, error) {
	if len(b) > MaxSubmission {
		return nil, Checkpoint{}, fmt.Errorf("%d bytes, more than %d", len(b), MaxSubmission)
	}
	head, signed, found := bytes.Cut(b, []byte("\n\n"))
	if !found {
		return nil, Checkpoint{}, errors.New("no empty line before the note")
	}
	lines := strings.Split(string(head), "\n")
	if len(lines) > 1+MaxHashes {
		return nil, Checkpoint{}, fmt.Errorf("%d hashes, more than %d", len(lines)-1, MaxHashes)
	}
	size, found := strings.CutPrefix(lines[0], "old ")
	old, err := strconv.ParseInt(size, 10, 64)
	if !found || err != nil || old < 0 || old > MaxSize {
		return nil, Checkpoint{}, errors.New("the first line is not \"old\" and a size")
	}
	s := &Submission{Old: old, Checkpoint: bytes.Clone(signed)}
	for i, line := range lines[1:] {
		h, err := tlog.ParseHash(line)
		if err != nil {
			return nil, Checkpoint{}, fmt.Errorf("line %d is not a hash", i+2)
		}
		s.Proof = append(s.Proof, h)
	}
	if !bytes.Equal(s.Marshal(), b) { // leading zeroes, signs, spare bits
		return nil, Checkpoint{}, errors.New("not in the one spelling")
	}
	n, err := parseNote(s.Checkpoint)
	if err != nil {
		return nil, Checkpoint{}, err
	}
	if old > n.Size {
		return nil, Checkpoint{}, fmt.Errorf("the checkpoint of size %d is smaller than the old size %d", n.Size, old)
	}
	return s, n.Checkpoint, nil
}
