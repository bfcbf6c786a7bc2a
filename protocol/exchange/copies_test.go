package exchange_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"comity/protocol"
	"comity/protocol/exchange"
	"comity/protocol/statement"
)

func copies(t testing.TB, next int64, packets int) []byte {
	t.Helper()
	c := exchange.Copies{Next: next, Packets: []statement.Packet{}}
	for range packets {
		c.Packets = append(c.Packets, statement.Packet{Signed: statement.Signed{Document: []byte("{}\n"), Signature: []byte("sig\n")}, Proof: []byte("proof\n")})
	}
	b, err := exchange.EncodeCopies(&c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// R-OLD-3: a page of copies is read strictly, and leads on.
func TestDecodeCopies(t *testing.T) {
	for _, tt := range []struct {
		name string
		page []byte
		code protocol.Code
	}{
		{"two packets", copies(t, 12, 2), ""},
		{"the end", copies(t, 7, 0), ""},
		{"the most", copies(t, 8, protocol.MaxFeedPage), ""},
		{"too many", copies(t, 8, protocol.MaxFeedPage+1), protocol.TooLarge},
		{"leads nowhere", copies(t, 7, 1), protocol.Malformed},
		{"leads back", copies(t, 3, 1), protocol.Malformed},
		{"another version", []byte(strings.Replace(string(copies(t, 9, 1)), "copies/v1", "copies/v2", 1)), protocol.UnsupportedVersion},
		{"a member more", []byte(strings.Replace(string(copies(t, 9, 1)), `"next"`, `"last": true, "next"`, 1)), protocol.Malformed},
		{"no list", []byte("{\"type\": \"comity/copies/v1\", \"next\": 9, \"packets\": null}\n"), protocol.Malformed},
	} {
		if _, err := exchange.DecodeCopies(tt.page, 7); protocol.CodeOf(err) != tt.code || err != nil && tt.code == "" {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.code)
		}
	}
}

func FuzzDecodeCopies(f *testing.F) {
	f.Add(copies(f, 12, 2), int64(7))
	f.Add(copies(f, 7, 0), int64(7))
	f.Fuzz(func(t *testing.T, b []byte, after int64) {
		c, err := exchange.DecodeCopies(b, after)
		if err != nil {
			if protocol.CodeOf(err) == "" {
				t.Errorf("foreign input led to an error without a reason code: %v", err)
			}
			return
		}
		again, err := exchange.EncodeCopies(c)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		back, err := exchange.DecodeCopies(again, after)
		if err != nil || !cmp.Equal(c, back) {
			t.Fatalf("written and read again: %v, %s", err, cmp.Diff(c, back))
		}
	})
}
