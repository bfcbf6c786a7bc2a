package sim

import (
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/quic-go/quic-go/testutils/simnet"
)

// Network is the world between the hosts: it loses, delays, doubles and cuts.
// Faults hold from the moment they are set until they are set otherwise.
type Network struct{ router *router }

// latency is the time that a packet takes on a healthy network.
const latency = 20 * time.Millisecond

// socket is one host's UDP socket with the link behind it. Closing it takes the
// host off the network.
type socket struct {
	*simnet.SimConn
	link   *simnet.SimulatedLink
	router *router
	addr   net.Addr
}

func (s *socket) Close() error {
	s.router.RemoveNode(s.addr)
	return errors.Join(s.SimConn.Close(), s.link.Close())
}

// router decides about every packet.
type router struct {
	simnet.PerfectRouter

	mu     sync.Mutex
	rand   *rand.Rand                 // guarded by mu
	loss   float64                    // guarded by mu; probability that a packet is lost
	double float64                    // guarded by mu; probability that it arrives twice
	delay  time.Duration              // guarded by mu; every packet is late by this much
	jitter time.Duration              // guarded by mu; a packet is late by up to this much, so packets overtake
	cuts   map[[2]string]bool         // guarded by mu; from, to: nothing passes
	walls  map[string]map[string]flow // guarded by mu; host behind a stateful firewall: its flows
	drips  map[string]*drip           // guarded by mu; host on a thin line
	dead   map[string]bool            // guarded by mu; hosts whose process was killed
	sent   map[string]int64           // guarded by mu; bytes that left each host, lost ones too
	late   sync.WaitGroup             // packets on their way
	closed bool                       // guarded by mu
	tally  *Tally
}

// drip is a line that lets through so many bytes a second.
type drip struct {
	rate float64   // bytes per second
	free time.Time // when the line has sent all that waits
	sent int       // bytes
}

// maxLine is how much a thin line keeps waiting; what comes then is lost.
const maxLine = 3 * time.Second

// flow is when a firewalled host last sent to an address.
type flow struct{ last time.Time }

// flowAge is how long a stateful firewall remembers a UDP flow.
const flowAge = 2 * time.Minute

func newNetwork(r *rand.Rand, tally *Tally) *Network {
	router := &router{
		rand: rand.New(rand.NewPCG(r.Uint64(), r.Uint64())), tally: tally,
		cuts: map[[2]string]bool{}, walls: map[string]map[string]flow{}, drips: map[string]*drip{}, dead: map[string]bool{}, sent: map[string]int64{},
	}
	return &Network{router}
}

// socket puts a host on the network.
func (n *Network) socket(addr *net.UDPAddr) net.PacketConn {
	link := &simnet.SimulatedLink{Latency: latency, UploadPacket: n.router}
	conn := simnet.NewBlockingSimConn(addr, link)
	link.Start() // before packets can find it: it makes its queues here
	n.router.AddNode(addr, link)
	return &socket{conn, link, n.router, addr}
}

// close waits for late packets; all sockets must be closed.
func (n *Network) close() {
	n.router.mu.Lock()
	n.router.closed = true
	n.router.mu.Unlock()
	n.router.late.Wait()
}

// Lose loses each packet with probability p.
func (n *Network) Lose(p float64) { n.set(func(r *router) { r.loss = p }) }

// Double delivers each packet twice with probability p.
func (n *Network) Double(p float64) { n.set(func(r *router) { r.double = p }) }

// Jitter delays each packet by up to d more, so that packets overtake each other.
func (n *Network) Jitter(d time.Duration) { n.set(func(r *router) { r.jitter = d }) }

// Delay makes every packet late by d, beyond the latency of a healthy network.
func (n *Network) Delay(d time.Duration) { n.set(func(r *router) { r.delay = d }) }

// Sent is how many bytes have left a host in packets, those that were lost included.
func (n *Network) Sent(h *Host) (bytes int64) {
	n.set(func(r *router) { bytes = r.sent[h.addr.IP.String()] })
	return bytes
}

// Cut stops everything from one host to another; the way back stays open.
func (n *Network) Cut(from, to *Host) {
	n.set(func(r *router) { r.cuts[[2]string{from.addr.IP.String(), to.addr.IP.String()}] = true })
}

// Part stops everything between two hosts.
func (n *Network) Part(a, b *Host) { n.Cut(a, b); n.Cut(b, a) }

// Heal ends all cuts.
func (n *Network) Heal() { n.set(func(r *router) { clear(r.cuts) }) }

// Wall puts a host behind a stateful firewall: a packet passes inwards only as
// an answer to one that went out within flowAge between the same addresses.
func (n *Network) Wall(h *Host) {
	n.set(func(r *router) { r.walls[h.addr.IP.String()] = map[string]flow{} })
}

// Drip lets only so many bytes a second through to and from a host; 0 ends it.
func (n *Network) Drip(h *Host, rate float64) {
	n.set(func(r *router) {
		if rate == 0 {
			delete(r.drips, h.addr.IP.String())
			return
		}
		r.drips[h.addr.IP.String()] = &drip{rate: rate}
	})
}

// dripped is how many bytes a thin line has carried so far.
func (n *Network) dripped(h *Host) (bytes int) {
	n.set(func(r *router) {
		if line := r.drips[h.addr.IP.String()]; line != nil {
			bytes = line.sent
		}
	})
	return bytes
}

// Calm ends everything but walls.
func (n *Network) Calm() {
	n.Heal()
	n.set(func(r *router) {
		r.loss, r.double, r.delay, r.jitter = 0, 0, 0, 0
		clear(r.drips)
	})
}

// silence takes a killed process off the network, or lets the next one on.
func (n *Network) silence(h *Host, dead bool) {
	n.set(func(r *router) { r.dead[h.addr.IP.String()] = dead })
}

func (n *Network) set(f func(*router)) {
	n.router.mu.Lock()
	defer n.router.mu.Unlock()
	f(n.router)
}

// SendPacket carries one packet, or does not.
func (r *router) SendPacket(p simnet.Packet) error {
	copies, delays := r.fate(p)
	for i := range copies {
		if delays[i] == 0 {
			_ = r.PerfectRouter.SendPacket(p) // a host that is off the network hears nothing
			continue
		}
		late := p
		late.Data = append([]byte(nil), p.Data...)
		time.AfterFunc(delays[i], func() {
			defer r.late.Done()
			_ = r.PerfectRouter.SendPacket(late)
		})
	}
	return nil
}

// fate says how often a packet arrives and how late each time. Late ones are
// counted in r.late before mu is released.
func (r *router) fate(p simnet.Packet) (copies int, delays []time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	from, to := host(p.From), host(p.To)
	r.sent[from] += int64(len(p.Data))
	if r.closed || r.dead[from] || r.dead[to] || r.stopped(from, to) || !r.passes(p, from, to) {
		return 0, nil
	}
	if r.rand.Float64() < r.loss {
		r.tally.Count(Loss, 1)
		return 0, nil
	}
	line, fits := r.queue(from, to, len(p.Data))
	if !fits {
		return 0, nil
	}
	copies = 1
	if r.rand.Float64() < r.double {
		r.tally.Count(Duplicate, 1)
		copies = 2
	}
	for range copies {
		d := r.delay + line
		if r.jitter > 0 {
			d += time.Duration(r.rand.Int64N(int64(r.jitter)))
			r.tally.Count(Late, 1)
		}
		if d > 0 {
			r.late.Add(1)
		}
		delays = append(delays, d)
	}
	return copies, delays
}

// stopped asks the cuts. Called with mu held.
func (r *router) stopped(from, to string) bool {
	if !r.cuts[[2]string{from, to}] {
		return false
	}
	kind := OneWay
	if r.cuts[[2]string{to, from}] {
		kind = Partition
	}
	r.tally.Count(kind, 1)
	return true
}

// queue puts a packet on the thin lines and says how long it waits there, and
// whether there is room. Called with mu held.
func (r *router) queue(from, to string, size int) (wait time.Duration, fits bool) {
	for _, end := range []string{from, to} {
		line := r.drips[end]
		if line == nil {
			continue
		}
		r.tally.Count(Drip, 1)
		line.free = later(line.free, time.Now())
		if time.Until(line.free) > maxLine {
			return 0, false
		}
		line.free = line.free.Add(time.Duration(float64(size) / line.rate * float64(time.Second)))
		line.sent += size
		wait += time.Until(line.free)
	}
	return wait, true
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// passes asks the firewalls. Called with mu held.
func (r *router) passes(p simnet.Packet, from, to string) bool {
	if flows, walled := r.walls[from]; walled {
		flows[p.To.String()] = flow{time.Now()}
	}
	if flows, walled := r.walls[to]; walled {
		f, ok := flows[p.From.String()]
		if !ok || time.Since(f.last) > flowAge {
			return false
		}
		flows[p.From.String()] = flow{time.Now()}
	}
	return true
}

func host(a net.Addr) string {
	if u, ok := a.(*net.UDPAddr); ok {
		return u.IP.String()
	}
	return a.String()
}
