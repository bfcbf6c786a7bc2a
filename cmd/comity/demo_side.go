package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"comity/crypto/pgp"
	"comity/node/control"
	"comity/node/operate"
	"comity/protocol"
	"comity/protocol/record"
)

const (
	// startWait is how long a node may take to answer.
	startWait = 30 * time.Second
	startPoll = 20 * time.Millisecond
)

// side is one state of the demo: its node as a separate process.
type side struct {
	label     string // A, B
	state     string
	authority protocol.AuthorityID
	title     string // of the authority
	dir       string
	address   string
	record    *record.State // as made: the anchor that everything is checked against
	words     []string      // as the other side hears them
	file      []byte        // introduction
	process
	node *control.Client
}

func newSide(label, state, authority, title, dir string) *side {
	return &side{label: label, state: state, authority: protocol.AuthorityID(state + "/" + authority), title: title, dir: dir}
}

// create makes the node as "comity init" does.
func (s *side) create(ctx context.Context) error {
	f := initFlags{
		state: s.state, name: "State " + s.label, language: "en", authorities: []string{s.authority.Name()}, names: []string{s.title},
		endpoint: "127.0.0.1:0", algorithm: string(pgp.Ed25519),
	}
	plan, err := f.plan(s.dir)
	if err != nil {
		return err
	}
	s.address = plan.Endpoints[0]
	s.record, err = operate.Create(ctx, *plan)
	return err
}

// ask asks the node while it does not run.
func (s *side) ask(ctx context.Context, f func(*control.Client) error) error {
	c, err := control.Dial(ctx, s.dir)
	if err != nil {
		return err
	}
	return errors.Join(f(c), c.Close())
}

// write writes the introduction.
func (s *side) write(ctx context.Context, path string) error {
	return s.ask(ctx, func(c *control.Client) error {
		i, err := c.Introduce(ctx)
		if err != nil {
			return err
		}
		s.words, s.file = s.record.Words(), []byte(i.File)
		return writeNew(path, s.file)
	})
}

// pin trusts the other side's introduction, by the words that it said.
func (s *side) pin(ctx context.Context, other *side) error {
	return s.ask(ctx, func(c *control.Client) error {
		_, err := c.Pin(ctx, other.file, strings.Join(other.words, " "))
		return err
	})
}

// start runs "comity serve" as a process of its own.
func (s *side) start(env map[string]string) error {
	return s.process.start("node "+s.state, s.dir+".log", env, "serve", "--dir", s.dir)
}

// ready waits until the node answers.
func (s *side) ready(ctx context.Context) error {
	deadline := time.NewTimer(startWait)
	defer deadline.Stop()
	for !control.Running(ctx, s.dir) {
		select {
		case <-s.ended:
			return fmt.Errorf("node %s stopped while it was starting: %v", s.state, s.end)
		case <-deadline.C:
			return fmt.Errorf("node %s did not answer within %s", s.state, startWait)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(startPoll):
		}
	}
	var err error
	s.node, err = control.Dial(ctx, s.dir)
	return err
}

// stop ends the process, and waits for it.
func (s *side) stop() error {
	if s.node != nil {
		_ = s.node.Close() // the process ends now anyway
	}
	return s.process.stop()
}
