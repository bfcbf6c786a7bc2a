package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"comity/node/operate"
)

const (
	// lockWait is how long is waited for a command that has the directory open:
	// commands are short.
	lockWait = 10 * time.Second
	lockPoll = 50 * time.Millisecond
)

// ReadConfig reads the configuration of a data directory; NoNode when there is none.
func ReadConfig(dir string) (operate.Config, error) {
	c, err := operate.ReadConfig(operate.Layout{Dir: dir}.Config())
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("open %s: %w", dir, operate.ErrNoNode)
	}
	return c, Explain(err)
}

// Open opens a node as operate.Open does. It waits a few seconds while another
// command has the directory open.
func Open(ctx context.Context, dir string, o operate.Options) (*operate.Node, error) {
	return openUnless(ctx, dir, o, func() bool { return false })
}

// openUnless tries to open a node until it can, or until instead says that it
// need not; then node and error are nil.
func openUnless(ctx context.Context, dir string, o operate.Options, instead func() bool) (*operate.Node, error) {
	deadline := time.NewTimer(lockWait)
	defer deadline.Stop()
	for !instead() {
		node, err := operate.Open(ctx, dir, o)
		if !errors.Is(err, operate.ErrLocked) {
			return node, Explain(err)
		}
		select {
		case <-time.After(lockPoll):
		case <-deadline.C:
			return nil, explain(err)
		case <-ctx.Done():
			return nil, explain(ctx.Err())
		}
	}
	return nil, nil
}

// Explain turns any error into an *Error that can be shown; nil stays nil.
func Explain(err error) error {
	if err == nil {
		return nil
	}
	return explain(err)
}
