package record

import (
	"bytes"
	"strings"
	"testing"

	"comity/protocol"
)

// The vectors come from another implementation; what people once read to each
// other must never change (R-REC-4).
func TestWordsAndDigits(t *testing.T) {
	for _, test := range []struct {
		name          string
		digest        protocol.Digest
		words, digits string
	}{
		{
			"all bits 0",
			protocol.Digest{},
			"abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon",
			"00000 00000 00000 00000 00000 00000 00000 00000",
		},
		{
			"all bits 1", protocol.Digest(bytes.Repeat([]byte{0xff}, 32)),
			"zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo",
			"54445 17870 73501 54154 13993 71890 82913 83295",
		},
		{
			"of a document", protocol.Sum([]byte("{\n  \"type\": \"comity/record/v1\"\n}\n")),
			"emerge mango tomorrow lava raccoon square script blanket glare clutch obscure must",
			"15459 67306 37081 91076 25732 05403 75093 13680",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &State{digest: test.digest}
			if got := strings.Join(s.Words(), " "); got != test.words {
				t.Errorf("Words()  = %s\nwant       %s", got, test.words)
			}
			if got := s.Digits(); got != test.digits {
				t.Errorf("Digits() = %s\nwant       %s", got, test.digits)
			}
		})
	}
}
