package statement

import "comity/protocol"

// Signed is one document and one detached signature over it, both as the exact
// bytes that are stored, sent and hashed (R-DOC-7). It says nothing about
// validity: the packages of the formats verify. A struct that embeds it carries
// both as text.
type Signed struct {
	Document  []byte `json:"document" carry:"text" long:"16777216"` // strict JSON, ends with "}\n"
	Signature []byte `json:"signature" carry:"text" long:"2048"`    // armored OpenPGP v4 signature, one packet
}

// Digest is the SHA-256 of the document's bytes.
func (s Signed) Digest() protocol.Digest { return protocol.Sum(s.Document) }

// Ref names the document and the signature by their digests.
func (s Signed) Ref() Ref {
	return Ref{Document: s.Digest(), Signature: protocol.Sum(s.Signature)}
}

// Ref names a signed document: the digest of its bytes and the digest of its
// signature's bytes.
type Ref struct {
	Document  protocol.Digest `json:"sha256"`
	Signature protocol.Digest `json:"signature_sha256"`
}
