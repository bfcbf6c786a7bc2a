package control

import (
	"bytes"
	"encoding/json"

	"comity/crypto/pgp"
	"comity/node/federation"
	"comity/node/operate"
	"comity/protocol/bundle"
	"comity/protocol/directory"
	"comity/protocol/record"
)

// What two commands want, as mistaken says it.
const (
	anIntroduction = "an introduction of a state"
	aRoot          = "the root of a federation"
	aKey           = "a file with a key, to be given to nobody"
)

// mistaken says what a file is that was given in the place of another, as a part of a
// sentence; "" where that cannot be told. It goes by the type that the file names
// itself, and verifies nothing.
func mistaken(file []byte) string {
	if isKey(file) {
		return aKey
	}
	var named struct {
		Type   string `json:"type"`
		Signed struct {
			Type string `json:"_type"`
		} `json:"signed"`
	}
	if json.Unmarshal(file, &named) != nil {
		return ""
	}
	return map[string]string{
		record.IntroductionType: anIntroduction,
		record.Type:             "the record of a state without its signature",
		operate.EntryType:       "the entry of an authority",
		directory.ListingsType:  "a list of authorities that are not on the network",
		bundle.Type:             "the index of a bundle",
		federation.CardType:     "the card of a steward",
		federation.PaperType:    "a draft, which stewards sign and the registrar publishes",
		"root":                  aRoot,
		"targets":               "an edition of a federation's directory",
		"snapshot":              "the snapshot of a federation's directory",
		"timestamp":             "the timestamp of a federation's directory",
	}[named.Type+named.Signed.Type]
}

// isKey reports whether a file has a secret key in it, in any of the forms that this
// program writes, protected or open.
func isKey(file []byte) bool {
	for _, sign := range []string{
		" PRIVATE KEY-----", "-----BEGIN PGP PRIVATE KEY BLOCK-----", // of TLS and of stewards; as other programs write those of OpenPGP
		"AGE-SECRET-KEY-", "-----BEGIN AGE ENCRYPTED FILE",
	} {
		if bytes.Contains(file, []byte(sign)) {
			return true
		}
	}
	return bytes.HasPrefix(file, []byte("PRIVATE+KEY+")) || // of a log or a witness
		bytes.HasPrefix(file, []byte("age-encryption.org/")) || pgp.IsSecret(file)
}
