package withdrawal_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"comity/crypto/pgp"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/statement"
	"comity/protocol/withdrawal"

	"github.com/google/go-cmp/cmp"
)

const form = `{
  "type": "comity/withdrawal/v1",
  "parcel": "019ab0f2-7c00-7e4d-8a55-3d5e0c2f9a01",
  "from": "xa/central-authority",
  "to": "xb/prosecution-service",
  "envelope": {
    "sha256": "51be000000000000000000000000000000000000000000000000000000000002",
    "signature_sha256": "e6a0000000000000000000000000000000000000000000000000000000000003"
  },
  "created": "2026-11-23T10:00:02.120Z",
  "key": "%s"
}
`

var sample = fmt.Sprintf(form, "8e19000000000000000000000000000000000000000000000000000000000005")

func TestParseThenEncodeGivesTheSameBytes(t *testing.T) {
	w, err := withdrawal.Parse([]byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := statement.Encode(w)
	if err != nil || string(doc) != sample {
		t.Errorf("error %v, got\n%s\nwant\n%s", err, doc, sample)
	}
	want := protocol.Key{From: "xa/central-authority", Parcel: "019ab0f2-7c00-7e4d-8a55-3d5e0c2f9a01", To: "xb/prosecution-service"}
	if w.TransmissionKey() != want {
		t.Errorf("key %v, want %v", w.TransmissionKey(), want)
	}
}

func TestParseRefuses(t *testing.T) {
	zero := strings.Repeat("0", 64)
	tests := []struct {
		name, old, new string
		code           protocol.Code
	}{
		{"an envelope", "comity/withdrawal/v1", "comity/envelope/v1", protocol.Malformed},
		{"another version", "comity/withdrawal/v1", "comity/withdrawal/v2", protocol.UnsupportedVersion},
		{"too long", `"created"`, strings.Repeat(" ", protocol.MaxWithdrawal) + `"created"`, protocol.TooLarge},
		{"to itself", "xb/prosecution-service", "xa/central-authority", protocol.Malformed},
		{"no envelope", "{\n    \"sha256\": \"51be000000000000000000000000000000000000000000000000000000000002\",\n    \"signature_sha256\": \"e6a0000000000000000000000000000000000000000000000000000000000003\"\n  }", "null", protocol.Malformed},
		{"a zero envelope", "51be000000000000000000000000000000000000000000000000000000000002", zero, protocol.Malformed},
		{"a zero signature", "e6a0000000000000000000000000000000000000000000000000000000000003", zero, protocol.Malformed},
		{"a zero key", "8e19000000000000000000000000000000000000000000000000000000000005", zero, protocol.Malformed},
		{"a reason", `"created"`, `"reason": null, "created"`, protocol.Malformed},
	}
	for _, tt := range tests {
		text := strings.Replace(sample, tt.old, tt.new, 1)
		if _, err := withdrawal.Parse([]byte(text)); protocol.CodeOf(err) != tt.code || text == sample {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.code)
		}
	}
}

func TestSign(t *testing.T) {
	w, err := withdrawal.Parse([]byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	made := w.Created.Time
	keys, err := pgp.Generate("central authority", pgp.Ed25519, 2, made.Add(-time.Hour), 0)
	if err != nil {
		t.Fatal(err)
	}
	act, attest := keys.Subkeys[0], keys.Subkeys[1]
	w.Key = act.Digest()
	signed, err := w.Sign(act, made)
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf(form, w.Key); string(signed.Document) != want {
		t.Errorf("got\n%s\nwant\n%s", signed.Document, want)
	}
	if _, err := keys.Certificate.Verify(signed.Document, signed.Signature, w.Key, made); err != nil {
		t.Error(err)
	}
	if _, err := w.Sign(attest, made); err == nil {
		t.Error("R-WDR-1: signed with a key that it does not name")
	}
	if _, err := w.Sign(nil, made); err == nil {
		t.Error("signed without a key")
	}
	w.To = w.From
	if _, err := w.Sign(act, made); protocol.CodeOf(err) != protocol.Malformed {
		t.Errorf("to itself: got %v, want %s", err, protocol.Malformed)
	}
}

// TestAbout changes one thing at a time between withdrawal and envelope (R-WDR-2).
func TestAbout(t *testing.T) {
	w, err := withdrawal.Parse([]byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*envelope.Envelope, *statement.Ref)
		want   protocol.Code
	}{
		"the same":  {func(*envelope.Envelope, *statement.Ref) {}, ""},
		"parcel":    {func(e *envelope.Envelope, _ *statement.Ref) { e.Parcel = "019ab0f2-7c00-7e4d-8a55-3d5e0c2f9a02" }, protocol.WrongParcel},
		"from":      {func(e *envelope.Envelope, _ *statement.Ref) { e.From = "xa/court" }, protocol.WrongParcel},
		"to":        {func(e *envelope.Envelope, _ *statement.Ref) { e.To = "xb/court" }, protocol.WrongParcel},
		"document":  {func(_ *envelope.Envelope, r *statement.Ref) { r.Document = protocol.Sum([]byte("another")) }, protocol.WrongParcel},
		"signature": {func(_ *envelope.Envelope, r *statement.Ref) { r.Signature = protocol.Sum([]byte("another")) }, protocol.WrongParcel},
		"test":      {func(e *envelope.Envelope, _ *statement.Ref) { e.Test = true }, protocol.Policy},
		"clocks that differ": {func(e *envelope.Envelope, _ *statement.Ref) {
			e.Created = protocol.At(w.Created.Add(protocol.MaxSkew))
		}, ""},
		"before it": {func(e *envelope.Envelope, _ *statement.Ref) {
			e.Created = protocol.At(w.Created.Add(protocol.MaxSkew + time.Second))
		}, protocol.Malformed},
	} {
		e, ref := &envelope.Envelope{Parcel: w.Parcel, From: w.From, To: w.To, Created: w.Created}, w.Envelope
		c.change(e, &ref)
		if err := w.About(e, ref); protocol.CodeOf(err) != c.want || c.want == "" && err != nil {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(sample))
	f.Fuzz(func(t *testing.T, doc []byte) {
		w, err := withdrawal.Parse(doc)
		if err != nil {
			if protocol.CodeOf(err) == "" {
				t.Fatalf("%q: %v is no refusal", doc, err)
			}
			return
		}
		again, err := statement.Encode(w)
		if err != nil {
			t.Fatalf("%q: taken but not written: %v", doc, err)
		}
		v, err := withdrawal.Parse(again)
		if diff := cmp.Diff(w, v); err != nil || diff != "" {
			t.Fatalf("%q: error %v, difference:\n%s", doc, err, diff)
		}
	})
}
