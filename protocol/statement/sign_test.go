package statement_test

import (
	"testing"
	"time"

	"comity/crypto/pgp"
	"comity/protocol"
	"comity/protocol/statement"
)

func TestSignSignsTheBytesThatEncodeWrites(t *testing.T) {
	v := good(t)
	made := v.Made.Time
	keys, err := pgp.Generate("node xa", pgp.P256, 1, made.Add(-time.Hour), 0)
	if err != nil {
		t.Fatal(err)
	}
	key := keys.Subkeys[0]
	signed, err := statement.Sign(v, len(sampleText), key, made)
	if err != nil {
		t.Fatal(err)
	}
	if string(signed.Document) != sampleText || len(signed.Signature) > protocol.MaxSignature {
		t.Errorf("signed %q with %d bytes of signature, want %q", signed.Document, len(signed.Signature), sampleText)
	}
	if _, err := keys.Certificate.Verify(signed.Document, signed.Signature, key.Digest(), made); err != nil {
		t.Error(err)
	}
	want := statement.Ref{Document: protocol.Sum([]byte(sampleText)), Signature: protocol.Sum(signed.Signature)}
	if signed.Ref() != want {
		t.Errorf("ref %v, want %v", signed.Ref(), want)
	}
	if _, err := statement.Sign(v, len(sampleText)-1, key, made); protocol.CodeOf(err) != protocol.TooLarge {
		t.Errorf("one byte beyond the limit: got %v, want %s", err, protocol.TooLarge)
	}
	if _, err := statement.Sign(v, len(sampleText), nil, made); err == nil {
		t.Error("signed without a key")
	}
	v.From = "nobody"
	if _, err := statement.Sign(v, len(sampleText), key, made); err == nil {
		t.Error("signed what no receiver takes")
	}
}
