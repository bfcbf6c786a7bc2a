package keys

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

var (
	start = time.Date(2001, 2, 3, 4, 5, 6, 789, time.FixedZone("", 7200))
	end   = start.AddDate(1, 0, 0)
)

func generateTLS(t testing.TB, name string) []byte {
	t.Helper()
	b, err := GenerateTLS(name, start, end)
	if err != nil {
		t.Fatalf("GenerateTLS(%q): %v", name, err)
	}
	return b
}

func TestGenerateTLS(t *testing.T) {
	t.Parallel()
	b := generateTLS(t, "node.xa.example")
	if !bytes.HasPrefix(b, []byte("-----BEGIN PRIVATE KEY-----\n")) || len(b) > 1024 {
		t.Errorf("%d bytes, not beginning with the key", len(b))
	}
	cert, err := ParseTLS(b)
	if err != nil {
		t.Fatalf("ParseTLS: %v", err)
	}
	leaf := cert.Leaf
	if leaf.Subject.CommonName != "node.xa.example" || len(leaf.DNSNames) != 1 || leaf.IsCA || leaf.SerialNumber.Sign() <= 0 {
		t.Errorf("certificate %v, names %q, CA %v, serial %v", leaf.Subject, leaf.DNSNames, leaf.IsCA, leaf.SerialNumber)
	}
	if !leaf.NotBefore.Equal(start.Truncate(time.Second)) || !leaf.NotAfter.Equal(end.Truncate(time.Second)) {
		t.Errorf("valid from %v until %v, want %v and %v", leaf.NotBefore, leaf.NotAfter, start, end)
	}
	spki, err := x509.MarshalPKIXPublicKey(leaf.PublicKey)
	if err != nil || SPKI(leaf) != sha256.Sum256(spki) {
		t.Errorf("SPKI is not the digest of the public key: %v", err)
	}
	other, err := ParseTLS(generateTLS(t, "node.xa.example"))
	if err != nil || SPKI(other.Leaf) == SPKI(leaf) {
		t.Errorf("two nodes share a key, or %v", err)
	}
	again, err := tls.X509KeyPair(b, b)
	if err != nil || !bytes.Equal(again.Certificate[0], cert.Certificate[0]) {
		t.Errorf("crypto/tls reads another certificate: %v", err)
	}
}

func TestGenerateTLSRefuses(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"xa", "xa/gateway", "a", strings.Repeat("a", 64), "A_b", "a..b"} {
		generateTLS(t, name)
	}
	for _, name := range []string{"", "-a", ".a", "a b", "a\n", "é", strings.Repeat("a", 65), "a\x00", "*"} {
		if _, err := GenerateTLS(name, start, end); err == nil {
			t.Errorf("GenerateTLS(%q) succeeds", name)
		}
	}
	for _, c := range [][2]time.Time{
		{start, start}, {end, start}, {start, start.Add(time.Nanosecond)}, {time.Time{}, end}, {start, start.AddDate(9000, 0, 0)}, {start, time.Time{}},
	} {
		if _, err := GenerateTLS("xa", c[0], c[1]); err == nil {
			t.Errorf("GenerateTLS from %v until %v succeeds", c[0], c[1])
		}
	}
}

// The pair serves both ends of a TLS 1.3 connection whose ends pin each other.
func TestHandshakeWithPins(t *testing.T) {
	t.Parallel()
	client, err := ParseTLS(generateTLS(t, "xa"))
	if err != nil {
		t.Fatal(err)
	}
	server, err := ParseTLS(generateTLS(t, "xb"))
	if err != nil {
		t.Fatal(err)
	}
	pin := func(want [32]byte) func(tls.ConnectionState) error {
		return func(cs tls.ConnectionState) error {
			if len(cs.PeerCertificates) != 1 || SPKI(cs.PeerCertificates[0]) != want {
				return errors.New("another key")
			}
			return nil
		}
	}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	done := make(chan error, 1)
	go func() {
		done <- tls.Server(b, &tls.Config{
			Certificates: []tls.Certificate{server}, MinVersion: tls.VersionTLS13, ClientAuth: tls.RequireAnyClientCert,
			SessionTicketsDisabled: true, VerifyConnection: pin(SPKI(client.Leaf)),
		}).HandshakeContext(context.Background())
	}()
	err = tls.Client(a, &tls.Config{
		Certificates: []tls.Certificate{client}, MinVersion: tls.VersionTLS13, InsecureSkipVerify: true,
		VerifyConnection: pin(SPKI(server.Leaf)),
	}).HandshakeContext(t.Context())
	if err := errors.Join(err, <-done); err != nil {
		t.Errorf("handshake: %v", err)
	}
}

func TestParseTLSRefuses(t *testing.T) {
	t.Parallel()
	good := string(generateTLS(t, "xa"))
	other := string(generateTLS(t, "xb"))
	at := strings.Index(good, "-----BEGIN CERTIFICATE")
	otherAt := strings.Index(other, "-----BEGIN CERTIFICATE")
	key, cert := good[:at], good[at:]

	// A key of another algorithm with a proper certificate of its own.
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{NotBefore: start, NotAfter: end}
	der, err := x509.CreateCertificate(rand.Reader, template, template, p256.Public(), p256)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(p256)
	if err != nil {
		t.Fatal(err)
	}
	// Our key, but a certificate that another key signed.
	ours, err := ParseTLS([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, ours.Leaf.PublicKey, p256)
	if err != nil {
		t.Fatal(err)
	}
	ourKey, _ := pem.Decode([]byte(key))
	ourCert, _ := pem.Decode([]byte(cert))
	altered := bytes.Clone(ourCert.Bytes)
	altered[len(altered)-1] ^= 1

	for name, text := range map[string]string{
		"empty":               "",
		"key alone":           key,
		"certificate alone":   cert,
		"other order":         cert + key,
		"two keys":            key + key + cert,
		"two certificates":    good + cert,
		"other's certificate": key + other[otherAt:],
		"comment before":      "# node\n" + good,
		"comment between":     key + "# node\n" + cert,
		"comment behind":      good + "# node\n",
		"empty line":          key + "\n" + cert,
		"CRLF":                strings.ReplaceAll(good, "\n", "\r\n"),
		"no last newline":     strings.TrimSuffix(good, "\n"),
		"PEM header":          strings.Replace(good, "KEY-----\n", "KEY-----\nProc-Type: 4,ENCRYPTED\n\n", 1),
		"other type":          strings.ReplaceAll(good, "PRIVATE KEY", "EC PRIVATE KEY"),
		"too long":            good + strings.Repeat("\n", MaxTLS),
		"P-256":               string(encodeTLS(pkcs8, der)),
		"signed by another":   string(encodeTLS(ourKey.Bytes, signed)),
		"altered signature":   string(encodeTLS(ourKey.Bytes, altered)),
		"key tail":            string(encodeTLS(append(bytes.Clone(ourKey.Bytes), 0), ourCert.Bytes)),
		"certificate tail":    string(encodeTLS(ourKey.Bytes, append(bytes.Clone(ourCert.Bytes), 0))),
		"no key":              string(encodeTLS(nil, ourCert.Bytes)),
		"no certificate":      string(encodeTLS(ourKey.Bytes, nil)),
	} {
		got, err := ParseTLS([]byte(text))
		if err == nil || got.PrivateKey != nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		if strings.Contains(err.Error(), strings.Split(key, "\n")[1][24:40]) {
			t.Errorf("%s: the error tells of the key: %v", name, err)
		}
	}
}

func FuzzParseTLS(f *testing.F) {
	good := generateTLS(f, "node.xa.example")
	f.Add(good)
	f.Add(generateTLS(f, "xb"))
	f.Add(good[:200])
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		cert, err := ParseTLS(b)
		if err != nil {
			return
		}
		pkcs8, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
		if again := encodeTLS(pkcs8, cert.Certificate[0]); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%q comes back as %q, %v", b, again, err)
		}
	})
}
