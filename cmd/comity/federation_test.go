package main

import (
	"errors"
	"fmt"
	"testing"

	"comity/protocol"
)

// A refusal is told without its code, wherever that stands; another error is told whole.
func TestSentenceOf(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{errors.New("writing root-1.json: write root-1.json: no space left on device"), "writing root-1.json: write root-1.json: no space left on device"},
		{protocol.Refuse(protocol.Expired, "it has ended"), "it has ended"},
		{fmt.Errorf("read a draft: %w", protocol.Refuse(protocol.Malformed, "no JSON")), "read a draft: no JSON"},
	} {
		if got := sentenceOf(tt.err); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
