// Package sim runs real nodes, with real databases, real cryptography and real
// QUIC, under simulated time and a simulated network. One seed makes one story;
// one oracle checks the invariants after every step of it.
//
// Everything runs inside a testing/synctest bubble: days pass in milliseconds.
// The package is for tests and is never linked into the product.
package sim

import (
	"context"
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
	"comity/node/operate"
	"comity/protocol"
	"comity/protocol/record"
	"comity/store/pgtest"
)

// World is a small international community in one process.
type World struct {
	T     *testing.T
	Rand  *rand.Rand // choices of the scenario
	Net   *Network
	Hosts []*Host

	Tally Tally // of the faults that took effect

	logger *slog.Logger
	rows   operate.Database // where the hosts keep their rows
	files  string           // a folder with attachments
	sent   []Promise
	// attempts are the attachments that a story tried to send, with their
	// recipients: no node may hold anything else.
	attempts map[protocol.Digest][]*Host
	// withdrawn are the letters that an officer took back, in time or not.
	withdrawn map[protocol.ParcelID]bool
	ledger    ledger
	idle      int // goroutines when all nodes ran and nothing was sent
}

// Run plays one story with the given seed in a bubble. nodes are names such as
// "xa"; each hosts the authority <node>/central-authority. All hosts are
// introduced to each other and running when story begins; when it returns, they
// are stopped and the oracle has the last word.
//
// The hosts keep their rows in SQLite files; where COMITY_TEST_ENGINE is
// postgres, in a real PostgreSQL server. Simulated time stands still while it
// works.
func Run(t *testing.T, seed uint64, nodes []protocol.NodeID, story func(*World)) {
	t.Helper()
	var rows operate.Database
	if os.Getenv("COMITY_TEST_ENGINE") == operate.Postgres {
		rows = postgres(t)
	}
	play(t, rows, seed, nodes, story)
}

// postgres makes a database that the hosts of one story share.
func postgres(t *testing.T) operate.Database {
	t.Helper()
	file := filepath.Join(t.TempDir(), "database.url")
	if err := os.WriteFile(file, []byte(pgtest.Need(t).Database(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	return operate.Database{Engine: operate.Postgres, URLFile: file}
}

func play(t *testing.T, rows operate.Database, seed uint64, nodes []protocol.NodeID, story func(*World)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		cryptotest.SetGlobalRandom(t, seed)
		w := &World{
			rows: rows, T: t, Rand: rand.New(rand.NewPCG(seed, seed)), files: t.TempDir(), logger: logger(t),
			attempts: map[protocol.Digest][]*Host{}, withdrawn: map[protocol.ParcelID]bool{}, ledger: newLedger(),
		}
		w.Net = newNetwork(w.Rand, &w.Tally)
		t.Cleanup(func() { w.report(seed) })
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
		w.settle()
		story(w)
		for _, h := range w.Hosts {
			h.disk.Heal() // what has not struck by now would strike the oracle
		}
		w.Check()
		w.openAll()
		w.checkRest()
	})
}

// report says what a failed story met.
func (w *World) report(seed uint64) {
	if w.T.Failed() {
		w.T.Logf("the story of %d met: %s", seed, w.Tally.happened())
	}
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
		base:     w.T.TempDir(),
		endpoint: string(id) + ".example:7443",
		addr:     &net.UDPAddr{IP: net.IPv4(10, 0, 0, byte(i+1)), Port: 7443},
	}
	h.dir = h.next()
	h.life++
	h.disk = newDisk(h, w.Rand.Uint64())
	_, err := operate.Create(w.T.Context(), operate.Plan{
		Dir:         h.dir,
		Node:        id,
		StateName:   []record.Name{{Language: "en", Text: "State " + string(id)}},
		Authorities: []operate.PlannedAuthority{{ID: h.Office, Name: []record.Name{{Language: "en", Text: "Central Authority"}}}},
		Listen:      "0.0.0.0:7443",
		Endpoints:   []string{h.endpoint},
		Algorithm:   pgp.Ed25519,
		Store:       w.rows,
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

// Pass lets simulated time go by, and looks after nodes that died meanwhile.
func (w *World) Pass(d time.Duration) {
	w.T.Helper()
	time.Sleep(d)
	w.tend()
}

// tend buries nodes that were killed or stopped by themselves, and starts again
// those that shall run, as an operator does. It returns when nothing moves any
// more at this moment.
func (w *World) tend() {
	w.T.Helper()
	synctest.Wait()
	for _, h := range w.Hosts {
		h.tend()
	}
	synctest.Wait()
}
