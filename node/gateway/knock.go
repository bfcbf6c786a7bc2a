package gateway

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"

	"github.com/quic-go/quic-go"
)

const (
	// maxKnocks and knocksPerSecond are how many connections may be begun from
	// anywhere before each has to prove its address first, which costs it a round
	// trip and us no cryptography.
	maxKnocks       = 50
	knocksPerSecond = 25
	// maxStrange and strangePerSecond are how many connections from one proven
	// address may fail, because no record lists their key, before it is turned
	// away at once. One that succeeds does not count.
	maxStrange       = 20
	strangePerSecond = 1
	// maxAddresses is how many addresses are remembered.
	maxAddresses = 4096
)

// errTurnedAway is why a connection is refused before its handshake.
var errTurnedAway = errors.New("too many connections with unknown keys came from this address")

// knocks bounds what strangers cost: a handshake is three signatures and a
// post-quantum key exchange, and anybody can begin one.
type knocks struct {
	all *bucket

	mu sync.Mutex
	of *recent[netip.Prefix, *bucket] // guarded by mu
}

func newKnocks() *knocks {
	return &knocks{all: newBucket(maxKnocks, knocksPerSecond), of: newRecent[netip.Prefix, *bucket](maxAddresses)}
}

// doubt reports whether an address must be proven before anything else.
func (k *knocks) doubt(net.Addr) bool { return !k.all.take() }

// admit refuses a connection from an address whose connections keep failing.
// An address that is not proven may be forged, so it counts for nobody.
func (k *knocks) admit(ctx context.Context, c *quic.ClientInfo) (context.Context, error) {
	if b := k.from(c.RemoteAddr); c.AddrVerified && b != nil && !b.take() {
		return nil, errTurnedAway
	}
	return ctx, nil
}

// known gives back what a connection took whose key is pinned.
func (k *knocks) known(addr net.Addr) {
	if b := k.from(addr); b != nil {
		b.give()
	}
	k.all.give()
}

// from is the bucket of an address, or of its network where one host has many.
func (k *knocks) from(addr net.Addr) *bucket {
	at, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return nil
	}
	ip, bits := at.Addr().Unmap(), 64
	if ip.Is4() {
		bits = 32
	}
	network, err := ip.Prefix(bits)
	if err != nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if b, ok := k.of.get(network); ok {
		return b
	}
	b := newBucket(maxStrange, strangePerSecond)
	k.of.put(network, b)
	return b
}
