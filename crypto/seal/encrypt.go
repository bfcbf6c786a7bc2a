package seal

import (
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
)

// Encrypt seals what is written to w for the recipients and writes the sealed
// bytes to dst. The header is written before Encrypt returns.
//
// Close is mandatory: it writes the last chunk. It does not close dst. Without
// it, or after an error from Write or Close, the bytes in dst are a damaged
// body that no one can open, and must be thrown away. w holds one chunk and
// allocates nothing for further ones; it is not safe for concurrent use.
//
// key is the secret of this body, set once Encrypt returns without error. The
// sender seals a slip of it to itself ([SealSlip]) and so needs no stanza of
// its own in the header. It is good for nothing until Close succeeded.
//
// It fails, before writing anything, without recipients, with more than
// [MaxRecipients], or if two are the same.
func Encrypt(dst io.Writer, to ...*Recipient) (w io.WriteCloser, key *FileKey, err error) {
	if len(to) == 0 {
		return nil, nil, errors.New("sealing: no recipients")
	}
	if len(to) > MaxRecipients {
		return nil, nil, fmt.Errorf("sealing: %d recipients, at most %d are possible", len(to), MaxRecipients)
	}
	seen := make(map[string]int, len(to))
	wrap := make([]age.Recipient, len(to))
	key = new(FileKey)
	for n, r := range to {
		if r == nil || r.age == nil {
			return nil, nil, fmt.Errorf("sealing: recipient %d of %d is empty", n+1, len(to))
		}
		if first, ok := seen[r.text]; ok {
			return nil, nil, fmt.Errorf("sealing: recipients %d and %d are the same", first+1, n+1)
		}
		seen[r.text] = n
		wrap[n] = capture{r.age, key}
	}
	w, err = age.Encrypt(dst, wrap...)
	if err != nil {
		return nil, nil, fmt.Errorf("sealing: %w", err)
	}
	if *key == (FileKey{}) {
		// The library went round capture: the sender would lose its only key.
		return nil, nil, errors.New("sealing: the file key was not captured")
	}
	return w, key, nil
}

// capture is a hybrid recipient that takes down the file key it wraps.
type capture struct {
	recipient *age.HybridRecipient
	key       *FileKey
}

func (c capture) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	stanzas, _, err := c.WrapWithLabels(fileKey)
	return stanzas, err
}

// WrapWithLabels is what age calls when it exists, instead of Wrap. Without it
// the label "postquantum", which forbids mixing with weaker kinds, would be lost.
func (c capture) WrapWithLabels(fileKey []byte) ([]*age.Stanza, []string, error) {
	if copy(c.key[:], fileKey) != len(fileKey) || len(fileKey) != len(c.key) {
		return nil, nil, fmt.Errorf("file key of %d bytes, want %d", len(fileKey), len(c.key))
	}
	return c.recipient.WrapWithLabels(fileKey)
}
