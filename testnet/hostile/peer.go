package hostile

import (
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"comity/crypto/keys"
	"comity/crypto/merkle"
	"comity/crypto/pgp"
	"comity/node/operate"
	"comity/protocol"
	"comity/protocol/record"
)

// Peer is who misbehaves and towards whom. With the keys of a node that the
// target has pinned it is an insider: everything that it says is authentic.
type Peer struct {
	Tally Tally
	// Honest are parcels of others whose ids it has got hold of.
	Honest []protocol.ParcelID
	// Other is an authority of another state, whom the target knows too.
	Other protocol.AuthorityID

	own, target *record.State
	from, to    protocol.AuthorityID
	node, act   *pgp.Secret
	log         *merkle.Signer
	tls         tls.Certificate
	address     string
}

// maxKey bounds the files that Arm reads.
const maxKey = 16 << 10

// Arm takes the keys out of the data directory of a node that does not run, and
// aims at the node of another directory.
func Arm(own, target operate.Layout) (*Peer, error) {
	p := new(Peer)
	var err error
	if p.own, err = operate.ReadRecord(own); err != nil {
		return nil, err
	}
	if p.target, err = operate.ReadRecord(target); err != nil {
		return nil, err
	}
	p.address = p.target.Record().Node.Endpoints[0]
	p.from, p.to = p.own.Members()[0].ID(), p.target.Members()[0].ID()
	if p.node, err = secret(own.NodeFile("node.key")); err != nil {
		return nil, err
	}
	if p.act, err = secret(own.OfficeFile(p.from, "act.key")); err != nil {
		return nil, err
	}
	pem, err := keys.Read(own.NodeFile("tls.pem"), maxKey)
	if err != nil {
		return nil, err
	}
	if p.tls, err = keys.ParseTLS(pem); err != nil {
		return nil, err
	}
	text, err := keys.Read(own.NodeFile("log.key"), maxKey)
	if err != nil {
		return nil, err
	}
	p.log, err = merkle.ParseSigner(text)
	return p, err
}

// secret reads a signing key with the certificate beside it.
func secret(path string) (*pgp.Secret, error) {
	public, err := os.ReadFile(filepath.Join(filepath.Dir(path), "certificate.gpg"))
	if err != nil {
		return nil, err
	}
	cert, err := pgp.ParseCertificate(public, protocol.MaxCertificate)
	if err != nil {
		return nil, err
	}
	b, err := keys.Read(path, maxKey)
	if err != nil {
		return nil, err
	}
	return pgp.ParseSecret(b, cert)
}

// stranger is a key that no record lists.
func stranger() (tls.Certificate, error) {
	pem, err := keys.GenerateTLS("stranger", time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour))
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a stranger: %w", err)
	}
	return keys.ParseTLS(pem)
}
