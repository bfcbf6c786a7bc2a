package merkle

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	fnote "github.com/transparency-dev/formats/note"
)

// Cosigner holds the two secret keys of one witness. A cosignature says: as of
// that time, this is the largest state of this log that I have seen, and it
// extends every state of it that I ever cosigned (c2sp.org/tlog-cosignature).
//
// A Cosigner is safe for concurrent use. It prints as [redacted].
type Cosigner struct {
	// A pointer for the reason that Signer has one.
	keys *witnessKeys
}

type witnessKeys struct {
	pair    *pair
	mldsa44 *fnote.SubtreeSigner
	witness *Witness
}

// ParseCosigner reads the secret that GenerateKeypair made, and nothing else:
// exactly two lines of one name, first Ed25519 (type 0x04), then ML-DSA-44
// (type 0x06). The keys of a log are refused. Errors never repeat the input.
func ParseCosigner(secret []byte) (*Cosigner, error) {
	p, err := parsePair(secret, typeEd25519Cosignature)
	if err != nil {
		return nil, fmt.Errorf("parse witness keys: %w", err)
	}
	_, quantum := p.secrets()
	k := &witnessKeys{pair: p}
	if k.mldsa44, err = fnote.NewMLDSASigner(quantum); err != nil {
		return nil, fmt.Errorf("load ML-DSA-44 key of witness %s: %w", p.name, err)
	}
	vClassic, vQuantum := p.verifierKeys()
	if k.witness, err = NewWitness(vClassic, vQuantum); err != nil {
		return nil, fmt.Errorf("load keys of witness %s: %w", p.name, err)
	}
	return &Cosigner{keys: k}, nil
}

// Name returns the name of the witness.
func (c *Cosigner) Name() string { return c.keys.pair.name }

// VerifierKeys returns the texts of the two public keys, for NewWitness.
func (c *Cosigner) VerifierKeys() (ed25519, mldsa44 string) { return c.keys.pair.verifierKeys() }

// Witness returns the verifier of this witness's own cosignatures.
func (c *Cosigner) Witness() *Witness { return c.keys.witness }

// Cosign signs a log's checkpoint as of at and returns two signature lines,
// the Ed25519 line and the ML-DSA-44 line, both of one time (R-WIT-1). Of at
// the whole seconds count; no clock is read. The lines stand below the note
// with WithCosignatures.
//
// The caller answers for the statement: that the note verified with the log's
// own keys, that it extends what this witness cosigned before, and that this is
// on the disk. The form of the note is checked, its signatures are
// not; a form that is not good is an ErrCheckpoint.
func (c *Cosigner) Cosign(note []byte, at time.Time) ([]byte, error) {
	lines, err := c.cosign(note, at)
	if err != nil {
		return nil, fmt.Errorf("cosign as witness %s: %w", c.Name(), err)
	}
	return lines, nil
}

func (c *Cosigner) cosign(note []byte, at time.Time) ([]byte, error) {
	n, err := parseNote(note)
	if err != nil {
		return nil, err
	}
	if n.Origin == c.Name() {
		return nil, errors.New("the log has the name of the witness")
	}
	if err := checkTime(at); err != nil {
		return nil, err
	}
	seconds := uint64(at.Unix())
	classic := binary.BigEndian.AppendUint64(nil, seconds)
	classic = append(classic, ed25519.Sign(c.keys.pair.ed25519, cosignedText(seconds, n.text))...)
	quantum, err := c.keys.mldsa44.SignSubtree(seconds, n.Origin, 0, uint64(n.Size), n.Root[:])
	if err != nil {
		return nil, err
	}
	w := c.keys.witness
	lines := signatureLine(w.name, w.ed25519.KeyHash(), classic) + signatureLine(w.name, w.mldsa44.KeyHash(), quantum)

	// As with a log's own signature: a fault while signing must show now.
	whole, err := WithCosignatures(note, []byte(lines))
	if err != nil {
		return nil, err
	}
	if got, err := w.Cosignature(whole); err != nil || got.Time.Unix() != at.Unix() {
		return nil, fmt.Errorf("check the cosigned note: %w", errors.Join(errors.New("it says something else"), err))
	}
	return []byte(lines), nil
}

// cosignedText is what the Ed25519 key of a witness signs (R-WIT-1). It names
// neither the witness nor the kind of key, so such a key must sign nothing else.
func cosignedText(seconds uint64, text string) []byte {
	return fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", seconds, text)
}

// signatureLine is one line below a note (c2sp.org/signed-note).
func signatureLine(name string, id uint32, sig []byte) string {
	return "— " + name + " " + base64.StdEncoding.EncodeToString(append(binary.BigEndian.AppendUint32(nil, id), sig...)) + "\n"
}

// String, GoString, Format and LogValue keep the keys out of logs and errors.
func (Cosigner) String() string { return redacted }

// GoString returns [redacted].
func (Cosigner) GoString() string { return redacted }

// Format prints [redacted] for every verb.
func (Cosigner) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue logs [redacted].
func (Cosigner) LogValue() slog.Value { return slog.StringValue(redacted) }
