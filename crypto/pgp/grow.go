package pgp

import (
	"errors"
	"fmt"
	"time"
)

// ErrFull says that a certificate has as many subkeys as it may have. Its holder
// goes on with a new certificate, under a new primary key.
var ErrFull = errors.New("the certificate has no room for another subkey")

// Grow adds one signing subkey at the end of the primary's certificate, of the same
// algorithm, dated at and living for lifetime, both in whole seconds; 0 means no
// end. Everything that was in the certificate stays, octet for octet, so whatever
// its keys have signed verifies as before (R-SIG-5). Primary and Subkeys, the new
// one alone, lead to the new certificate; the argument leads to its own.
func Grow(primary *Secret, at time.Time, lifetime time.Duration) (*Generated, error) {
	g, err := grow(primary, at, lifetime)
	if err != nil {
		return nil, fmt.Errorf("add a subkey to %q: %w", primary.certificate.name, err)
	}
	return g, nil
}

func grow(primary *Secret, at time.Time, lifetime time.Duration) (*Generated, error) {
	seconds := uint32(lifetime / time.Second)
	switch {
	case !primary.key.info.Primary:
		return nil, errors.New("the key is a subkey; only the primary key binds others")
	case len(primary.certificate.keys) > maxSubkeys:
		return nil, ErrFull
	case lifetime < 0 || time.Duration(seconds)*time.Second != lifetime:
		return nil, fmt.Errorf("lifetime of %s; whole seconds in 32 bits", lifetime)
	}
	created, err := stamp(at)
	if err != nil {
		return nil, err
	}
	sub, err := primary.key.kind.newHeld(tagSecretSubkey, created)
	if err != nil {
		return nil, err
	}
	bound, err := bind(primary.held(), sub, created, seconds)
	if err != nil {
		return nil, err
	}
	raw := append(primary.certificate.Bytes(), bound...)
	// Reading it back checks the new binding, and that the primary is the right one.
	g := &Generated{}
	if g.Certificate, err = ParseCertificate(raw, len(raw)); err != nil {
		return nil, err
	}
	if g.Primary, err = ParseSecret(primary.held().packet, g.Certificate); err != nil {
		return nil, err
	}
	added, err := ParseSecret(sub.packet, g.Certificate)
	g.Subkeys = []*Secret{added}
	return g, err
}
