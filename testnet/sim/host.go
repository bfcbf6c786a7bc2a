package sim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"comity/node/gateway"
	"comity/node/office"
	"comity/node/operate"
	"comity/protocol"
	"comity/store"
)

// Host is one country's machine: a data directory, an address, a clock.
type Host struct {
	world    *World
	Node     protocol.NodeID
	Office   protocol.AuthorityID
	skew     atomic.Int64 // its wall clock minus the true time, in nanoseconds
	base     string       // folder of its data directories
	dir      string       // the data directory; each death leaves another
	life     int          // numbers them
	endpoint string
	addr     *net.UDPAddr
	disk     *Disk
	mirrors  Mirrors // of the federation, as this host reaches them

	// away says that it stays down when it dies, until Start.
	away bool
	// misled says that its clock was wrong at some time: what it signed then may
	// be dated later than now, and until then it refuses to start.
	misled bool
	astray bool // it was started with a wrong clock
	// old is why it stopped as an older copy of itself; nil: it did not.
	old error
	// restored says that an operator put an older copy in its place.
	restored bool
	running  *operate.Node // nil while down
	conn     net.PacketConn
	stop     context.CancelFunc
	stopped  chan error
}

// next is the data directory that its next death leaves.
func (h *Host) next() string {
	return filepath.Join(h.base, fmt.Sprintf("%s-%d", h.Node, h.life))
}

func (h *Host) store() *store.Gateway { return h.running.Gateway.Store }

func (h *Host) office() *office.Office { return h.running.Offices[h.Office] }

// Start opens and runs the node on its data directory. With a wrong clock it may
// refuse, and stays down.
func (h *Host) Start() {
	w := h.world
	w.T.Helper()
	h.away = false
	if h.running != nil {
		return
	}
	if h.astray = h.skew.Load() != 0; h.astray {
		h.misled = true
		w.Tally.Count(ClockAtTheStart, 1)
	}
	h.disk.reopen()
	w.Net.silence(h, false)
	h.conn = w.Net.socket(h.addr)
	node, err := operate.Open(w.T.Context(), h.dir, operate.Options{
		Conn:    h.conn,
		Resolve: w.resolve,
		Now:     func() time.Time { return time.Now().Add(time.Duration(h.skew.Load())) },
		Logger:  w.logger.With("node", h.Node),
		Store:   h.disk.config(),
		Mirrors: &h.mirrors,
	})
	if err != nil && h.excuses(err) {
		w.logger.Info("a node refuses to start", "node", h.Node, "error", err)
		w.must(h.conn.Close(), "close the socket of %s", h.Node)
		return
	}
	w.must(err, "start %s", h.Node)
	ctx, stop := context.WithCancel(context.WithoutCancel(w.T.Context()))
	h.running, h.stop, h.stopped = node, stop, make(chan error, 1)
	go func() { h.stopped <- node.Run(ctx) }()
}

// Stop ends the node in order, as a service manager does. It stays down until
// Start.
func (h *Host) Stop() {
	h.away = true
	if h.running == nil {
		return
	}
	h.world.Tally.Count(Restart, 1)
	h.end()
}

// end waits until the node has stopped, for whatever reason, and closes it.
func (h *Host) end() {
	killed := h.disk.isDead()
	h.stop()
	err := <-h.stopped
	err = errors.Join(err, h.conn.Close(), h.running.Close())
	h.running, h.conn = nil, nil
	if errors.Is(err, gateway.ErrOlderCopy) && h.restored {
		h.old, h.away = err, true // for its operator
		err = nil
	}
	if err != nil && !killed && !h.excuses(err) {
		h.world.T.Errorf("stop %s: %v", h.Node, err)
	}
	if killed {
		h.world.must(os.RemoveAll(h.dir), "remove the old folder of %s", h.Node)
		h.dir = h.next()
		h.life++
	}
}

// tend looks after a node that does not run.
func (h *Host) tend() {
	if h.running != nil && (h.disk.isDead() || len(h.stopped) > 0) {
		h.end()
	}
	if h.running == nil && !h.away {
		h.Start()
	}
}

// Restart stops and starts the node.
func (h *Host) Restart() {
	h.Stop()
	h.Start()
}

// SetClock makes its wall clock differ from the true time, now.
func (h *Host) SetClock(skew time.Duration) {
	h.skew.Store(int64(skew))
	h.misled = h.misled || skew != 0
}

// excuses reports whether a node may stop or not start with this error: its disk
// failed, its clock is wrong, or was and what it signed then is still to come.
// Nothing excuses data that contradicts itself.
func (h *Host) excuses(err error) bool {
	if errors.Is(err, store.ErrIntegrity) {
		return false
	}
	return h.disk.wasStruck() || h.skew.Load() != 0 || h.astray || h.misled && errors.Is(err, store.ErrClock)
}

// troubled reports whether a fault may be the reason that it fails now.
func (h *Host) troubled() bool { return h.misled || h.disk.wasStruck() }

// mayRefuse reports whether an act may fail with this error now. A peer whose clock is
// wrong delays a node that has just started (R-TIME-1).
func (h *Host) mayRefuse(err error) bool {
	return h.troubled() || errors.Is(err, gateway.ErrClock) && slices.ContainsFunc(h.world.Hosts, func(o *Host) bool { return o.misled })
}
