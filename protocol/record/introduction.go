package record

import (
	"fmt"

	"comity/protocol"
	"comity/protocol/statement"
)

// IntroductionType is the first member of an introduction.
const IntroductionType = "comity/introduction/v1"

// introduction is the file in which a record is handed over. It is unsigned:
// the record inside carries its own signature.
type introduction struct {
	Type      string `json:"type"`
	Document  []byte `json:"document" carry:"text" long:"4194304"`
	Signature []byte `json:"signature" carry:"text" long:"2048"`
}

// EncodeIntroduction writes a record into the file that is handed over.
func EncodeIntroduction(s statement.Signed) ([]byte, error) {
	b, err := statement.Encode(introduction{IntroductionType, s.Document, s.Signature})
	if err != nil {
		return nil, fmt.Errorf("writing an introduction: %w", err)
	}
	if len(b) > protocol.MaxIntroduction {
		return nil, protocol.Refuse(protocol.TooLarge, "introduction: %d bytes, at most %d allowed", len(b), protocol.MaxIntroduction)
	}
	return b, nil
}

// DecodeIntroduction reads such a file. The record in it is not verified yet.
func DecodeIntroduction(data []byte) (statement.Signed, error) {
	var i introduction
	if err := statement.Decode(data, IntroductionType, protocol.MaxIntroduction, &i); err != nil {
		return statement.Signed{}, err
	}
	return statement.Signed{Document: i.Document, Signature: i.Signature}, nil
}
