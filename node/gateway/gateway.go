// Package gateway is a node: it takes sealed parcels from the offices that it
// hosts, delivers them to other nodes over QUIC, or TCP where UDP is blocked, accepts theirs, and issues
// signed evidence of each step under its log. It is blind to content: it never
// holds a key that opens a parcel (SPEC.md, sections 9 to 13).
//
// If the power goes now: everything that was promised is in the store, because
// nothing leaves the process before the commit it rests on (R-EVID-4). A large
// upload under way goes on from its last durable byte, a small one is sent again;
// a delivery under way is repeated and answered with the stored evidence.
package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"comity/crypto/merkle"
	"comity/crypto/pgp"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/record"
	"comity/protocol/statement"
	"comity/store"
)

// Config is all that a gateway needs. Every field without "nil" in its comment
// must be set.
type Config struct {
	Store   *store.Gateway
	Own     *record.State // the record of this node's state
	NodeKey *pgp.Secret
	TLS     tls.Certificate
	// Former is the TLS key before that, for peers that know no other; nil: none.
	Former  *tls.Certificate
	Log     *merkle.Signer
	Witness *merkle.Cosigner // with which it cosigns the logs of its peers
	// Locked says why the four keys above could not be opened; nil: they are
	// given. A locked gateway shows what is stored and fails with this error where
	// it would have to sign; Run fails at once.
	Locked error
	// Conn is the one UDP socket on which the node serves and dials. nil: the
	// gateway has no network, and Run only waits.
	Conn net.PacketConn
	// TCP is where the node serves as well, for peers whose network does not let
	// UDP pass: the TCP port of the same number. Run closes it. nil: neither served
	// nor dialed.
	TCP net.Listener
	// Resolve turns an endpoint of a record into an address; nil: the system's resolver.
	Resolve func(ctx context.Context, endpoint string) (net.Addr, error)
	// Original returns the sealed bytes of a parcel that an office of this node sent,
	// when the node itself has released them; store.ErrGone, store.ErrNotFound. nil:
	// the office runs elsewhere.
	Original func(ctx context.Context, from protocol.AuthorityID, digest protocol.Digest) (exchange.Sealed, error)
	// Kept is how many sealed bytes the office of an authority of this node keeps;
	// nil: the office runs elsewhere, on a disk of its own.
	Kept func(context.Context, protocol.AuthorityID) (int64, error)
	// Unknown is called when a peer shows a TLS key that its record here does not list,
	// so that somebody looks for a newer record. It must return at once; nil: nobody does.
	Unknown func(peer protocol.NodeID)
	// QueueShare is how many parcels of one authority wait to be delivered at most,
	// where the node hosts several; 0: DefaultQueueShare.
	QueueShare int64
	// Now is the wall clock for stamps. Timers use package time.
	Now    func() time.Time
	Logger *slog.Logger
}

// Gateway is one node. It is safe for concurrent use.
type Gateway struct {
	Config
	book    *book
	older   *recent[protocol.Digest, *record.State] // records from before the newest, by digest
	logs    *recent[string, *record.State]          // the newest record that names an earlier log, by its origin
	seq     *sequencer
	uploads *uploads
	offers  *recent[protocol.Key, statement.Packet] // SubmissionAcceptances whose offer is about to leave
	out, in *recent[protocol.Key, transmission]     // sent from here, and received
	changes *bell                                   // rings when any evidence was stored
	feeds   *bells[protocol.NodeID]
	arrived *bells[protocol.AuthorityID]

	clock      *clock
	memory     *budget
	quota      *quota
	comparison *comparison
	round      *round       // what the witnesses are asked to cosign
	eraBegan   time.Time    // when the node's log began that follows another one; zero: it is the first
	restored   atomic.Bool  // one of its logs was lost with the node, and not only given up for new keys
	heardOut   atomic.Int64 // in Unix microseconds: when the last recovery ended, or this process began
	directory  *directory   // the federation's, as this node and its peers name it
	wanted     keySet       // accepted here, and their sealed bytes are lost: no office gets them before they are here again

	wire atomic.Pointer[wire] // nil unless Run runs

	mu    sync.Mutex
	links map[protocol.NodeID]*link // guarded by mu
	start func(*link)               // guarded by mu; set while Run runs
}

// maxOffers is how many SubmissionAcceptances are held in memory; building
// their proofs again costs more than the rest of an offer.
const maxOffers = 512

// New makes a gateway from what the store remembers. It starts nothing.
func New(ctx context.Context, c Config) (*Gateway, error) {
	if c.Resolve == nil {
		c.Resolve = func(_ context.Context, endpoint string) (net.Addr, error) {
			return net.ResolveUDPAddr("udp", endpoint)
		}
	}
	g := &Gateway{
		Config:  c,
		book:    newBook(c.Own),
		older:   newRecent[protocol.Digest, *record.State](maxOlder),
		logs:    newRecent[string, *record.State](maxOlder),
		uploads: newUploads(newRoom(c.Store.Space)),
		offers:  newRecent[protocol.Key, statement.Packet](maxOffers),
		out:     newRecent[protocol.Key, transmission](maxTransmissions),
		in:      newRecent[protocol.Key, transmission](maxTransmissions),
		changes: newBell(),
		feeds:   newBells[protocol.NodeID](),
		arrived: newBells[protocol.AuthorityID](),
		links:   map[protocol.NodeID]*link{},
		memory:  newBudget(heldAtMost()),
	}
	g.clock = newClock(c.Now)
	g.round = newRound()
	var err error
	if g.clock.last, err = c.Store.LastSigned(ctx); err != nil {
		return nil, err
	}
	g.seq = newSequencer(c.Store, c.Log, c.Now, g.mayDate, func(ctx context.Context) error { return g.comparison.wait(ctx) })
	if c.Locked != nil {
		g.seq.failed = c.Locked
	} else if err := g.checkKeys(); err != nil {
		return nil, err
	}
	if err := g.checkStore(ctx); err != nil {
		return nil, err
	}
	records, err := c.Store.Records(ctx)
	if err != nil {
		return nil, fmt.Errorf("read adopted records: %w", err)
	}
	for _, r := range records {
		if r.State == c.Own.Record().State {
			continue
		}
		state, err := record.Verify(r.Signed, nil)
		if err != nil {
			return nil, fmt.Errorf("read adopted record of %s: %w", r.State, err)
		}
		g.book.put(state)
	}
	for _, p := range g.book.peers() {
		if err := g.link(p).loadLost(ctx); err != nil {
			return nil, err
		}
	}
	if g.directory, err = openDirectory(ctx, c.Store); err != nil {
		return nil, err
	}
	if g.eraBegan, err = c.Store.EraBegan(ctx); err != nil {
		return nil, err
	}
	restored, err := wasRestored(ctx, c.Store)
	if err != nil {
		return nil, err
	}
	g.restored.Store(restored)
	g.quota = newQuota(g)
	g.uploads.room.shares = g.quota.last
	g.heardOut.Store(c.Now().UnixMicro())
	g.comparison = newComparison(g.book.peers(), c.Conn != nil)
	if c.Locked == nil {
		if err := g.knownOlderCopy(ctx); err != nil {
			return nil, fmt.Errorf("compare the log with what peers showed of it: %w", err)
		}
	}
	if err := g.countParts(ctx); err != nil {
		return nil, fmt.Errorf("count bodies under way: %w", err)
	}
	return g, nil
}

// checkKeys makes sure that the keys given are those of this node's record:
// better no start than evidence that nobody can verify. Their times are for
// checkTimes, so that commands can still look at a node whose keys have ended.
func (g *Gateway) checkKeys() error {
	log := g.Own.Record().Node.Log
	if log.Origin != g.Log.Origin() {
		return fmt.Errorf("the log key is for %q, the record of this node names %q", g.Log.Origin(), log.Origin)
	}
	ed, pq := g.Log.VerifierKeys()
	if log.Keys != (record.Keypair{Ed25519: ed, MLDSA44: pq}) {
		return errors.New("the log keys are not those in the record of this node")
	}
	return g.HasKeys(g.Own)
}

// HasKeys returns an error that names the first key of this node, beside that of
// its log, which a record of its state does not list.
func (g *Gateway) HasKeys(s *record.State) error {
	node := s.Record().Node
	ed, pq := g.Witness.VerifierKeys()
	if node.Witness != (record.Keypair{Ed25519: ed, MLDSA44: pq}) {
		return errors.New("the witness keys are not those in the record of this node")
	}
	if !slices.ContainsFunc(node.Keys, func(k record.Key) bool {
		return k.Role == evidence.Node && k.Digest == protocol.Digest(g.NodeKey.Digest())
	}) {
		return errors.New("the node key is not one of those in the record of this node")
	}
	if !slices.ContainsFunc(node.TLS, func(p record.Pin) bool { return p.SPKI == spki(g.TLS.Leaf) }) {
		return errors.New("the TLS key is not one of those in the record of this node")
	}
	return nil
}

// checkStore makes sure that the store is this node's own: over another node's
// it would sign a second history of that log, and forget the ids that it used.
func (g *Gateway) checkStore(ctx context.Context) error {
	note, err := g.Store.Checkpoint(ctx)
	if err != nil {
		return fmt.Errorf("read the newest checkpoint: %w", err)
	}
	if note == nil {
		return nil
	}
	if _, err := g.Own.LogVerifier().Checkpoint(note); err != nil {
		return fmt.Errorf("%w: the database belongs to another node or an earlier log: its newest checkpoint is not signed by %s: %v",
			store.ErrIntegrity, g.Own.Record().Node.Log.Origin, err)
	}
	return nil
}

// checkTimes makes sure that others would take what this node shows and signs.
func (g *Gateway) checkTimes() error {
	now := g.Now()
	if !g.Own.PinValid(spki(g.TLS.Leaf), now) {
		return errors.New("the time of the TLS key in the record of this node has passed, or has not come: renew it, with \"comity key renew\"")
	}
	if err := g.Own.NodeKey(g.NodeKey.Digest(), now); err != nil {
		return fmt.Errorf("renew the keys of this node, with \"comity key renew\": %w", err)
	}
	return nil
}

// sweepEvery is how often sealed bytes that nobody needs are deleted.
const sweepEvery = time.Hour

// Run serves and delivers until ctx ends, then returns when everything that it
// started has stopped. An integrity failure of the store ends it with an error.
func (g *Gateway) Run(ctx context.Context) error {
	if g.Locked != nil {
		return g.Locked
	}
	defer g.comparison.end()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	g.seq.onFatal(cancel)
	defer g.seq.wait()
	defer g.seq.onFatal(nil)
	if g.Conn == nil {
		<-ctx.Done()
		return cause(ctx)
	}
	if err := g.checkTimes(); err != nil {
		return err
	}
	wire, err := g.listen()
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := wire.serve(); err != nil {
			cancel(err)
		}
	})
	wg.Go(func() { g.sweep(ctx) })
	wg.Go(func() { g.watchSpace(ctx) })
	wg.Go(func() { g.quota.watch(ctx) })
	wg.Go(func() { g.tidy(ctx) })
	wg.Go(func() { g.awaitPeers(ctx) })
	wg.Go(func() { g.rounds(ctx) })
	wg.Go(func() { g.watchWitnesses(ctx) })
	g.mu.Lock()
	g.wire.Store(wire)
	g.start = func(l *link) {
		wg.Go(func() { l.deliver(ctx) })
		wg.Go(func() { l.follow(ctx) })
		wg.Go(func() { l.push(ctx) })
		wg.Go(func() { l.recheck(ctx) })
		wg.Go(func() { l.compare(ctx) })
		wg.Go(func() { l.askWitness(ctx) })
		wg.Go(func() { l.monitor(ctx) })
		wg.Go(func() { l.gossip(ctx) })
		wg.Go(func() { l.upgrade(ctx) })
		wg.Go(func() { l.recover(ctx) })
		if g.Former != nil {
			wg.Go(func() { l.inform(ctx) })
		}
		if g.TCP != nil {
			wg.Go(func() { l.probe(ctx) })
		}
	}
	for _, l := range g.links {
		g.begin(l)
	}
	g.mu.Unlock()
	<-ctx.Done()
	g.mu.Lock()
	g.start = nil // no link starts any more
	g.wire.Store(nil)
	g.mu.Unlock()
	wire.stopServing()
	wg.Wait()
	g.mu.Lock()
	for _, l := range g.links {
		l.drop()
	}
	g.mu.Unlock()
	wire.close()
	return cause(ctx)
}

// cause is nil when ctx was simply cancelled.
func cause(ctx context.Context) error {
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// sweep deletes sealed bytes that no transmission needs any longer. It waits until
// this node knows that it is no older copy of itself: what has no row there may be
// all that the newer one has.
func (g *Gateway) sweep(ctx context.Context) {
	if g.Ready(ctx) != nil {
		return
	}
	if err := g.Store.RemoveOrphans(ctx); err != nil && ctx.Err() == nil {
		g.Logger.Error("cannot remove what an earlier run left of sealed bytes", "error", err)
	}
	for ctx.Err() == nil {
		for n := 1; n > 0 && ctx.Err() == nil; {
			var err error
			if n, err = g.Store.Sweep(ctx, 0); err != nil && ctx.Err() == nil {
				g.Logger.Error("cannot delete sealed bytes", "error", err)
			}
		}
		pause(ctx, sweepEvery)
	}
}

// pauseUnless waits for d, the end of ctx or a bell, and reports whether that rang.
func pauseUnless(ctx context.Context, rung <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-rung:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
