package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"errors"

	"comity/crypto/keys"
	"comity/protocol"
)

// errPin says that the other side showed a key that no record lists. It is
// never retried on another transport: a wrong key is not a network fault.
var errPin = errors.New("the other side's TLS key is not in a record pinned here")

// Unknown reports whether err says that a peer showed a key which its record here does
// not list: its keys have changed since, or somebody else answers at its address.
func Unknown(err error) bool { return errors.Is(err, errPin) }

// errALPN says that no protocol was agreed on.
var errALPN = errors.New("the other side did not agree on a protocol")

// The protocols: each transport has one, and an offer of the other's is refused
// (R-TCP-1).
const (
	alpnQUIC = "h3"
	alpnTCP  = "h2"
)

func spki(c *x509.Certificate) protocol.Digest { return keys.SPKI(c) }

// tlsConfig is TLS 1.3 with certificates on both sides, trusted by key alone
// (R-WIRE-1), post-quantum key exchange only (R-WIRE-2), and no resumption, so
// that pins are checked on every connection (R-WIRE-3). peer is the node that
// must be at the other end; empty: any pinned one. Over TCP the library would let
// a connection without a protocol pass, so that is looked at as well.
func (g *Gateway) tlsConfig(peer protocol.NodeID, alpn string) *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		GetCertificate:         func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return g.shown(""), nil },
		GetClientCertificate:   func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return g.shown(peer), nil },
		ClientAuth:             tls.RequireAnyClientCert,
		InsecureSkipVerify:     true, //nolint:gosec // no chain: VerifyConnection compares the key with the record
		SessionTicketsDisabled: true,
		NextProtos:             []string{alpn},
		CurvePreferences:       []tls.CurveID{tls.X25519MLKEM768, tls.SecP256r1MLKEM768, tls.SecP384r1MLKEM1024},
		VerifyConnection: func(cs tls.ConnectionState) error {
			if cs.NegotiatedProtocol != alpn {
				return errALPN
			}
			if len(cs.PeerCertificates) == 0 {
				return errPin
			}
			node, ok := g.book.pinned(spki(cs.PeerCertificates[0]), g.Now())
			if !ok || peer != "" && node != peer {
				return errPin
			}
			return nil
		},
	}
}
