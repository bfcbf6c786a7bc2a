package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"comity/protocol"
	"comity/protocol/adoption"
	"comity/protocol/envelope"
	"comity/protocol/record"
	"comity/store"
)

// directory is which version of its federation's directory this node knows, and
// which its peers named. What is fetched, and when it counts, is not the gateway's:
// it is told (AdoptListed, AdoptDirectory), and names it.
type directory struct {
	mu    sync.Mutex
	own   *envelope.Directory                    // guarded by mu; nil: none was adopted
	named map[protocol.NodeID]envelope.Directory // guarded by mu; what was compared last, of each peer
}

func openDirectory(ctx context.Context, db *store.Gateway) (*directory, error) {
	d := &directory{named: map[protocol.NodeID]envelope.Directory{}}
	v, err := db.NewestDirectory(ctx)
	switch {
	case err == nil:
		d.own = &v.Ref
	case !errors.Is(err, store.ErrNotFound):
		return nil, err
	}
	return d, nil
}

// newest returns the version that envelopes name from now on; nil: none.
func (d *directory) newest() *envelope.Directory {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.own
}

// adopted takes in a version that was stored. What peers named is compared anew.
func (d *directory) adopted(ref envelope.Directory) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.own == nil || d.own.Version < ref.Version {
		d.own = &ref
	}
	clear(d.named)
}

// isNews reports whether a peer names something that was not compared yet.
func (d *directory) isNews(peer protocol.NodeID, ref envelope.Directory) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.own != nil && *d.own == ref || d.named[peer] == ref {
		return false
	}
	d.named[peer] = ref
	return true
}

// unnoted says that what a peer named could not be stored, so that it is compared again.
func (d *directory) unnoted(peer protocol.NodeID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.named, peer)
}

// Directory returns the version of the federation's directory that envelopes name;
// nil: none was adopted.
func (g *Gateway) Directory() *envelope.Directory { return g.directory.newest() }

// AdoptListed adopts records that a federation's directory lists: each follows from
// the one before, and the first from the newest that is held (R-FED-5). The first
// record of a state so rests on the stewards, until a person confirms one by words.
func (g *Gateway) AdoptListed(ctx context.Context, chain []*record.State) error {
	if len(chain) == 0 {
		return nil
	}
	if id := chain[0].Record().State; id == g.Own.Record().State {
		return fmt.Errorf("adopt listed records of %s: they are of this node's own state", id)
	}
	if err := g.adoptChain(ctx, chain, store.Record{Listed: true}); err != nil {
		return err
	}
	g.callAgain(chain[0].Record().Node.ID)
	return nil
}

// AdoptDirectory states that this node took a version of the directory, with the
// files that it was taken from, and gives the statement a leaf (R-FED-9). The same
// version again changes nothing; another directory under it is Equivocation.
func (g *Gateway) AdoptDirectory(ctx context.Context, ref envelope.Directory, edition protocol.Digest, root adoption.Root) error {
	if held := g.Directory(); held != nil && *held == ref {
		return nil
	}
	fail := func(err error) error { return fmt.Errorf("adopt version %d of the directory: %w", ref.Version, err) }
	if g.Locked != nil {
		return fail(g.Locked)
	}
	if err := g.seq.mayCommit(ctx); err != nil {
		return fail(err)
	}
	if err := g.mayDate(); err != nil {
		return fail(err)
	}
	now := g.Now()
	if err := g.Own.NodeKey(g.NodeKey.Digest(), now); err != nil {
		return fail(fmt.Errorf("this node's key: %v", err)) // %v: it is no refusal of the directory
	}
	s := &adoption.Statement{
		Type: adoption.Type, Node: g.Own.Record().Node.ID, Directory: ref, Edition: edition, Root: root,
		Record: g.Own.Ref().Digest, Created: protocol.At(now),
	}
	signed, err := s.Sign(g.NodeKey, now)
	if err != nil {
		return fail(err)
	}
	outcomes, err := g.seq.commit(ctx, store.AdoptDirectory{DirectoryVersion: store.DirectoryVersion{Ref: ref, Statement: signed}})
	if err == nil {
		err = outcomes[0].Err
	}
	if err != nil {
		return fail(err)
	}
	g.directory.adopted(ref)
	g.Logger.Info("adopted a version of the directory", "version", ref.Version, "sha256", ref.Digest.Short())
	return g.tellDiffering(ctx, ref)
}

// tellDiffering tells the operator which peers had named another directory before
// this node came to know the version.
func (g *Gateway) tellDiffering(ctx context.Context, ref envelope.Directory) error {
	all, err := g.Store.DifferingDirectories(ctx)
	for _, n := range all {
		if n.Ref.Version == ref.Version {
			g.alarmOfDirectory(n)
		}
	}
	return err
}

// compareDirectory holds what an authentic envelope names as the directory against
// what this node knows of that version (R-FED-7). The parcel goes on whatever it is:
// it rests on the records, and stewards must not be able to stop it (R-FED-8).
func (g *Gateway) compareDirectory(ctx context.Context, o *offer) {
	ref := o.env.Directory
	if ref == nil || !g.directory.isNews(o.peer, *ref) {
		return
	}
	n := store.NamedDirectory{Node: o.peer, Ref: *ref, Envelope: o.signed}
	differs, err := g.Store.NameDirectory(ctx, n)
	if err != nil {
		g.directory.unnoted(o.peer)
		g.link(o.peer).aloud().Warn("which directory a peer named was not noted", "error", err)
		return
	}
	if differs {
		g.alarmOfDirectory(n)
	}
}

func (g *Gateway) alarmOfDirectory(n store.NamedDirectory) {
	g.link(n.Node).aloud().Error("a peer knows another directory under the same version: stewards have signed two; compare them with its operator by telephone",
		"version", n.Ref.Version, "sha256", n.Ref.Digest)
}

// directoryFaults says of each peer which other directory it named.
func (g *Gateway) directoryFaults(ctx context.Context) (map[protocol.NodeID]string, error) {
	all, err := g.Store.DifferingDirectories(ctx)
	if err != nil {
		return nil, err
	}
	faults := make(map[protocol.NodeID]string, len(all))
	for _, n := range all {
		own, err := g.Store.Directory(ctx, n.Ref.Version)
		if err != nil {
			return nil, err
		}
		faults[n.Node] = fmt.Sprintf("it named version %d of the directory as %s, which is %s here, found at %s: stewards have signed two; both are kept as evidence",
			n.Ref.Version, n.Ref.Digest.Short(), own.Ref.Digest.Short(), protocol.At(n.Named))
	}
	return faults, nil
}

// HeldRecords is what this node holds of the states' records, as of one moment but for
// the newest ones. It is what a directory is judged by.
type HeldRecords struct {
	book *book
	refs map[protocol.StateID]map[int64]protocol.Digest
}

// HeldRecords reads it.
func (g *Gateway) HeldRecords(ctx context.Context) (*HeldRecords, error) {
	all, err := g.Store.RecordRefs(ctx)
	if err != nil {
		return nil, err
	}
	h := &HeldRecords{book: g.book, refs: map[protocol.StateID]map[int64]protocol.Digest{}}
	for _, r := range all {
		if h.refs[r.State] == nil {
			h.refs[r.State] = map[int64]protocol.Digest{}
		}
		h.refs[r.State][r.Sequence] = r.Digest
	}
	return h, nil
}

// Newest returns the newest record of a state; nil: none.
func (h *HeldRecords) Newest(id protocol.StateID) *record.State {
	s, _ := h.book.state(id)
	return s
}

// CheckRef refuses a reference to another document under a number that was adopted
// (Equivocation).
func (h *HeldRecords) CheckRef(ref envelope.RecordRef) error {
	if d, ok := h.refs[ref.State][ref.Sequence]; ok && d != ref.Digest {
		return protocol.Refuse(protocol.Equivocation, "names record %d of %s as %s, which is known here as %s: compare the records by telephone", ref.Sequence, ref.State, ref.Digest.Short(), d.Short())
	}
	return nil
}
