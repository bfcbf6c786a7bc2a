package bundle

import (
	"bytes"
	"fmt"
	"strings"

	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/statement"
)

// The names of the members. An evidence has its event in the place of the star.
const (
	indexName      = "bundle.json"
	envelopeName   = "envelope.json"
	evidenceName   = "evidence-*.json"
	withdrawalName = "withdrawal.json"
	recordName     = "records/*.json" // of state and sequence: records/xa-1.json
	coverName      = "cover.html"
	parcelName     = "parcel.age"
	fileKeyName    = "parcel.key"

	signatureSuffix = ".asc"
	// Beside evidence-*.json: its proofs.
	ownProof      = ".tlog-proof"          // of its own commit
	cosignedProof = ".cosigned.tlog-proof" // in the same log, cosigned
	peerProof     = ".peer.tlog-proof"     // in the log of the other side
)

func evidenceBase(e evidence.Event) string { return "evidence-" + string(e) }

func recordMember(s protocol.StateID, sequence int64) string {
	return strings.Replace(recordName, "*", fmt.Sprintf("%s-%d", s, sequence), 1)
}

// index is bundle.json. Nothing in it is anybody's free choice: what the
// envelope says and the digests follow from the other members; language and
// offset decide how the cover sheet reads, which is a member. It says neither
// when the bundle was made nor by whom: nothing could confirm that, so one set
// of members makes one bundle, whoever makes it (R-BND-3).
type index struct {
	Type     string               `json:"type"`
	Parcel   protocol.ParcelID    `json:"parcel"`
	From     protocol.AuthorityID `json:"from"`
	To       protocol.AuthorityID `json:"to"`
	Envelope statement.Ref        `json:"envelope"`
	Language Language             `json:"language"`
	Offset   Offset               `json:"utc_offset"`
	Members  []member             `json:"members" max:"256"` // protocol.MaxBundleMembers
}

// member is one other member, in the order of the file.
type member struct {
	Path   string          `json:"path" long:"100"`
	Size   int64           `json:"size"`
	Digest protocol.Digest `json:"sha256"`
}

// newIndex lists the members of a bundle about env.
func newIndex(c *Contents, env *envelope.Envelope, members []member) ([]byte, error) {
	doc, err := statement.Encode(&index{
		Type: Type, Parcel: env.Parcel, From: env.From, To: env.To, Envelope: c.Envelope.Ref(),
		Language: c.Language, Offset: c.Offset, Members: members,
	})
	if err == nil && len(doc) > protocol.MaxBundleIndex {
		err = protocol.Refuse(protocol.TooLarge, "%d bytes, at most %d allowed", len(doc), protocol.MaxBundleIndex)
	}
	return doc, err
}

// parseIndex reads bundle.json as far as it can be judged alone.
func parseIndex(doc []byte) (*index, error) {
	x := new(index)
	if err := statement.Decode(doc, Type, protocol.MaxBundleIndex, x); err != nil {
		return nil, err
	}
	small := int64(0)
	for _, m := range x.Members {
		limit, err := limitOf(m.Path)
		if err != nil {
			return nil, err
		}
		if m.Size < 1 || m.Size > limit {
			return nil, protocol.Refuse(protocol.BadContainer, "%s has %d bytes, want 1 to %d", m.Path, m.Size, limit)
		}
		if m.Path != parcelName {
			small += m.Size
		}
	}
	if small > protocol.MaxBundleSmall {
		return nil, protocol.Refuse(protocol.TooLarge, "%d bytes without the parcel, at most %d allowed", small, protocol.MaxBundleSmall)
	}
	return x, nil
}

// limitOf is how large a member of this name may be. A name that no member can
// have is refused; which one must stand where, take decides.
func limitOf(path string) (int64, error) {
	base, signature := strings.CutSuffix(path, signatureSuffix)
	plain := strings.IndexFunc(path, func(c rune) bool { return c <= ' ' || c > '~' }) < 0 // as a tar header has it, and as people are told it
	switch {
	case !plain:
	case signature && strings.HasSuffix(base, ".json"):
		return protocol.MaxSignature, nil
	case path == envelopeName:
		return protocol.MaxEnvelope, nil
	case path == withdrawalName:
		return protocol.MaxWithdrawal, nil
	case path == coverName:
		return protocol.MaxCover, nil
	case path == parcelName:
		return protocol.MaxSealed, nil
	case path == fileKeyName:
		return fileKeySize, nil
	case strings.HasPrefix(path, "records/") && strings.HasSuffix(path, ".json"):
		return protocol.MaxRecord, nil
	case strings.HasPrefix(path, "evidence-") && strings.HasSuffix(path, ownProof):
		return protocol.MaxProof, nil
	case strings.HasPrefix(path, "evidence-") && strings.HasSuffix(path, ".json"):
		return protocol.MaxEvidence, nil
	}
	return 0, protocol.Refuse(protocol.BadContainer, "lists %s, which no bundle has", protocol.Quote([]byte(path)))
}

// sameIndex regenerates the index from what the members say and compares.
func sameIndex(raw []byte, c *Contents, env *envelope.Envelope, members []member) error {
	again, err := newIndex(c, env, members)
	if err == nil && !bytes.Equal(again, raw) {
		err = protocol.Refuse(protocol.BadContainer, "not the list that the members make")
	}
	return fault(indexName, err)
}
