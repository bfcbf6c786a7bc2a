package gateway

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"comity/protocol"
	"comity/protocol/exchange"
)

// DefaultQueueShare is how many parcels of one authority wait to be delivered at
// most, where a node hosts several: weeks of what an office sends, and few enough
// that reading the queue stays quick.
const DefaultQueueShare = 10_000

// quota keeps the authorities of one node from each other's share of it. Of the
// room on the disk each has half of an equal part for itself: what the others keep,
// however much they send or get, never reaches into it; the rest is whose comes
// first. So with two, one may fill three quarters at most. Of the queue, each has a
// number of places. On the way out they take turns anyway (Store.Due).
//
// A node with one authority has nobody to protect, and so no shares.
type quota struct {
	g    *Gateway
	most int64 // places in the queue of each

	mu      sync.Mutex
	counted time.Time                            // guarded by mu; real time of the last count
	took    time.Duration                        // guarded by mu; how long it took
	of      map[protocol.AuthorityID]Consumption // guarded by mu
}

// Consumption is what one authority takes up of its node, and how much more it may.
type Consumption struct {
	Queued     int64 // parcels that wait to be delivered, once for each recipient
	QueueShare int64 // of them at most; 0: there is no other authority to leave room for
	Kept       int64 // bytes of sealed parcels, sent and received, on the disk
	MayTake    int64 // more of them
}

// countEvery is how old the numbers may be. What is submitted in between is added.
// Counting takes a share of the time at most, however much there is.
const (
	countEvery = 5 * time.Second
	countShare = 20
)

func newQuota(g *Gateway) *quota {
	most := g.QueueShare
	if most <= 0 {
		most = DefaultQueueShare
	}
	return &quota{g: g, most: most}
}

// shared reports whether there is anybody to protect.
func (q *quota) shared() bool { return len(q.g.Own.Members()) > 1 }

// count returns what each authority takes up, but for MayTake.
func (q *quota) count(ctx context.Context) (map[protocol.AuthorityID]Consumption, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.of == nil || time.Since(q.counted) > max(countEvery, countShare*q.took) {
		began := time.Now()
		of, err := q.read(ctx)
		if err != nil {
			return nil, err
		}
		q.of, q.counted, q.took = of, time.Now(), time.Since(began)
	}
	return maps.Clone(q.of), nil
}

// last is the last count, for callers that cannot wait; nil: there was none, or there
// is nobody to protect.
func (q *quota) last() map[protocol.AuthorityID]Consumption {
	if !q.shared() {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return maps.Clone(q.of)
}

// watch counts again and again, for those who cannot wait.
func (q *quota) watch(ctx context.Context) {
	for q.shared() && ctx.Err() == nil {
		if _, err := q.count(ctx); err != nil && ctx.Err() == nil {
			q.g.Logger.Error("cannot count what each authority takes up of this node", "error", err)
		}
		pause(ctx, countEvery)
	}
}

func (q *quota) read(ctx context.Context) (map[protocol.AuthorityID]Consumption, error) {
	of := map[protocol.AuthorityID]Consumption{}
	loads, err := q.g.Store.Loads(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range q.g.Own.Members() {
		load := loads[m.ID()]
		c := Consumption{Queued: load.Queued, Kept: load.Arrived}
		if q.shared() {
			c.QueueShare = q.most
		}
		if q.g.Kept != nil {
			kept, err := q.g.Kept(ctx, m.ID())
			if err != nil {
				return nil, err
			}
			c.Kept += kept
		}
		of[m.ID()] = c
	}
	return of, nil
}

// add counts what was queued since the last count.
func (q *quota) add(a protocol.AuthorityID, parcels int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if c, counted := q.of[a]; counted {
		c.Queued += int64(parcels)
		q.of[a] = c
	}
}

// mayTake is how much more of the disk an authority may take up. here is what has
// come of bodies that are still on their way to each.
func mayTake(a protocol.AuthorityID, free int64, of map[protocol.AuthorityID]Consumption, here map[protocol.AuthorityID]int64) int64 {
	free = max(free, 0)
	if len(of) < 2 {
		return free
	}
	all := free
	for id, c := range of {
		all += c.Kept + here[id]
	}
	reserve := all / int64(2*len(of))
	for id, c := range of {
		if id != a {
			free -= max(0, reserve-c.Kept-here[id])
		}
	}
	return max(free, 0)
}

// ShareError says that an authority has taken up its share of the node. Nothing was
// stored.
type ShareError struct {
	Authority protocol.AuthorityID
	// Queued is set when its places in the queue are taken, else its part of the disk.
	Queued, Most  int64
	Need, MayTake int64
}

func (e *ShareError) Error() string {
	if e.Queued > 0 {
		return fmt.Sprintf("%d parcels of %s wait to be delivered, and its share of this node's queue is %d", e.Queued, e.Authority, e.Most)
	}
	return fmt.Sprintf("%s has taken up its share of the disk of this node: it may take %d MiB more, and this needs %d MiB",
		e.Authority, e.MayTake>>20, (e.Need+1<<20-1)>>20)
}

// Admit refuses an authority of this node what would take it beyond its share: so
// many parcels for the queue, of so many sealed bytes together. The error is then a
// *ShareError, or a *store.ShortError when the disk itself is short.
func (g *Gateway) Admit(ctx context.Context, from protocol.AuthorityID, parcels int, size int64) error {
	space, err := g.Store.Space()
	if err != nil {
		return err
	}
	if err := space.Admit(size); err != nil || !g.quota.shared() {
		return err
	}
	of, err := g.quota.count(ctx)
	if err != nil {
		return err
	}
	if c := of[from]; c.Queued+int64(parcels) > c.QueueShare {
		return &ShareError{Authority: from, Queued: c.Queued, Most: c.QueueShare}
	}
	if may := mayTake(from, space.Free-space.Low(), of, g.uploads.room.arriving()); size > may {
		return &ShareError{Authority: from, Need: size, MayTake: may}
	}
	return nil
}

// Consumptions returns what each authority of this node takes up of it.
func (g *Gateway) Consumptions(ctx context.Context) (map[protocol.AuthorityID]Consumption, error) {
	space, err := g.Store.Space()
	if err != nil {
		return nil, err
	}
	of, err := g.quota.count(ctx)
	if err != nil {
		return nil, err
	}
	here := g.uploads.room.arriving()
	all := make(map[protocol.AuthorityID]Consumption, len(of))
	for a, c := range of {
		c.MayTake = mayTake(a, space.Free-space.Low(), of, here)
		all[a] = c
	}
	return all, nil
}

// roomToSubmit refuses a new submission while the disk is short, or beyond the share
// of its authority. A repeat of one that was taken costs nothing and gets its
// receipts. The office has the sealed bytes on its disk already, so only places in
// the queue are asked for.
func (g *Gateway) roomToSubmit(ctx context.Context, s exchange.Submission) error {
	err := g.Admit(ctx, s.From, len(s.To), 0)
	if err == nil {
		return nil
	}
	for _, a := range s.To {
		if _, unknown := g.Store.Outbound(ctx, protocol.Key{From: s.From, Parcel: s.Parcel, To: a.To}); unknown != nil {
			return err
		}
	}
	return nil
}
