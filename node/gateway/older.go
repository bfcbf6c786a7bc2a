package gateway

import (
	"context"
	"errors"

	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/record"
	"comity/protocol/statement"
	"comity/store"
)

// maxOlder is how many older records are held in memory.
const maxOlder = 64

// verifyEvidence verifies evidence by the newest record of its issuer's state, and
// where it names an older one, from before the node lost its log, by that, or by
// another that names the same log (R-OLD-5). It returns the record that decided. What the newest one says of the
// key counts in any case.
func (g *Gateway) verifyEvidence(ctx context.Context, newest *record.State, signed statement.Signed) (*evidence.Evidence, *record.State, error) {
	now := g.Now()
	ev, err := newest.VerifyEvidence(signed, now)
	if err == nil {
		return ev, newest, nil
	}
	claims, perr := evidence.Parse(signed.Document)
	if perr != nil || claims.Log == newest.Record().Node.Log.Origin {
		return nil, newest, err
	}
	older, oerr := g.olderRecord(ctx, newest, claims.Record)
	if oerr == nil && older == nil {
		older, oerr = g.recordOfLog(ctx, newest, claims.Log)
	}
	if oerr != nil {
		return nil, newest, oerr
	}
	if older == nil {
		return nil, newest, err
	}
	if ev, err = older.VerifyEvidence(signed, now); err != nil {
		return nil, older, err
	}
	return ev, older, stillCounts(newest, ev)
}

// olderRecord returns an earlier adopted record of the same state; nil when there
// is none of that digest.
func (g *Gateway) olderRecord(ctx context.Context, newest *record.State, ref envelope.RecordRef) (*record.State, error) {
	if ref.State != newest.Record().State || ref.Sequence >= newest.Record().Sequence {
		return nil, nil
	}
	if s, ok := g.older.get(ref.Digest); ok {
		return s, nil
	}
	row, err := g.Store.RecordByDigest(ctx, ref.Digest)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	s, err := record.Verify(row.Signed, nil) // adopted once, and verified then
	if err != nil {
		return nil, err
	}
	if s.Record().State != ref.State || s.Record().Sequence != ref.Sequence {
		return nil, nil
	}
	g.older.put(ref.Digest, s)
	return s, nil
}

// recordOfLog returns the newest adopted record of the same state that names an
// earlier log of its node; nil when there is none. A state may publish more records
// than are heard of, and a node loses some with its log: a log keeps its keys.
func (g *Gateway) recordOfLog(ctx context.Context, newest *record.State, origin string) (*record.State, error) {
	node, number, err := protocol.ParseLogOrigin(origin)
	_, last, failed := protocol.ParseLogOrigin(newest.Record().Node.Log.Origin)
	if err != nil || failed != nil || node != newest.Record().Node.ID || number >= last {
		return nil, nil
	}
	if s, ok := g.logs.get(origin); ok {
		return s, nil
	}
	rows, err := g.Store.RecordVersions(ctx, newest.Record().State)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		s, err := record.Verify(row.Signed, nil) // adopted once, and verified then
		if err != nil {
			return nil, err
		}
		if s.Record().Node.Log.Origin == origin {
			g.logs.put(origin, s)
			return s, nil
		}
	}
	return nil, nil
}

// stillCounts refuses what was signed with a key that the newest record calls
// compromised since before. A key that is not listed any more had its time.
func stillCounts(newest *record.State, ev *evidence.Evidence) error {
	err := newest.NodeKey(ev.Issuer.Key, ev.Time.Time)
	if ev.Issuer.Role != evidence.Node {
		m, ok := newest.Authority(ev.To)
		if !ok {
			return nil
		}
		err = m.Key(ev.Issuer.Role, ev.Issuer.Key, ev.Time.Time)
	}
	if protocol.CodeOf(err) == protocol.KeyCompromised {
		return err
	}
	return nil
}

// provenBy verifies the proof of evidence: in the log of the record by which it was
// verified or, when that log was lost since, in the newest, in which everything
// that the node still had got a leaf again.
// What keys have signed since they were stolen, as the newest record says, proves
// nothing (R-WIT-8).
func provenBy(at, newest *record.State, p statement.Packet) (store.SeePeerLog, error) {
	seen, err := proven(at, newest, p.Proof, p.Ref())
	if err != nil && at != newest {
		if again, failed := proven(newest, newest, p.Proof, p.Ref()); failed == nil {
			return again, nil
		}
	}
	return seen, err
}

// proven verifies a proof against the log of a state's node, and returns the
// state of the log that it shows.
func proven(state, newest *record.State, proof []byte, ref statement.Ref) (store.SeePeerLog, error) {
	p, signed, err := state.LogVerifier().Proof(proof, ref.Document, ref.Signature)
	if err == nil {
		err = newest.LogCounts(state.Record().Node.Log, protocol.At(signed.Time))
	}
	if err != nil {
		return store.SeePeerLog{}, err
	}
	c, bare, err := state.LogVerifier().Bare(p.Checkpoint)
	return store.SeePeerLog{Peer: state.Record().Node.ID, Checkpoint: c, Note: bare}, err
}
