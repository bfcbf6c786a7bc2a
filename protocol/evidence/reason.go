package evidence

import (
	"errors"
	"strings"
	"unicode/utf8"

	"comity/protocol"
)

// NewReason makes a reason that a document can carry: the text is cut at
// protocol.MaxReasonText bytes and freed of what strict JSON refuses. An empty
// text becomes the code's own word.
func NewReason(code protocol.Code, text string) *Reason {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
	if len(text) > protocol.MaxReasonText {
		cut := protocol.MaxReasonText
		for !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut]
	}
	if text == "" {
		text = string(code)
	}
	return &Reason{Code: code, Text: text}
}

// ReasonOf returns the reason in err's chain; nil when err is no refusal, for
// then it is trouble of this side and may pass (R-EVID-8).
func ReasonOf(err error) *Reason {
	var refusal *protocol.Refusal
	if !errors.As(err, &refusal) {
		return nil
	}
	return NewReason(refusal.Code, refusal.Detail)
}
