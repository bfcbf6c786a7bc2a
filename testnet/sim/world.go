// Package sim runs real nodes, with real databases, real cryptography and real
// QUIC, under simulated time and a simulated network. One seed makes one story;
// one oracle checks the invariants after every step of it.
//
// Everything runs inside a testing/synctest bubble: days pass in milliseconds.
// The package is for tests and is never linked into the product.
package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"comity/crypto/pgp"
	"comity/node/office"
	"comity/node/operate"
	"comity/protocol"
	"comity/protocol/parcel"
	"comity/protocol/record"
)

// World is a small international community in one process.
type World struct {
	T     *testing.T
	Rand  *rand.Rand // choices of the scenario
	Net   *Network
	Hosts []*Host

	logger *slog.Logger
	files  string // a folder with attachments
	sent   []Promise
}

// Promise is a parcel for which an office holds a SubmissionAcceptance.
type Promise struct {
	Key        protocol.Key
	Test       bool
	Attachment protocol.Digest // of what its recipient must be able to open
}

// Host is one country's machine: a data directory, an address, a clock.
type Host struct {
	world    *World
	Node     protocol.NodeID
	Office   protocol.AuthorityID
	Skew     time.Duration // its wall clock minus the true time
	dir      string
	endpoint string
	addr     *net.UDPAddr

	running *operate.Node // nil while down
	conn    net.PacketConn
	stop    context.CancelFunc
	stopped chan error
}

// Run plays one story with the given seed in a bubble. nodes are names such as
// "xa"; each hosts the authority <node>/central-authority. All hosts are
// introduced to each other and running when story begins; when it returns, they
// are stopped and the oracle has the last word.
func Run(t *testing.T, seed uint64, nodes []protocol.NodeID, story func(*World)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		cryptotest.SetGlobalRandom(t, seed)
		w := &World{T: t, Rand: rand.New(rand.NewPCG(seed, seed)), files: t.TempDir(), logger: logger(t)}
		w.Net = newNetwork(w.Rand)
		for i, id := range nodes {
			w.Hosts = append(w.Hosts, w.create(id, i))
		}
		defer w.Net.close()
		for _, h := range w.Hosts {
			h.Start()
		}
		defer func() {
			for _, h := range w.Hosts {
				h.Stop()
			}
		}()
		w.introduce()
		story(w)
		w.Check()
		w.openAll()
	})
}

// logger shows the nodes' own logs when COMITY_SIM_LOG is set.
func logger(t *testing.T) *slog.Logger {
	if os.Getenv("COMITY_SIM_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (w *World) create(id protocol.NodeID, i int) *Host {
	h := &Host{
		world:    w,
		Node:     id,
		Office:   protocol.AuthorityID(string(id.State()) + "/central-authority"),
		dir:      filepath.Join(w.T.TempDir(), string(id)),
		endpoint: string(id) + ".example:7443",
		addr:     &net.UDPAddr{IP: net.IPv4(10, 0, 0, byte(i+1)), Port: 7443},
	}
	_, err := operate.Create(w.T.Context(), operate.Plan{
		Dir:         h.dir,
		Node:        id,
		StateName:   []record.Name{{Language: "en", Text: "State " + string(id)}},
		Authorities: []operate.PlannedAuthority{{ID: h.Office, Name: []record.Name{{Language: "en", Text: "Central Authority"}}}},
		Listen:      "0.0.0.0:7443",
		Endpoints:   []string{h.endpoint},
		Algorithm:   pgp.Ed25519,
		Now:         time.Now(),
	})
	w.must(err, "create %s", id)
	return h
}

// introduce hands every host's record to every other: in life, a file and a
// telephone call.
func (w *World) introduce() {
	for _, h := range w.Hosts {
		for _, other := range w.Hosts {
			if h == other {
				continue
			}
			s, err := operate.ReadRecord(operate.Layout{Dir: other.dir})
			w.must(err, "read the record of %s", other.Node)
			w.must(h.running.Gateway.Pin(w.T.Context(), s), "pin %s at %s", other.Node, h.Node)
		}
	}
}

// Host returns a host by name.
func (w *World) Host(id protocol.NodeID) *Host {
	for _, h := range w.Hosts {
		if h.Node == id {
			return h
		}
	}
	w.T.Fatalf("no host %s", id)
	return nil
}

// resolve stands for the DNS.
func (w *World) resolve(_ context.Context, endpoint string) (net.Addr, error) {
	for _, h := range w.Hosts {
		if h.endpoint == endpoint {
			return h.addr, nil
		}
	}
	return nil, fmt.Errorf("no such host %q", endpoint)
}

func (w *World) must(err error, format string, args ...any) {
	w.T.Helper()
	if err != nil {
		w.T.Fatalf(format+": %v", append(args, err)...)
	}
}

// Start opens and runs the node on its data directory.
func (h *Host) Start() {
	w := h.world
	w.T.Helper()
	if h.running != nil {
		return
	}
	h.conn = w.Net.socket(h.addr)
	node, err := operate.Open(w.T.Context(), h.dir, operate.Options{
		Conn:    h.conn,
		Resolve: w.resolve,
		Now:     func() time.Time { return time.Now().Add(h.Skew) },
		Logger:  w.logger.With("node", h.Node),
	})
	w.must(err, "start %s", h.Node)
	ctx, stop := context.WithCancel(context.WithoutCancel(w.T.Context()))
	h.running, h.stop, h.stopped = node, stop, make(chan error, 1)
	go func() { h.stopped <- node.Run(ctx) }()
}

// Stop ends the node. What it had not made durable is gone, as after a crash:
// nothing is flushed on the way out.
func (h *Host) Stop() {
	if h.running == nil {
		return
	}
	h.stop()
	err := <-h.stopped
	err = errors.Join(err, h.conn.Close(), h.running.Close())
	h.running, h.conn = nil, nil
	if err != nil {
		h.world.T.Errorf("stop %s: %v", h.Node, err)
	}
}

// Restart stops and starts the node.
func (h *Host) Restart() {
	h.Stop()
	h.Start()
}

// Letter is what a scenario sends.
type Letter struct {
	To       []*Host
	Size     int // of its one attachment
	Priority protocol.Priority
	Lifetime time.Duration
	Test     bool
}

// Send writes a letter at h and remembers the promise of its SubmissionAcceptance.
func (h *Host) Send(l Letter) protocol.ParcelID {
	w := h.world
	w.T.Helper()
	path := filepath.Join(w.files, fmt.Sprintf("attachment-%d.bin", len(w.sent)))
	body := make([]byte, l.Size)
	for i := range body {
		body[i] = byte(w.Rand.Uint32())
	}
	w.must(os.WriteFile(path, body, 0o600), "write an attachment")
	draft := office.Draft{
		Kind: parcel.KindRequest, Priority: l.Priority, Test: l.Test, Lifetime: l.Lifetime,
		Files: []office.Source{{Path: path, Role: parcel.Document}},
	}
	if draft.Priority == "" {
		draft.Priority = protocol.Routine
	}
	if l.Test {
		draft.Kind = parcel.KindConformanceTest
	}
	for _, to := range l.To {
		draft.To = append(draft.To, to.Office)
	}
	sent, err := h.office().Send(w.T.Context(), draft, nil)
	w.must(err, "send from %s", h.Node)
	for _, r := range sent.Receipts {
		w.sent = append(w.sent, Promise{Key: r.Key, Test: l.Test, Attachment: protocol.Sum(body)})
	}
	return sent.Name.Parcel
}

func (h *Host) office() *office.Office { return h.running.Offices[h.Office] }

// Pass lets simulated time go by.
func (w *World) Pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
