package federation

import (
	"fmt"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"comity/protocol"
	"comity/protocol/record"
)

// Introduced is a root as people look at it before they trust it (R-FED-2).
type Introduced struct {
	Version int64
	// Digest is over what the stewards have signed, so that it is the same whoever of
	// them has.
	Digest protocol.Digest
	// Words and Digits are two forms of the first 132 bits of the digest, as those of
	// a record are.
	Words   []string
	Digits  string
	Charter Charter
	Ends    protocol.Time
}

// ReadRoot reads a root, and verifies that its own stewards have signed it. Whose
// root it is, only the words can tell.
func ReadRoot(file []byte) (*Introduced, error) {
	if len(file) > protocol.MaxRoot {
		return nil, protocol.Refuse(protocol.TooLarge, "a root of %d bytes, at most %d allowed", len(file), protocol.MaxRoot)
	}
	root, err := parseRoot(file)
	if err == nil {
		err = verify(root, metadata.ROOT, root)
	}
	if err != nil {
		return nil, fmt.Errorf("read a root: %w", explain(err))
	}
	digest, err := contentDigest(&root.Signed)
	if err != nil {
		return nil, fmt.Errorf("read a root: %w", err)
	}
	i := &Introduced{Version: root.Signed.Version, Digest: digest, Words: record.Words(digest), Digits: record.Digits(digest), Ends: protocol.At(root.Signed.Expires)}
	if council, err := councilOf(&root.Signed); err == nil { // roots of others name nobody
		i.Charter.Persons = council.Stewards
	}
	i.Charter.Root = stewardsOf(&root.Signed, metadata.ROOT)
	i.Charter.Edition = stewardsOf(&root.Signed, metadata.TARGETS)
	if online := stewardsOf(&root.Signed, metadata.TIMESTAMP); len(online.Keys) > 0 {
		i.Charter.Online = online.Keys[0]
	}
	return i, nil
}

// stewardsOf reads who has a role in a root that checkRoot has passed.
func stewardsOf(r *metadata.RootType, role string) Stewards {
	return Stewards{Keys: keysOf(r, role), Threshold: r.Roles[role].Threshold}
}
