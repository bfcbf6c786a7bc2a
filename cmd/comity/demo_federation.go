package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"comity/node/control"
)

// The demo with more than two states: they found a federation, and meet by its
// directory alone.
const (
	leastFederated = 3 // each of three states has a steward
	mostFederated  = 8 // nodes on one machine
)

// federationDemo is one run of it. It is used by one goroutine.
type federationDemo struct {
	story
	place
	p       *program
	sides   []*side
	council council
	mirror  process
	start   time.Time
}

// runFederation plays the piece with so many states.
func (p *program) runFederation(ctx context.Context, states int, files []string) error {
	switch {
	case states < leastFederated || states > mostFederated:
		return misuse("comity demo --states 5", "a federation of %d states: want %d to %d, or none for the demo of two", states, leastFederated, mostFederated)
	case len(files) > 0:
		return misuse("leave --file away, or --states", "the demo of a federation makes up what it sends")
	}
	d := &federationDemo{p: p, story: story{p: p}, start: time.Now()}
	err := d.run(ctx, states)
	if err != nil && p.json {
		_ = p.line(demoEnd{Error: control.Explain(err)})
	}
	return err
}

// run plays the whole piece. All processes are ended in any case.
func (d *federationDemo) run(ctx context.Context, states int) (err error) {
	done, err := d.prepare(d.p.dir)
	if err != nil {
		return err
	}
	defer done()
	for n := range states {
		letter := string(rune('A' + n))
		of := federated[n%len(federated)]
		d.sides = append(d.sides, newSide(letter, "x"+string(rune('a'+n)), of.authority, of.title, filepath.Join(d.dir, "x"+string(rune('a'+n)))))
	}
	defer func() { err = errors.Join(err, d.stop(err != nil && ctx.Err() == nil)) }()
	d.federationOpening()
	for _, act := range []func(context.Context) error{d.create, d.found, d.list, d.publish, d.join, d.look} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	crossings, err := d.crossAll(ctx)
	if err != nil {
		return err
	}
	if err := d.prove(ctx, crossings); err != nil {
		return err
	}
	d.federationClosing(crossings)
	return nil
}

// stop ends everything that was started, and shows what each said last if it failed.
func (d *federationDemo) stop(failed bool) error {
	var errs []error
	for _, s := range d.sides {
		errs = append(errs, s.stop())
	}
	errs = append(errs, d.mirror.stop(), d.council.close())
	if failed {
		for _, s := range d.sides {
			s.lastWords(d.p.stderr)
		}
		d.mirror.lastWords(d.p.stderr)
	}
	return errors.Join(errs...)
}

func (d *federationDemo) create(ctx context.Context) error {
	d.chapter("Each state sets up its own gateway, and tells what its authority is for")
	for n, s := range d.sides {
		if err := s.create(ctx); err != nil {
			return err
		}
		d.created(s)
		if err := d.tell(ctx, s, n); err != nil {
			return err
		}
	}
	return nil
}

// join starts the nodes, and lets each follow the federation. The root and its words
// are all that anybody is given: no introduction is exchanged.
func (d *federationDemo) join(ctx context.Context) error {
	d.chapter("Each node gets the root of the federation, and nothing else")
	for _, s := range d.sides {
		if err := s.start(d.p.env); err != nil {
			return err
		}
	}
	for _, s := range d.sides {
		if err := s.ready(ctx); err != nil {
			return err
		}
		d.served(s)
	}
	for _, s := range d.sides {
		if err := d.joinOne(ctx, s); err != nil {
			return fmt.Errorf("node %s joins: %w", s.state, err)
		}
	}
	d.say("")
	d.say("Every node now knows every other state's keys, by its own signature on them.")
	return nil
}

func (d *federationDemo) joinOne(ctx context.Context, s *side) error {
	st, err := s.node.JoinFederation(ctx, d.council.root, d.council.words, []string{d.council.mirror})
	if err != nil {
		return err
	}
	if st.Adopted == nil || st.Records != len(d.sides) || len(st.Alarms) > 0 {
		return integrity("it holds %d records, want %d; alarms: %v", st.Records, len(d.sides), st.Alarms)
	}
	peers, err := s.node.Peers(ctx)
	if err != nil {
		return err
	}
	for _, other := range d.sides {
		if other != s {
			if err := trusted(peers, other); err != nil {
				return err
			}
		}
	}
	d.joined(s, st, len(peers))
	return nil
}

// trusted sees that a state is known by the record that it made, and by the directory
// alone: nobody has compared its words at this node.
func trusted(peers []control.Peer, other *side) error {
	for _, p := range peers {
		if string(p.State) != other.state {
			continue
		}
		if p.Digest != other.record.Ref().Digest || p.Confirmed {
			return integrity("state %s is known by record %s, confirmed %v; want %s by the directory alone", other.state, p.Digest.Short(), p.Confirmed, other.record.Ref().Digest.Short())
		}
		return nil
	}
	return integrity("state %s is not known", other.state)
}
