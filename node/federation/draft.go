package federation

import (
	"encoding/json"
	"fmt"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"comity/protocol"
)

// A draft is a root or an edition that too few have signed yet: the file that goes
// from one steward to the next, or to all of them at once. It is bytes, because
// each steward's machine is offline.

// Sign adds a steward's signature to a draft, or replaces the one that this key
// has made before. Whether the key counts is for the repository to say, which
// knows the root.
func Sign(draft []byte, k *Key) ([]byte, error) {
	if root, err := parseRoot(draft); err == nil {
		return sign(root, k)
	}
	edition, err := parseEdition(draft)
	if err != nil {
		return nil, fmt.Errorf("signing a draft: it is neither a root nor an edition: %w", err)
	}
	return sign(edition, k)
}

// Join puts the signatures together that stewards have made on copies of one draft.
func Join(drafts ...[]byte) ([]byte, error) {
	if len(drafts) == 0 {
		return nil, fmt.Errorf("joining drafts: there is none")
	}
	if first, err := parseRoot(drafts[0]); err == nil {
		return join(first, drafts[1:], parseRoot)
	}
	first, err := parseEdition(drafts[0])
	if err != nil {
		return nil, fmt.Errorf("joining drafts: the first is neither a root nor an edition: %w", err)
	}
	return join(first, drafts[1:], parseEdition)
}

func join[T metadata.Roles](first *metadata.Metadata[T], others [][]byte, parse func([]byte) (*metadata.Metadata[T], error)) ([]byte, error) {
	have := map[string]bool{}
	for _, s := range first.Signatures {
		have[s.KeyID] = true
	}
	for n, data := range others {
		m, err := parse(data)
		if err != nil {
			return nil, fmt.Errorf("joining drafts: number %d: %w", n+2, err)
		}
		for _, s := range m.Signatures {
			if !have[s.KeyID] {
				first.Signatures, have[s.KeyID] = append(first.Signatures, s), true
			}
		}
	}
	// A signature over another draft fails when it is published: nothing is hidden by joining.
	return first.ToBytes(false)
}

// sign signs with our key as the only signature of that key.
func sign[T metadata.Roles](m *metadata.Metadata[T], k *Key) ([]byte, error) {
	key, err := k.Public().tuf()
	if err != nil {
		return nil, err
	}
	id, err := key.ID()
	if err != nil {
		return nil, err
	}
	kept := m.Signatures[:0]
	for _, s := range m.Signatures {
		if s.KeyID != id {
			kept = append(kept, s)
		}
	}
	m.Signatures = kept
	signer, err := k.signer()
	if err == nil {
		_, err = m.Sign(signer)
	}
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	return m.ToBytes(false)
}

// parseRoot and the others read metadata of the newest kind that the library
// knows. The library may panic on what a holder of a key has signed on purpose, so
// all reading goes through guarded.
func parseRoot(data []byte) (m *metadata.Metadata[metadata.RootType], err error) {
	err = guarded(func() (err error) {
		if err = checkSignatures(data); err != nil {
			return err
		}
		if m, err = metadata.Root().FromBytes(data); err == nil {
			err = checkRoot(&m.Signed)
		}
		return err
	})
	return m, err
}

func parseEdition(data []byte) (m *metadata.Metadata[metadata.TargetsType], err error) {
	err = guarded(func() (err error) {
		if err = checkSignatures(data); err == nil {
			m, err = metadata.Targets().FromBytes(data)
		}
		return err
	})
	return m, err
}

func parseSnapshot(data []byte) (m *metadata.Metadata[metadata.SnapshotType], err error) {
	err = guarded(func() (err error) {
		if err = checkSignatures(data); err != nil {
			return err
		}
		if m, err = metadata.Snapshot().FromBytes(data); err == nil {
			err = checkPinned(m.Signed.Meta, editionFile)
		}
		return err
	})
	return m, err
}

func parseTimestamp(data []byte) (m *metadata.Metadata[metadata.TimestampType], err error) {
	err = guarded(func() (err error) {
		if err = checkSignatures(data); err != nil {
			return err
		}
		if m, err = metadata.Timestamp().FromBytes(data); err == nil {
			err = checkPinned(m.Signed.Meta, snapshotFile)
		}
		return err
	})
	return m, err
}

// checkSignatures refuses more signatures than the stewards of two roots can make.
// The library compares each with each, and an edition has room for 100,000.
func checkSignatures(data []byte) error {
	var m struct {
		Signatures []json.RawMessage `json:"signatures"`
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return explain(err)
	}
	if len(m.Signatures) > protocol.MaxSignatures {
		return protocol.Refuse(protocol.TooLarge, "metadata of a federation with %d signatures, at most %d allowed", len(m.Signatures), protocol.MaxSignatures)
	}
	return nil
}

// guarded runs what reads foreign metadata through the library, and turns a panic
// into a refusal: in v2.4.2 a member that is absent or null is followed without a
// look, so whoever has stolen the online key could otherwise stop a node.
func guarded(read func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = protocol.Refuse(protocol.Malformed, "metadata of a federation that the library cannot read: %v", p)
		}
	}()
	return read()
}
