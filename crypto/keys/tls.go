package keys

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"time"
)

const (
	keyBlock         = "PRIVATE KEY" // PKCS #8, RFC 5958
	certificateBlock = "CERTIFICATE"

	// MaxTLS is the size of the largest TLS key file, in bytes; those that
	// [GenerateTLS] makes have less than 1 KiB.
	MaxTLS = 16 << 10
)

// A name stands in the certificate for people who look at it. 64 is the limit
// for a common name (RFC 5280, appendix A.1, ub-common-name).
var (
	tlsName  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9./_-]{0,63}$`)
	hostName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)
)

// GenerateTLS makes an Ed25519 key and a self-signed certificate for it, as PEM:
// the key ("PRIVATE KEY", PKCS #8), then the certificate. The bytes are secret.
//
// Peers pin the key by its [SPKI] digest; of the certificate they check only
// the times, from and until, which are cut to whole seconds in UTC. name is
// shown to people, and stands as DNS name too if it can be one. The certificate
// serves for both ends of a connection and can sign no other certificate.
func GenerateTLS(name string, from, until time.Time) (pemBytes []byte, err error) {
	from, until = from.UTC().Truncate(time.Second), until.UTC().Truncate(time.Second)
	switch {
	case !tlsName.MatchString(name):
		return nil, fmt.Errorf("making a TLS key: the name has other characters than letters, digits and ./_- or is not 1 to 64 long: %.80q", name)
	case !until.After(from):
		return nil, fmt.Errorf("making a TLS key: it would expire at %s, not after its start at %s", until.Format(time.RFC3339), from.Format(time.RFC3339))
	case from.Year() < 1950 || until.Year() > 9999: // what RFC 5280, section 4.1.2.5 can write
		return nil, errors.New("making a TLS key: the years of its validity are out of range")
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a TLS key: %w", err)
	}
	template := &x509.Certificate{
		// The serial number is left to CreateCertificate, which draws one.
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             from,
		NotAfter:              until,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	if hostName.MatchString(name) {
		template.DNSNames = []string{name}
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("making a TLS certificate: %w", err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("making a TLS key: %w", err)
	}
	pemBytes = encodeTLS(pkcs8, certificate)
	if _, err := ParseTLS(pemBytes); err != nil {
		return nil, fmt.Errorf("making a TLS key: reading it back: %w", err)
	}
	return pemBytes, nil
}

func encodeTLS(pkcs8, certificate []byte) []byte {
	return append(pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: pkcs8}),
		pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: certificate})...)
}

// ParseTLS reads what [GenerateTLS] made, or another program in the same form:
// exactly one PKCS #8 Ed25519 key and its self-signed certificate, in this
// order, in canonical PEM with nothing around it. It does not look at the times
// of validity, which stand in Leaf; Leaf is always set.
//
// The result holds the private key in the open: never print or log it. Errors
// do not tell anything of the key.
func ParseTLS(pemBytes []byte) (tls.Certificate, error) {
	cert, err := parseTLS(pemBytes)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("parsing a TLS key: %w", err)
	}
	return cert, nil
}

func parseTLS(pemBytes []byte) (none tls.Certificate, err error) {
	if len(pemBytes) > MaxTLS {
		return none, fmt.Errorf("%d bytes, at most %d are read", len(pemBytes), MaxTLS)
	}
	first, rest := pem.Decode(pemBytes)
	if first == nil || first.Type != keyBlock {
		return none, fmt.Errorf("want PEM that begins with %s", keyBlock)
	}
	second, _ := pem.Decode(rest)
	if second == nil || second.Type != certificateBlock {
		return none, fmt.Errorf("want a %s after the key", certificateBlock)
	}
	// One comparison refuses comments, headers, other line ends and further blocks.
	if !bytes.Equal(encodeTLS(first.Bytes, second.Bytes), pemBytes) {
		return none, fmt.Errorf("want one %s and one %s in canonical PEM, and nothing else", keyBlock, certificateBlock)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(first.Bytes)
	if err != nil {
		return none, errors.New("the key is not PKCS #8")
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return none, errors.New("the key is not an Ed25519 key")
	}
	// The parser skips bytes behind the key.
	if again, err := x509.MarshalPKCS8PrivateKey(key); err != nil || !bytes.Equal(again, first.Bytes) {
		return none, errors.New("the key is not in the canonical form of PKCS #8")
	}
	leaf, err := x509.ParseCertificate(second.Bytes)
	if err != nil {
		return none, fmt.Errorf("the certificate: %w", err)
	}
	if public, ok := leaf.PublicKey.(ed25519.PublicKey); !ok || !public.Equal(key.Public()) {
		return none, errors.New("the certificate is for another key")
	}
	if leaf.SignatureAlgorithm != x509.PureEd25519 || leaf.CheckSignature(leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature) != nil {
		return none, errors.New("the certificate is not signed by its own key")
	}
	return tls.Certificate{Certificate: [][]byte{second.Bytes}, PrivateKey: key, Leaf: leaf}, nil
}

// SPKI returns the SHA-256 of the certificate's SubjectPublicKeyInfo (RFC 5280,
// section 4.1.2.7): how a record pins a TLS key. A renewed certificate for the
// same key has the same digest. cert must come from a parser.
func SPKI(cert *x509.Certificate) [32]byte { return sha256.Sum256(cert.RawSubjectPublicKeyInfo) }
