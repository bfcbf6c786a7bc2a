//go:build linux

package local

import (
	"context"
	"testing"
	"time"

	"comity/node/control"
	"comity/protocol"
)

// Node is one node: a data directory, and a process while it runs. Its methods
// fail the test, with the end of the node's log, when something goes wrong.
// Methods that start or end the process are for one goroutine at a time.
type Node struct {
	ID        protocol.NodeID
	Authority protocol.AuthorityID // the one that it hosts
	Dir       string

	tb      testing.TB
	in      *Namespace // nil: the machine's own network
	log     string
	process *Process // nil before the first start
	client  *control.Client
}

// Running reports whether its process lives.
func (n *Node) Running() bool { return n.process != nil && !n.process.Ended() }

// Process is the process that runs, or ran last.
func (n *Node) Process() *Process { return n.process }

// Start runs "comity serve" and returns when it answers on its socket.
func (n *Node) Start() {
	n.tb.Helper()
	if n.Running() {
		n.tb.Fatalf("start %s: it runs already", n.ID)
	}
	n.forget()
	argv := []string{Program(n.tb), "serve", "--dir", n.Dir}
	if n.in != nil {
		argv = n.in.command(argv...)
	}
	n.process = Start(n.tb, n.log, argv...)
	ctx, cancel := context.WithTimeout(context.Background(), startWait)
	defer cancel()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	// Not Dial: it would open a node that is still starting by itself.
	for !control.Running(ctx, n.Dir) {
		select {
		case <-n.process.ended:
			n.fatalf("%s ended while it was starting: %v", n.ID, n.process.err)
		case <-ctx.Done():
			n.fatalf("%s does not answer after %s", n.ID, startWait)
		case <-poll.C:
		}
	}
}

// Kill ends it as a power cut would.
func (n *Node) Kill() {
	n.tb.Helper()
	if !n.Running() {
		n.fatalf("kill %s: it does not run", n.ID)
	}
	n.process.Kill()
	n.forget()
}

// Stop asks it to end. It must end well.
func (n *Node) Stop() {
	n.tb.Helper()
	if !n.Running() {
		n.fatalf("stop %s: it does not run", n.ID)
	}
	n.forget()
	if err := n.process.Stop(); err != nil {
		n.fatalf("stop %s: %v", n.ID, err)
	}
}

// Close ends it in any case.
func (n *Node) Close() {
	n.forget()
	if n.process != nil {
		n.process.Kill()
	}
	if n.tb.Failed() && n.process != nil {
		n.tb.Logf("the last words of %s:\n%s", n.ID, n.process.Output())
	}
}

// Client reaches the running node. It stays valid until the process ends.
func (n *Node) Client() *control.Client {
	n.tb.Helper()
	if n.client == nil {
		if !n.Running() {
			n.fatalf("ask %s: it does not run", n.ID)
		}
		c, err := control.Dial(context.Background(), n.Dir)
		if err != nil {
			n.fatalf("ask %s: %v", n.ID, err)
		}
		if c.Local() {
			c.Close()
			n.fatalf("ask %s: it runs, but its socket does not answer", n.ID)
		}
		n.client = c
	}
	return n.client
}

func (n *Node) forget() {
	if n.client != nil {
		_ = n.client.Close()
		n.client = nil
	}
}

// ask asks the node, running or not.
func (n *Node) ask(f func(context.Context, *control.Client) error) {
	n.tb.Helper()
	ctx := context.Background()
	var c *control.Client
	if n.Running() {
		c = n.Client()
	} else {
		var err error
		if c, err = control.Dial(ctx, n.Dir); err != nil {
			n.fatalf("open %s: %v", n.ID, err)
		}
		defer c.Close()
	}
	if err := f(ctx, c); err != nil {
		n.fatalf("ask %s: %v", n.ID, err)
	}
}

func (n *Node) fatalf(format string, args ...any) {
	n.tb.Helper()
	n.tb.Fatalf(format, args...) // Close shows the log
}
