package seal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// SlipSize is the exact size of every key slip, in bytes.
const SlipSize = introSize + stanzaSize + footerSize + nonceSize + len(FileKey{}) + tagSize

// SealSlip makes a key slip: a small sealed body, to one recipient, that holds
// the 16 bytes of a file key. An office keeps slips to its own recipient, so it
// can open a body that was sealed to others, re-key by making new slips, and
// erase a body everywhere by destroying them. A slip does not say which body it
// is for; the place that stores it does.
func SealSlip(key FileKey, to *Recipient) ([]byte, error) {
	var slip bytes.Buffer
	slip.Grow(SlipSize)
	w, _, err := Encrypt(&slip, to)
	if err != nil {
		return nil, fmt.Errorf("sealing a key slip: %w", err)
	}
	if _, err := w.Write(key[:]); err != nil {
		return nil, fmt.Errorf("sealing a key slip: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("sealing a key slip: %w", err)
	}
	return slip.Bytes(), nil
}

// OpenSlip returns the file key of a slip. Errors wrap [ErrNoKey], [ErrHeader]
// or [ErrDamaged], or say that an identity is empty.
func OpenSlip(slip []byte, ids Identities) (FileKey, error) {
	if len(slip) != SlipSize {
		return FileKey{}, fmt.Errorf("opening a key slip: %w: %d bytes, want %d", ErrDamaged, len(slip), SlipSize)
	}
	r, err := OpenStream(bytes.NewReader(slip), ids)
	if err != nil {
		return FileKey{}, fmt.Errorf("opening a key slip: %w", err)
	}
	// One byte more than a key, so that the reader comes to its end and has
	// authenticated everything.
	var content [len(FileKey{}) + 1]byte
	n, err := io.ReadFull(r, content[:])
	short := errors.Is(err, io.ErrUnexpectedEOF) // as it should be
	if short && n == len(FileKey{}) {
		return FileKey(content[:n]), nil
	}
	if err == nil || short || ended(err) {
		err = fmt.Errorf("%w: it does not hold a file key", ErrDamaged)
	}
	return FileKey{}, fmt.Errorf("opening a key slip: %w", err)
}
