package gateway

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"comity/crypto/merkle"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/store"
)

// serveProofs tells the other node of a transmission where the evidence about it
// stands in this node's log, own and others', under the newest checkpoint that was
// cosigned (R-PRF-1).
func (g *Gateway) serveProofs(w http.ResponseWriter, r *http.Request, l *link) {
	digest, err := protocol.ParseDigest(r.PathValue("envelope"))
	if err != nil {
		g.answerError(w, r, l.peer, http.StatusBadRequest, err)
		return
	}
	k, err := g.shared(r.Context(), l.peer, digest)
	if errors.Is(err, store.ErrNotFound) {
		answerProblem(w, http.StatusNotFound, "", "nothing is known about this envelope")
		return
	}
	if err == nil {
		packets, failed := g.Store.CosignedPackets(r.Context(), k)
		if err = failed; err == nil && len(packets) > 0 {
			g.answer(w, r, l.peer, packets)
			return
		}
	}
	if err != nil {
		g.answerError(w, r, l.peer, http.StatusServiceUnavailable, err)
		return
	}
	answerProblem(w, http.StatusNotFound, "", "nothing about this envelope is witnessed yet")
}

// shared returns the transmission of an envelope of which the peer is the other
// side. store.ErrNotFound.
func (g *Gateway) shared(ctx context.Context, peer protocol.NodeID, envelope protocol.Digest) (protocol.Key, error) {
	in, err := g.Store.InboundByEnvelope(ctx, envelope)
	if err == nil && in.Peer == peer {
		return in.Key, nil
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return protocol.Key{}, err
	}
	out, err := g.Store.OutboundByEnvelope(ctx, envelope)
	if err == nil && out.Peer != peer {
		err = store.ErrNotFound
	}
	if err != nil {
		return protocol.Key{}, err
	}
	return out.Key, nil
}

// Witness is a node that cosigned a checkpoint, as its record here says.
type Witness struct {
	Node protocol.NodeID
	merkle.Cosignature
	lines []byte // in the note
}

// Witnesses returns who cosigned a checkpoint note, of the nodes whose record is
// here, by name; never the node itself whose log it is of, and none whose keys are
// marked compromised (R-WIT-8). The note itself is not verified.
func (g *Gateway) Witnesses(of protocol.NodeID, note []byte) []Witness {
	var all []Witness
	for _, s := range g.book.all() {
		node := s.Record().Node
		if node.ID == of || s.WitnessMark() != nil {
			continue
		}
		if c, lines, err := s.Witness().Lines(note); err == nil {
			all = append(all, Witness{node.ID, c, lines})
		}
	}
	slices.SortFunc(all, func(a, b Witness) int { return cmp.Compare(a.Node, b.Node) })
	return all
}

// Proven is an evidence with what proves it, and who has witnessed that.
type Proven struct {
	store.Proofs
	Parsed *evidence.Evidence
	// Witnesses cosigned the checkpoint of Proofs.Witnessed; Others that of
	// Proofs.Other.
	Witnesses, Others []Witness
}

// ProofsOf returns all evidence about a transmission with its proofs from both
// logs, in the order in which it was stored, and who has witnessed them.
func (g *Gateway) ProofsOf(ctx context.Context, k protocol.Key) ([]Proven, error) {
	rows, err := g.Store.ProofsOf(ctx, k)
	if err != nil {
		return nil, err
	}
	all := make([]Proven, len(rows))
	for i, r := range rows {
		p := Proven{Proofs: r}
		if p.Parsed, err = evidence.Parse(r.Document); err != nil {
			return nil, err
		}
		if p.Witnesses, err = g.witnessesOf(r.Witnessed); err == nil {
			p.Others, err = g.witnessesOf(r.Other)
		}
		if err != nil {
			return nil, err
		}
		all[i] = p
	}
	return all, nil
}

// refreshWait is how long whoever wants proofs waits for better ones.
const refreshWait = 5 * time.Second

// Proofs returns what witnesses have made provable about a transmission so far, by
// event: for whoever is to be convinced. The other node is asked for better proofs
// first; without its answer what is stored is what there is.
func (g *Gateway) Proofs(ctx context.Context, k protocol.Key) (map[evidence.Event]exchange.Proven, error) {
	if g.wire.Load() != nil {
		ask, cancel := context.WithTimeout(ctx, refreshWait)
		if err := g.RefreshProofs(ask, k); err != nil {
			g.Logger.Debug("proofs are shown without newer ones of the peer", "transmission", k, "error", err)
		}
		cancel()
	}
	all, err := g.ProofsOf(ctx, k)
	if err != nil {
		return nil, err
	}
	first, err := g.firstProofs(ctx, k)
	proofs := map[evidence.Event]exchange.Proven{}
	for _, p := range all {
		var proven exchange.Proven
		if len(p.Witnesses) > 0 {
			proven.Cosigned = p.Witnessed
		}
		if len(p.Others) > 0 {
			proven.Peer = p.Other
		}
		// In the own log the first says the most, however late it is shown: a key
		// that was stolen since did not sign what was seen before.
		switch proof, ok := first[p.Event]; {
		case ok && p.Own:
			proven.Cosigned = proof
		case ok:
			proven.Peer = proof
		}
		proofs[p.Event] = proven
	}
	return proofs, err
}

// firstProofs returns, by event, the proofs in this node's own log under the first
// checkpoint that a third party cosigned; until one has, a party.
func (g *Gateway) firstProofs(ctx context.Context, k protocol.Key) (map[evidence.Event][]byte, error) {
	var parties [2]protocol.NodeID
	for i, id := range []protocol.AuthorityID{k.From, k.To} {
		if s, ok := g.book.state(id.State()); ok {
			parties[i] = s.Record().Node.ID
		}
	}
	rows, err := g.Store.FirstProofs(ctx, k, parties)
	all := make(map[evidence.Event][]byte, len(rows))
	for _, r := range rows {
		all[r.Event] = r.Proof
	}
	return all, err
}

// witnessesOf returns who cosigned the checkpoint of a proof; nil proof: nobody.
func (g *Gateway) witnessesOf(proof []byte) ([]Witness, error) {
	if proof == nil {
		return nil, nil
	}
	p, err := merkle.ParseProof(proof, protocol.MaxProof)
	if err != nil {
		return nil, err
	}
	origin, _, _ := strings.Cut(string(p.Checkpoint), "\n")
	of, _, err := protocol.ParseLogOrigin(origin)
	return g.Witnesses(of, p.Checkpoint), err
}
