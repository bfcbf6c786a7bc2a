package vectors

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"math/big"
	"slices"
	"strings"
	"time"

	"comity/crypto/merkle"
	"comity/crypto/pgp"
	"comity/protocol"
)

// logs writes checkpoints of the log of xb, and proofs for the RelayAcceptance.
func (w *writer) logs(o *world) {
	g := o.xb.checkpoint(day.Add(4 * time.Hour))
	lines := strings.SplitAfter(string(g), "\n") // origin, size, root, "", Ed25519, ML-DSA-44, ""
	ed, pq := lines[4], lines[5]
	head := strings.Join(lines[:4], "")
	foreign := strings.SplitAfter(string(o.xa.checkpoint(day)), "\n")[4]
	root := strings.TrimSuffix(lines[2], "\n")
	for _, c := range []struct {
		name string
		code protocol.Code
		why  string
		note string
	}{
		{"valid", "", "both of the log's signatures", string(g)},
		{"signatures-swapped", "", "the order of the signatures says nothing", head + pq + ed},
		{"further-signature", "", "signatures of others may stand beside, to be ignored", string(g) + foreign},
		{"without-mldsa44", protocol.Malformed, "the post-quantum signature was taken off", head + ed},
		{"without-ed25519", protocol.Malformed, "the Ed25519 signature was taken off", head + pq},
		{"same-signature-twice", protocol.Malformed, "one key signs once", string(g) + ed},
		{"other-size", protocol.Malformed, "the size was changed after signing", strings.Replace(string(g), "\n"+lines[1], "\n8\n", 1)},
		{"size-with-zero", protocol.Malformed, "a leading zero", strings.Replace(string(g), "\n"+lines[1], "\n0"+lines[1], 1)},
		{"short-root", protocol.Malformed, "a root of 31 bytes", strings.Replace(string(g), root, base64.StdEncoding.EncodeToString(make([]byte, 31)), 1)},
		{"extension", protocol.Malformed, "a fourth line", strings.Replace(string(g), lines[2], lines[2]+"extension\n", 1)},
		{"crlf", protocol.Malformed, "carriage returns", strings.ReplaceAll(string(g), "\n", "\r\n")},
		{"another-log", protocol.Malformed, "a checkpoint of the log of xa", string(o.xa.checkpoint(day))},
	} {
		w.add("checkpoint", "checkpoint/"+c.name, c.code, "R-LOG-2", c.why, part{".note", []byte(c.note)})
	}
	w.proofs(o)
}

func (w *writer) proofs(o *world) {
	name := "exchange/evidence-RelayAcceptance.json"
	g := o.events[1].Proof
	p := must(merkle.ParseProof(g, merkle.MaxProof))
	change := func(f func(p *merkle.Proof)) []byte {
		q := *p
		q.Hashes = slices.Clone(p.Hashes)
		f(&q)
		return q.Marshal()
	}
	stripped := bytes.Clone(p.Checkpoint)
	stripped = stripped[:bytes.LastIndex(stripped[:len(stripped)-1], []byte("\n"))+1]
	for _, c := range []struct {
		name string
		code protocol.Code
		why  string
		text []byte
	}{
		{"valid", "", "the leaf of the RelayAcceptance", g},
		{"other-salt", protocol.BadSignature, "another salt makes another leaf", change(func(p *merkle.Proof) { p.Salt[0] ^= 1 })},
		{"other-document", protocol.BadSignature, "it speaks of another document", change(func(p *merkle.Proof) { p.Document[0] ^= 1 })},
		{"other-signature", protocol.BadSignature, "it speaks of another signature", change(func(p *merkle.Proof) { p.Signature[0] ^= 1 })},
		{"other-index", protocol.BadSignature, "another place in the log", change(func(p *merkle.Proof) { p.Index-- })},
		{"index-beyond", protocol.BadSignature, "a place beyond the log's end", change(func(p *merkle.Proof) { p.Index += 100 })},
		{"other-hash", protocol.BadSignature, "another neighbour", change(func(p *merkle.Proof) { p.Hashes[0][0] ^= 1 })},
		{"hash-too-many", protocol.BadSignature, "a hash too many at the end", change(func(p *merkle.Proof) { p.Hashes = append(p.Hashes, p.Hashes[0]) })},
		{"no-hashes", protocol.BadSignature, "the path is missing", change(func(p *merkle.Proof) { p.Hashes = nil })},
		{"checkpoint-without-mldsa44", protocol.BadSignature, "its checkpoint lacks the post-quantum signature", change(func(p *merkle.Proof) { p.Checkpoint = stripped })},
		{"no-extra", protocol.BadSignature, "without salt and digests", slices.Concat(g[:bytes.Index(g, []byte("extra "))], g[bytes.Index(g, []byte("index ")):])},
		{"index-with-zero", protocol.BadSignature, "a leading zero", bytes.Replace(g, []byte("index "), []byte("index 0"), 1)},
	} {
		w.add("proof", "proof/"+c.name, c.code, "R-LOG-5", c.why, part{".tlog-proof", c.text}, part{"=" + name, nil}, part{"=" + name + ".asc", nil})
	}
}

// keys writes certificates and signatures of both algorithms.
func (w *writer) keys(o *world) {
	document := o.envelope.Document
	for _, alg := range []pgp.Algorithm{pgp.Ed25519, pgp.P256} {
		g := must(pgp.Generate("Central Authority", alg, 2, made, year))
		cert := g.Certificate.Bytes()
		name := "certificate/" + string(alg)
		w.add("certificate", name, "", "R-SIG-5", "a primary key and two subkeys, "+string(alg), part{".gpg", cert})
		asc := must(g.Subkeys[0].Sign(document, day))
		second := must(g.Subkeys[1].Sign(document, day))
		w.signatures(string(alg), cert, document, asc, second, must(g.Subkeys[0].Sign(document, day.Add(5*time.Hour))))
		if alg == pgp.Ed25519 {
			w.certificates(cert, must(pgp.Generate("Another", alg, 0, made, 0)).Certificate.Bytes(), must(g.Primary.Marshal()))
		}
	}
	high := "signature/p256.asc"
	raw := dearmor(read(w.t, high))
	raw = otherS(raw)
	w.add("signature", "signature/p256-high-s", protocol.BadSignature, "R-SIG-2", "the other of the two values of s, which anybody can compute",
		part{"=certificate/p256.gpg", nil}, part{"=exchange/envelope.json", nil}, part{".asc", enarmor(raw, "")})
}

func (w *writer) certificates(cert, other, secret []byte) {
	frames := packets(cert)
	bad := func(name, why string, b []byte) {
		w.add("certificate", "certificate/"+name, protocol.Malformed, "R-SIG-5", why, part{".gpg", b})
	}
	bad("empty", "no bytes at all", []byte{})
	bad("armored", "armored in place of binary", []byte("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n"+base64.StdEncoding.EncodeToString(cert)+"\n-----END PGP PUBLIC KEY BLOCK-----\n"))
	bad("two", "a second certificate follows", slices.Concat(cert, other))
	bad("cut", "the last byte is missing", cert[:len(cert)-1])
	bad("unbound-subkey", "a subkey without its binding", slices.Concat(cert, frames[3]))
	bad("foreign-subkey", "a subkey of another certificate's primary", slices.Concat(packets(other)[0], packets(other)[1], packets(other)[2], frames[3], frames[4]))
	bad("no-user-id", "the user ID and its signature are missing", slices.Concat(frames[0], frames[3], frames[4]))
	bad("user-id-twice", "a second user ID", slices.Concat(frames[0], frames[1], frames[2], frames[1], frames[2]))
	bad("secret", "a secret key", slices.Concat(secret, frames[1], frames[2]))
	bad("renamed", "another user ID under the same signature", bytes.Replace(cert, []byte("Central"), []byte("Federal"), 1))
	old := slices.Clone(frames[0])
	old[0] = 0x80 | 6<<2 // the old packet header, one length octet
	bad("old-header", "the same packets with an old header", slices.Concat(old, cert[len(old):]))
	long := slices.Concat([]byte{0xC6, 0xFF}, binary.BigEndian.AppendUint32(nil, uint32(len(frames[0])-2)), frames[0][2:])
	bad("long-length", "a packet's length in five octets where one is enough", slices.Concat(long, cert[len(frames[0]):]))
	v6 := slices.Clone(frames[0])
	v6[2] = 6
	bad("version-6", "a key that calls itself version 6", slices.Concat(v6, cert[len(v6):]))
}

func (w *writer) signatures(alg string, cert, document, asc, second, future []byte) {
	of := part{"=certificate/" + alg + ".gpg", nil}
	about := part{"=exchange/envelope.json", nil}
	w.add("signature", "signature/"+alg, "", "R-SIG-1", "by the first subkey, "+alg, of, about, part{".asc", asc})
	bad := func(name, rule, why string, b []byte) {
		w.add("signature", "signature/"+alg+"-"+name, protocol.BadSignature, rule, why, of, about, part{".asc", b})
	}
	bad("second-subkey", "R-SIG-3", "by another key of the certificate than the one that is asked for", second)
	if alg != string(pgp.Ed25519) {
		return
	}
	w.add("signature", "signature/ed25519-other-document", protocol.BadSignature, "R-SIG-1", "the signature of another document",
		of, part{"=exchange/trust/xa-record.json", nil}, part{"=signature/ed25519.asc", nil})
	raw, text := dearmor(asc), string(asc)
	bad("tomorrow", "R-SIG-4", "dated beyond the skew after the receiver's clock", future)
	bad("crlf", "R-SIG-2", "carriage returns", []byte(strings.ReplaceAll(text, "\n", "\r\n")))
	bad("no-final-line-feed", "R-SIG-2", "the final line feed is missing", []byte(strings.TrimSuffix(text, "\n")))
	bad("comment", "R-SIG-2", "an armor header", []byte(strings.Replace(text, "\n\n", "\nComment: none\n\n", 1)))
	bad("text-before", "R-SIG-2", "text before the armor", []byte("Signature:\n"+text))
	bad("text-after", "R-SIG-2", "text after the armor", []byte(text+"\n"))
	bad("checksum", "R-SIG-2", "a checksum line, as older programs write it", enarmor(raw, "="+crc24(raw)+"\n"))
	bad("short-lines", "R-SIG-2", "lines of another length", []byte(strings.Replace(text, "\n\n", "\n\n"+strings.Split(text, "\n")[2][:4]+"\n", 1)))
	bad("two-packets", "R-SIG-1", "a second signature packet", enarmor(slices.Concat(raw, raw), ""))
	bad("binary", "R-SIG-2", "binary in place of armor", raw)
	version := slices.Clone(raw)
	version[2] = 6
	bad("version-6", "R-SIG-1", "a packet that calls itself version 6", enarmor(version, ""))
	text1 := slices.Clone(raw)
	text1[3] = 1
	bad("text-mode", "R-SIG-1", "signature type 0x01, over text", enarmor(text1, ""))
	sha1 := slices.Clone(raw)
	sha1[5] = 2
	bad("sha-1", "R-SIG-1", "a hash that is no longer one", enarmor(sha1, ""))
	bad("unhashed", "R-SIG-1", "a subpacket in the area that nobody signs", enarmor(unhashed(raw), ""))
}

// packets cuts a certificate into its packets, whose lengths have one or two octets.
func packets(b []byte) (all [][]byte) {
	for len(b) > 0 {
		n := int(b[1]) + 2
		if b[1] >= 192 {
			n = int(b[1]-192)<<8 + int(b[2]) + 192 + 3
		}
		all, b = append(all, b[:n:n]), b[n:]
	}
	return all
}

func dearmor(asc []byte) []byte {
	lines := strings.Split(string(asc), "\n")
	return must(base64.StdEncoding.DecodeString(strings.Join(lines[2:len(lines)-2], "")))
}

// enarmor writes a signature file, with a last line before its end for hostile ones.
func enarmor(raw []byte, last string) []byte {
	var b bytes.Buffer
	b.WriteString("-----BEGIN PGP SIGNATURE-----\n\n")
	for digits := base64.StdEncoding.EncodeToString(raw); digits != ""; {
		n := min(64, len(digits))
		b.WriteString(digits[:n] + "\n")
		digits = digits[n:]
	}
	b.WriteString(last + "-----END PGP SIGNATURE-----\n")
	return b.Bytes()
}

// crc24 is the checksum of RFC 4880, section 6.1, in base64.
func crc24(b []byte) string {
	crc := uint32(0xB704CE)
	for _, c := range b {
		crc ^= uint32(c) << 16
		for range 8 {
			crc <<= 1
			if crc&0x1000000 != 0 {
				crc ^= 0x1864CFB
			}
		}
	}
	return base64.StdEncoding.EncodeToString([]byte{byte(crc >> 16), byte(crc >> 8), byte(crc)})
}

// unhashed puts the issuer's key id into the unhashed area of a signature, where most programs put it.
func unhashed(raw []byte) []byte {
	body := packets(raw)[0][2:]
	at := 6 + int(binary.BigEndian.Uint16(body[4:]))
	sub := []byte{9, 16, 0, 0, 0, 0, 0, 0, 0, 0}
	if i := bytes.Index(body[:at], []byte{22, 33, 4}); i >= 0 {
		copy(sub[2:], body[i+3+12:][:8]) // the last eight octets of the fingerprint
	}
	body = slices.Concat(body[:at], []byte{0, byte(len(sub))}, sub, body[at+2:])
	return slices.Concat([]byte{0xC2, byte(len(body))}, body)
}

// otherS replaces s by n-s in an ECDSA signature.
func otherS(raw []byte) []byte {
	order, _ := new(big.Int).SetString("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", 16)
	body := packets(raw)[0][2:]
	at := 6 + int(binary.BigEndian.Uint16(body[4:])) + 2 + 2 // r
	at += 2 + int(binary.BigEndian.Uint16(body[at:])+7)/8
	s := new(big.Int).Sub(order, new(big.Int).SetBytes(body[at+2:]))
	body = slices.Concat(body[:at], binary.BigEndian.AppendUint16(nil, uint16(s.BitLen())), s.Bytes())
	return slices.Concat([]byte{0xC2, byte(len(body))}, body)
}
