package statement

import (
	"errors"
	"fmt"
	"time"

	"comity/crypto/pgp"
	"comity/protocol"
)

// Sign writes the struct v as a document and signs exactly its bytes with key,
// dated at. A document beyond limit bytes is refused as TooLarge. The format's
// own rules are the caller's to check first: a signature cannot be taken back.
func Sign(v any, limit int, key *pgp.Secret, at time.Time) (Signed, error) {
	if key == nil {
		return Signed{}, errors.New("signing a document: there is no key")
	}
	doc, err := Encode(v)
	if err != nil {
		return Signed{}, err
	}
	if len(doc) > limit {
		return Signed{}, protocol.Refuse(protocol.TooLarge, "a document of %d bytes, at most %d allowed", len(doc), limit)
	}
	signature, err := key.Sign(doc, at)
	if err != nil {
		return Signed{}, fmt.Errorf("signing a document: %w", err)
	}
	if len(signature) > protocol.MaxSignature {
		return Signed{}, protocol.Refuse(protocol.TooLarge, "a signature of %d bytes, at most %d allowed", len(signature), protocol.MaxSignature)
	}
	return Signed{Document: doc, Signature: signature}, nil
}
