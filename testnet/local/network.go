//go:build linux

package local

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"comity/crypto/pgp"
	"comity/node/control"
	"comity/node/gateway"
	"comity/node/operate"
	"comity/protocol"
	"comity/protocol/record"
	"comity/store/pgtest"
)

// port is the port of every node, UDP and TCP; addresses tell them apart.
const port = 7443

// Network is the nodes of one test.
type Network struct {
	tb    testing.TB
	dir   string // data directories, logs and attachments
	nodes []*Node
}

// New makes an empty network. Its nodes are stopped and removed at the end of
// the test.
func New(tb testing.TB) *Network {
	tb.Helper()
	Program(tb)
	return &Network{tb: tb, dir: tb.TempDir()}
}

// Create makes a node, such as "xa", on a loopback address of its own, hosting
// the authority <state>/central-authority. It does not run yet.
func (w *Network) Create(id protocol.NodeID) *Node {
	w.tb.Helper()
	return w.create(id, nil, freeAddress(w.tb), operate.Database{})
}

// CreateOnPostgres makes a node as Create does, with its rows in a real
// PostgreSQL server.
func (w *Network) CreateOnPostgres(id protocol.NodeID) *Node {
	w.tb.Helper()
	file := filepath.Join(w.dir, string(id)+".url")
	if err := os.WriteFile(file, []byte(pgtest.Need(w.tb).Database(w.tb)), 0o600); err != nil {
		w.tb.Fatal(err)
	}
	return w.create(id, nil, freeAddress(w.tb), operate.Database{Engine: operate.Postgres, URLFile: file})
}

// CreateIn makes a node that runs in a namespace.
func (w *Network) CreateIn(id protocol.NodeID, in *Namespace) *Node {
	w.tb.Helper()
	return w.create(id, in, in.Address, operate.Database{})
}

func (w *Network) create(id protocol.NodeID, in *Namespace, address string, rows operate.Database) *Node {
	w.tb.Helper()
	endpoint := fmt.Sprintf("%s:%d", address, port)
	n := &Node{
		ID: id, Authority: protocol.AuthorityID(string(id.State()) + "/central-authority"),
		Dir: filepath.Join(w.dir, string(id)), tb: w.tb, in: in, log: filepath.Join(w.dir, string(id)+".log"),
	}
	_, err := operate.Create(context.Background(), operate.Plan{
		Dir:         n.Dir,
		Node:        id,
		StateName:   []record.Name{{Language: "en", Text: "State " + string(id.State())}},
		Authorities: []operate.PlannedAuthority{{ID: n.Authority, Name: []record.Name{{Language: "en", Text: "Central Authority"}}}},
		Listen:      endpoint,
		Endpoints:   []string{endpoint},
		Algorithm:   pgp.Ed25519,
		Store:       rows,
		Now:         time.Now(),
	})
	if err != nil {
		w.tb.Fatalf("create node %s: %v", id, err)
	}
	w.nodes = append(w.nodes, n)
	w.tb.Cleanup(n.Close)
	return n
}

// Introduce hands the introduction of each of the nodes to each of the others,
// who pins it: in life, a file and a telephone call. They may run or not.
func (w *Network) Introduce(nodes ...*Node) {
	w.tb.Helper()
	for _, n := range nodes {
		for _, other := range nodes {
			if n != other {
				n.Pin(other)
			}
		}
	}
}

// Pin makes n trust the record of another node.
func (n *Node) Pin(other *Node) {
	n.tb.Helper()
	var i *control.Introduction
	other.ask(func(ctx context.Context, c *control.Client) (err error) {
		i, err = c.Introduce(ctx)
		return err
	})
	n.ask(func(ctx context.Context, c *control.Client) error {
		_, err := c.Pin(ctx, []byte(i.File), i.Digits)
		return err
	})
}

// File writes an attachment with bytes of chance and returns its path.
func (w *Network) File(name string, size int64) string {
	w.tb.Helper()
	path := filepath.Join(w.dir, name)
	f, err := os.Create(path)
	if err != nil {
		w.tb.Fatal(err)
	}
	defer f.Close()
	buf := make([]byte, 1<<20)
	for left := size; left > 0; {
		piece := buf[:min(left, int64(len(buf)))]
		rand.Read(piece)
		if _, err := f.Write(piece); err != nil {
			w.tb.Fatal(err)
		}
		left -= int64(len(piece))
	}
	if err := f.Sync(); err != nil {
		w.tb.Fatal(err)
	}
	return path
}

// freeAddress is a loopback address that nobody else uses: all of 127.0.0.0/8
// is local, so a node keeps its address while it is down, which a port that the
// kernel chose would not.
func freeAddress(tb testing.TB) string {
	tb.Helper()
	var last error
	for range 100 {
		var b [3]byte
		rand.Read(b[:])
		ip := net.IPv4(127, 1+b[0]%250, b[1], 1+b[2]%250)
		udp, tcp, err := gateway.Listen(fmt.Sprintf("%s:%d", ip, port))
		if err != nil {
			last = err
			continue
		}
		udp.Close()
		tcp.Close()
		return ip.String()
	}
	tb.Fatalf("no loopback address is free: %v", last)
	return ""
}
