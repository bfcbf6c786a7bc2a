package merkle

import (
	"bytes"
	"fmt"

	"github.com/transparency-dev/formats/proof"
)

// extraSize is what a proof carries beside the path: salt, document digest,
// signature digest (R-LOG-5).
const extraSize = SaltSize + 32 + 32

// Proof shows offline that a log has a leaf for one signed document
// (c2sp.org/tlog-proof, file extension .tlog-proof).
type Proof struct {
	Index      int64          // of the leaf, below the checkpoint's size
	Hashes     []Hash         // audit path, the leaf's sibling first (RFC 6962 section 2.1.1)
	Checkpoint []byte         // the note, verbatim
	Salt       [SaltSize]byte // with the digests: what the leaf is made of
	Document   [32]byte       // SHA-256 of the document's bytes
	Signature  [32]byte       // SHA-256 of the signature's bytes
}

// Leaf returns the leaf that the proof speaks of, made anew from salt and
// digests.
func (p Proof) Leaf() Leaf { return NewLeaf(p.Salt, p.Document, p.Signature) }

// Marshal returns the text of the proof. For an Index or a Checkpoint that no
// log can have, the text is one that ParseProof refuses.
func (p Proof) Marshal() []byte {
	extra := make([]byte, 0, extraSize)
	extra = append(extra, p.Salt[:]...)
	extra = append(extra, p.Document[:]...)
	extra = append(extra, p.Signature[:]...)
	t := proof.TLogProof{Index: uint64(p.Index), Checkpoint: p.Checkpoint, ExtraData: extra}
	for _, h := range p.Hashes {
		t.Hashes = append(t.Hashes, h)
	}
	return t.Marshal()
}

// ParseProof reads the text of a proof of at most max (and MaxProof) bytes. It
// checks the form only, that of the checkpoint inside included, and accepts
// exactly what Marshal writes; nothing is verified, see Verifier.Proof. The
// result shares no memory with b. Every refusal is an ErrProof.
func ParseProof(b []byte, max int) (*Proof, error) {
	p, err := parseProof(b, max)
	if err != nil {
		return nil, err
	}
	n, err := parseNote(p.Checkpoint)
	if err != nil {
		return nil, fmt.Errorf("parse log proof: %w: %w", ErrProof, err)
	}
	if p.Index >= n.Size {
		return nil, fmt.Errorf("parse log proof: %w: leaf %d is not in a log of size %d", ErrProof, p.Index, n.Size)
	}
	return p, nil
}

// parseProof leaves the checkpoint inside unread.
func parseProof(b []byte, max int) (*Proof, error) {
	if len(b) > min(max, MaxProof) {
		return nil, fmt.Errorf("parse log proof: %w: %d bytes, more than %d", ErrProof, len(b), min(max, MaxProof))
	}
	var t proof.TLogProof
	if err := t.Unmarshal(b); err != nil {
		return nil, fmt.Errorf("parse log proof: %w: not a c2sp.org/tlog-proof@v1", ErrProof)
	}
	if len(t.Hashes) > MaxHashes {
		return nil, fmt.Errorf("parse log proof: %w: %d hashes, more than %d", ErrProof, len(t.Hashes), MaxHashes)
	}
	if len(t.ExtraData) != extraSize {
		return nil, fmt.Errorf("parse log proof: %w: %d bytes of extra data, want %d", ErrProof, len(t.ExtraData), extraSize)
	}
	if t.Index >= MaxSize {
		return nil, fmt.Errorf("parse log proof: %w: %d is not an index of a log", ErrProof, t.Index)
	}
	p := &Proof{Index: int64(t.Index), Checkpoint: t.Checkpoint}
	for _, h := range t.Hashes {
		p.Hashes = append(p.Hashes, h)
	}
	copy(p.Salt[:], t.ExtraData)
	copy(p.Document[:], t.ExtraData[SaltSize:])
	copy(p.Signature[:], t.ExtraData[SaltSize+len(p.Document):])
	// The library's scanner forgives line ends, leading zeroes and spare bits.
	if !bytes.Equal(p.Marshal(), b) {
		return nil, fmt.Errorf("parse log proof: %w: not in the one spelling", ErrProof)
	}
	return p, nil
}

// Proof verifies that the log has a leaf for the document and the signature
// with these SHA-256 digests: the proof is in its one spelling, its extra data
// names exactly these two (the text of a proof is not authenticated, so they
// are compared and the leaf is computed from them), its checkpoint verifies as
// Checkpoint does, and its path leads from the leaf to the checkpoint's root
// (R-LOG-5). Every refusal is an ErrProof; one about the checkpoint is an
// ErrCheckpoint too.
func (v *Verifier) Proof(b []byte, document, signature [32]byte) (*Proof, Checkpoint, error) {
	p, err := parseProof(b, MaxProof) // Checkpoint reads the note
	if err != nil {
		return nil, Checkpoint{}, err
	}
	if p.Document != document || p.Signature != signature {
		return nil, Checkpoint{}, fmt.Errorf("verify log proof: %w: it is for another document or signature", ErrProof)
	}
	c, err := v.Checkpoint(p.Checkpoint)
	if err != nil {
		return nil, Checkpoint{}, fmt.Errorf("verify log proof: %w: %w", ErrProof, err)
	}
	if err := checkInclusion(p.Hashes, c.Size, c.Root, p.Index, p.Leaf()); err != nil {
		return nil, Checkpoint{}, fmt.Errorf("verify log proof: %w", err)
	}
	return p, c, nil
}
