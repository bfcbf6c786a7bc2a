package federation

import (
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"comity/protocol"
	"comity/protocol/record"
)

// Root is a root as people look at it: a published one, or a draft.
type Root struct {
	digest  protocol.Digest
	Number  int64
	Ends    time.Time
	Council *Council // nil: it does not name its stewards
	Signed  []StewardName
}

// Words are what stewards compare of a root by telephone, and later the operators
// of nodes: twelve words over what is signed, so that no signature changes them.
func (r *Root) Words() []string { return record.Words(r.digest) }

// Digits are the same as digits.
func (r *Root) Digits() string { return record.Digits(r.digest) }

func rootOf(m *metadata.Metadata[metadata.RootType]) (*Root, error) {
	digest, err := contentDigest(&m.Signed)
	if err != nil {
		return nil, err
	}
	r := &Root{digest: digest, Number: m.Signed.Version, Ends: m.Signed.Expires}
	if r.Council, err = councilOf(&m.Signed); err != nil {
		r.Council = nil
		return r, nil //nolint:nilerr // a root of others, which names nobody
	}
	for _, k := range signers(m, metadata.ROOT, m) {
		if name, ok := r.Council.Holder(k); ok {
			r.Signed = append(r.Signed, name)
		}
	}
	return r, nil
}

// Root returns what a draft of a root says; nil: it is a draft of an edition.
func (d *Draft) Root() *Root {
	if d.root == nil {
		return nil
	}
	r, err := rootOf(d.root)
	if err != nil {
		return nil
	}
	return r
}
