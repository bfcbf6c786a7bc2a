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
	// address may fail, over either transport, because no record lists their key,
	// before it is turned away at once. One that succeeds does not count.
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

	homes *recent[netip.Prefix, struct{}] // where pinned peers came from, or were reached

	mu sync.Mutex
	of *recent[netip.Prefix, *bucket] // guarded by mu
}

func newKnocks() *knocks {
	return &knocks{
		all: newBucket(maxKnocks, knocksPerSecond), of: newRecent[netip.Prefix, *bucket](maxAddresses),
		homes: newRecent[netip.Prefix, struct{}](maxAddresses),
	}
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
	k.welcome(addr)
	k.all.give()
}

// welcome gives back what a connection took over TCP, where nobody's address is in
// doubt, and remembers where a pinned peer lives.
func (k *knocks) welcome(addr net.Addr) {
	if b := k.from(addr); b != nil {
		b.give()
	}
	k.settle(addr)
}

// settle remembers that a pinned peer lives at an address.
func (k *knocks) settle(addr net.Addr) {
	if at, ok := network(addr); ok {
		k.homes.put(at, struct{}{})
	}
}

// home reports whether a pinned peer is known to live at an address.
func (k *knocks) home(at netip.Prefix) bool {
	_, ok := k.homes.get(at)
	return ok
}

// from is the bucket of an address, or of its network where one host has many.
func (k *knocks) from(addr net.Addr) *bucket {
	at, ok := network(addr)
	if !ok {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if b, ok := k.of.get(at); ok {
		return b
	}
	b := newBucket(maxStrange, strangePerSecond)
	k.of.put(at, b)
	return b
}

// network is what one host has at least: an address, or a network of IPv6.
func network(addr net.Addr) (netip.Prefix, bool) {
	at, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return netip.Prefix{}, false
	}
	ip, bits := at.Addr().Unmap(), 64
	if ip.Is4() {
		bits = 32
	}
	p, err := ip.Prefix(bits)
	return p, err == nil
}
