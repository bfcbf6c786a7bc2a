package pgp

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
)

const (
	armorType  = "PGP SIGNATURE"
	armorBegin = "-----BEGIN " + armorType + "-----\n\n"
	armorEnd   = "\n-----END " + armorType + "-----\n"
)

// enarmor writes a signature packet as a signature file: no headers, lines of
// 64 characters, no checksum line (RFC 9580 §6.1 advises against one), and
// exactly one newline after the last line.
func enarmor(raw []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := armor.EncodeWithChecksumOption(&out, armorType, nil, false)
	if err != nil {
		return nil, fmt.Errorf("open armor: %w", err)
	}
	if _, err := w.Write(raw); err != nil {
		return nil, fmt.Errorf("write armor: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("close armor: %w", err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// isLegible reports whether stock tools read the signature file of a packet. GnuPG 2.2
// finds the end of armor without a checksum by its padding: a packet of a multiple of
// three octets has none, and is refused. Ours has 119, or fewer when its numbers begin
// with zeros. Verify takes either.
func isLegible(raw []byte) bool { return len(raw)%3 != 0 }

// dearmor reads a signature file.
//
// R-SIG-2: the file is written again from what was read, and compared byte for
// byte. Readers of armor skip text around it, headers, spaces and checksums,
// each in its own way; here there is nothing to skip.
func dearmor(file []byte) ([]byte, error) {
	if len(file) > maxArmored {
		return nil, fmt.Errorf("signature file of %d octets; at most %d", len(file), maxArmored)
	}
	inner, ok := bytes.CutPrefix(file, []byte(armorBegin))
	if !ok {
		return nil, errors.New("signature file does not begin with the armor line and an empty line")
	}
	if inner, ok = bytes.CutSuffix(inner, []byte(armorEnd)); !ok {
		return nil, errors.New("signature file does not end with the armor line and one newline")
	}
	raw, err := base64.StdEncoding.Strict().AppendDecode(nil, inner)
	if err != nil {
		return nil, fmt.Errorf("signature file: %w", err)
	}
	again, err := enarmor(raw)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, file) {
		return nil, errors.New("signature file has another layout than the one allowed")
	}
	return raw, nil
}
