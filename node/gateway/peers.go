package gateway

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"comity/protocol"
	"comity/store"
)

// Peer is what an operator wants to know of another node.
type Peer struct {
	Node      protocol.NodeID
	State     protocol.StateID
	Endpoints []string
	Record    int64     // number of its newest record here
	Pinned    bool      // a person confirmed it by words
	Listed    bool      // it rests on the word of a federation's stewards: nobody confirmed any record of its state
	Reachable bool      // a connection is open now
	Over      Transport // what it runs on; empty: none is open
	LastError string
	Busy      bool          // LastError says that it runs, and asks to come back later
	Unknown   bool          // LastError says that it shows a TLS key which its record here does not list
	Contact   time.Time     // last word from it; zero: none since this node started
	Skew      time.Duration // its clock minus ours, as its clock was last seen
	Waiting   int64         // parcels queued for it
	Bytes     int64         // their sealed bytes
	Oldest    time.Time     // when the oldest was queued; zero: nothing waits
	LogSize   int64         // of its log, as last seen
	// LogFault says what is wrong with its log, as a sentence; empty: nothing is known to be.
	LogFault string
	// DirectoryFault says which other directory it named than this node knows, as a
	// sentence; empty: none.
	DirectoryFault string
	// Witnessed is the size of the newest checkpoint of our log that it cosigned; 0: none.
	Witnessed int64
	// Unwitnessed is the age of the oldest checkpoint that it has not cosigned, once
	// that is beyond protocol.MaxUnwitnessed; 0: it is not late.
	Unwitnessed time.Duration
	Rest        time.Duration // it asked to wait, so for this long one parcel at most between the authorities concerned is tried; 0: all are
	Why         string        // the sentence with which it did
	Refused     int64         // requests of it that were refused, since this node started
	Limited     int64         // requests of it that were asked to come back later, likewise
}

// Peers returns all pinned nodes, by name.
func (g *Gateway) Peers(ctx context.Context) ([]Peer, error) {
	known, err := g.Store.Peers(ctx)
	if err != nil {
		return nil, err
	}
	queues, err := g.Store.Queues(ctx, store.WithoutTests)
	if err != nil {
		return nil, err
	}
	waiting := make(map[protocol.NodeID]store.Queue, len(queues))
	for _, q := range queues {
		waiting[q.Peer] = q
	}
	witnesses, err := g.Store.WitnessStates(ctx)
	if err != nil {
		return nil, err
	}
	differing, err := g.directoryFaults(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]Peer, len(known))
	for i, k := range known {
		q := waiting[k.Node]
		all[i] = Peer{
			Node: k.Node, State: k.State, Record: k.Sequence, Pinned: k.Pinned, Listed: k.Listed, LogSize: k.Size, DirectoryFault: differing[k.Node],
			Waiting: q.Waiting, Bytes: q.Bytes, Oldest: q.Oldest,
		}
		if s, ok := g.book.node(k.Node); ok {
			all[i].Endpoints = s.Record().Node.Endpoints
			if all[i].LogFault, err = g.logFault(ctx, s.Record().Node.Log.Origin); err != nil {
				return nil, err
			}
		}
		for _, w := range witnesses {
			if w.Node == k.Node {
				all[i].Witnessed, all[i].Unwitnessed = w.Size, g.late(w)
			}
		}
		g.link(k.Node).describe(&all[i])
	}
	return all, nil
}

// logFault says what is known against a peer's log.
func (g *Gateway) logFault(ctx context.Context, origin string) (string, error) {
	f, err := g.Store.Following(ctx, origin, 0)
	if err != nil {
		return "", err
	}
	if age := g.uncompared(f); f.Fork == nil && age > 0 {
		return fmt.Sprintf("not been compared with what it showed before, for %s: its node lets nobody, or cannot be reached", age.Round(time.Minute)), nil
	}
	if f.Fork == nil {
		return "", nil
	}
	return fmt.Sprintf("forked: it signed %d and %d leaves of which neither extends the other, found at %s; both are kept as evidence",
		f.Fork.One.Checkpoint.Size, f.Fork.Other.Checkpoint.Size, protocol.At(f.Fork.Found)), nil
}

func (l *link) describe(p *Peer) {
	p.Skew = l.skew()
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.Reachable = l.session != nil && l.session.alive(); p.Reachable {
		p.Over = l.session.transport()
	}
	p.LastError = sentence(l.plainly(cmp.Or(l.alarm, l.failure)))
	_, p.Busy = AsksToWait(l.failure)
	p.Unknown = l.alarm == nil && Unknown(l.failure)
	p.Contact = l.contact
	p.Rest, p.Why = l.circuits.state()
	p.Refused, p.Limited = l.refused.Load(), l.limited.Load()
}

// Delivery is how the delivery of a queued parcel stands.
type Delivery struct {
	Attempts int
	Next     time.Time // when it is tried next; zero: it is being tried now, or nothing is left to send
	// Why says why the last attempt failed, or why none is made: a sentence. Words
	// of the peer stand in it in quotation marks. Empty: nothing is wrong.
	Why string
}

// Delivery tells how the delivery of a parcel stands. store.ErrNotFound.
func (g *Gateway) Delivery(ctx context.Context, k protocol.Key) (Delivery, error) {
	row, err := g.Store.Outbound(ctx, k)
	if err != nil || row.State.Settled() {
		return Delivery{}, err
	}
	d := Delivery{Attempts: row.Attempts, Next: row.Next, Why: row.LastError}
	l := g.link(row.Peer)
	open, failure := l.standing()
	flying := l.flying.has(k)
	switch {
	case flying && open:
		d.Why = fmt.Sprintf("under way to %s", l.peer)
	case d.Why == "" && failure != nil: // the first attempt is not over
		d.Why = l.excuse(row, failure)
	}
	if flying || !d.Next.After(g.Now()) {
		d.Next = time.Time{}
	}
	return d, nil
}

// standing returns whether a connection is open now, and else why the last
// attempt to make one failed.
func (l *link) standing() (open bool, failure error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.session != nil && l.session.alive(), l.failure
}

// CheckLog verifies this node's whole log from its leaves to its newest
// checkpoint, and that every evidence issued here has its leaf.
func (g *Gateway) CheckLog(ctx context.Context) (store.LogReport, error) {
	return g.Store.CheckLog(ctx, g.Own.LogVerifier().Checkpoint)
}
