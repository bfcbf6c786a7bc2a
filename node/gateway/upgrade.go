package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"comity/crypto/merkle"
	"comity/protocol"
	"comity/protocol/record"
	"comity/protocol/statement"
	"comity/store"
)

const (
	// upgradeSoon is when a node looks whether new evidence is witnessed already, and
	// upgradeEvery how often it does while some is not.
	upgradeSoon  = 30 * time.Second
	upgradeEvery = 10 * time.Minute
	// upgradePause keeps the pace at which the peer answers (readsPerSecond).
	upgradePause = time.Second / readsPerSecond
	// upgradePage is how many transmissions are read at once.
	upgradePage = 64
	// upgradeAge is how long proofs are asked for: what no log has by then, it will
	// never have. An outage of a witness is shorter.
	upgradeAge = 90 * 24 * time.Hour
	// maxProofPackets is how many packets an answer has: one for each event.
	maxProofPackets = 16
)

// upgrade is the loop that fetches better proofs from the peer: evidence arrives
// with one under a checkpoint that nobody but its log has signed, and witnesses
// come later (R-PRF-2). Nothing waits for it (I8). All evidence is asked for in one
// sweep when the peer's log was cosigned further.
func (l *link) upgrade(ctx context.Context) {
	var swept protocol.Digest
	timer := time.NewTimer(upgradeSoon)
	defer timer.Stop()
	for ctx.Err() == nil {
		rung := l.g.changes.wait()
		select {
		case <-rung:
			pause(ctx, upgradeSoon) // all that comes meanwhile is one sweep
		case <-timer.C:
		case <-ctx.Done():
		}
		done, err := l.upgradeUnder(ctx, swept)
		if err != nil && ctx.Err() == nil {
			l.logger().Debug("cannot fetch proofs", "error", err)
			pause(ctx, retryAfter(err))
		} else if err == nil {
			swept = done
		}
		timer.Reset(upgradeEvery)
	}
}

// RefreshProofs asks the other node of a transmission, once and now, where the
// evidence about it stands in its log. Without an answer what is stored stands.
func (g *Gateway) RefreshProofs(ctx context.Context, k protocol.Key) error {
	about, err := g.about(ctx, k)
	if err != nil {
		return err
	}
	state, ok := g.book.node(about.peer)
	if !ok {
		return fmt.Errorf("no record of %s", about.peer)
	}
	return g.link(about.peer).fetchProofs(ctx, state, k)
}

// about returns a parcel that was sent or received here. store.ErrNotFound.
func (g *Gateway) about(ctx context.Context, k protocol.Key) (transmission, error) {
	t, err := g.sent(ctx, k)
	if errors.Is(err, store.ErrNotFound) {
		t, err = g.received(ctx, k)
	}
	return t, err
}

// upgradeUnder makes one sweep, unless nothing is open or the peer shows the same
// checkpoint as at the last one. It returns the digest of the checkpoint.
func (l *link) upgradeUnder(ctx context.Context, swept protocol.Digest) (protocol.Digest, error) {
	if open, err := l.isOpen(ctx); err != nil || !open {
		return swept, err
	}
	state, ok := l.g.book.node(l.peer)
	if !ok {
		return swept, fmt.Errorf("no record of %s", l.peer)
	}
	note, err := l.fetchCheckpoint(ctx)
	if err != nil || protocol.Sum(note) == swept {
		return swept, err
	}
	_, witnesses, err := l.witnessed(ctx, state, note)
	if err != nil {
		return swept, err
	}
	for behind := range witnesses {
		if err := l.sweepProofs(ctx, state, behind); err != nil {
			return swept, err
		}
	}
	return protocol.Sum(note), nil
}

// witnessed verifies a checkpoint of the peer's log and returns it with the lines
// of those witnesses whose record is here, and how many they are: what else stands
// below it, nobody here could verify, and a peer could write much of it. The state
// is compared with all others of that log that were ever seen (R-WIT-6).
func (l *link) witnessed(ctx context.Context, state *record.State, note []byte) (clean []byte, witnesses int, err error) {
	c, bare, err := state.LogVerifier().Bare(note)
	if err != nil {
		return nil, 0, err
	}
	forked, err := l.g.Store.See(ctx, store.LogState{Node: l.peer, Checkpoint: c, Note: bare})
	if err != nil {
		return nil, 0, err
	}
	if forked {
		l.alarmOfFork()
	}
	clean = bare
	for _, w := range l.g.Witnesses(l.peer, note) {
		if clean, err = merkle.WithCosignatures(clean, w.lines); err != nil {
			return nil, 0, err
		}
		witnesses++
	}
	return clean, witnesses, nil
}

// isOpen reports whether some evidence could be proven by more witnesses.
func (l *link) isOpen(ctx context.Context) (bool, error) {
	for behind := range len(l.g.book.all()) - 1 { // all but the peer itself
		open, err := l.g.Store.Unwitnessed(ctx, l.peer, behind, 0, l.g.Now().Add(-upgradeAge), 1)
		if err != nil || len(open) > 0 {
			return len(open) > 0, err
		}
	}
	return false, nil
}

func (l *link) fetchCheckpoint(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, note, err := l.call(ctx, http.MethodGet, "/v1/log/checkpoint", nil, protocol.MaxCheckpoint)
	return note, err
}

// sweepProofs asks once about each transmission of which some evidence has so many
// witnesses.
func (l *link) sweepProofs(ctx context.Context, state *record.State, witnesses int) error {
	for after := int64(0); ; {
		open, err := l.g.Store.Unwitnessed(ctx, l.peer, witnesses, after, l.g.Now().Add(-upgradeAge), upgradePage)
		if err != nil || len(open) == 0 {
			return err
		}
		for _, o := range open {
			after = max(after, o.Ordinal)
			if err := l.fetchProofs(ctx, state, o.Key); err != nil {
				return err
			}
			if pause(ctx, upgradePause); ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
}

// fetchProofs asks for the proofs of one transmission and keeps what verifies and
// is better.
func (l *link) fetchProofs(ctx context.Context, state *record.State, k protocol.Key) error {
	about, err := l.g.about(ctx, k)
	if err != nil {
		return err
	}
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	path := "/v1/parcels/" + about.ref.Document.String() + "/proofs"
	const limit = maxProofPackets * protocol.MaxPacket
	_, data, err := l.call(call, http.MethodGet, path, nil, limit)
	if p := new(problem); errors.As(err, &p) && p.Status == http.StatusNotFound {
		return nil // the next checkpoint may cover it
	} else if err != nil {
		return err
	}
	packets, err := statement.DecodePackets(data, limit, maxProofPackets)
	if err != nil {
		return err
	}
	held, err := l.g.Store.Evidence(ctx, k)
	if err != nil {
		return err
	}
	var better []store.PeerProof
	for _, ev := range held {
		for _, p := range packets {
			if p.Ref() != ev.Ref() {
				continue
			}
			proof, err := l.verifyProof(ctx, state, ev, p)
			if protocol.CodeOf(err) != "" {
				l.raise(fmt.Errorf("its proof of %s of %s does not hold: %w", ev.Event, k, err))
			}
			if err != nil {
				return err
			}
			better = append(better, *proof)
		}
	}
	_, err = l.g.Store.KeepProofs(ctx, l.peer, k, better)
	return err
}

// verifyProof checks a proof that the peer gives of evidence held here (R-PRF-2):
// that it leads from exactly these bytes to a checkpoint of its log, and, where the
// evidence came with a proof from the same log, that it is of the same leaf. A log
// in which a leaf has moved is another log.
func (l *link) verifyProof(ctx context.Context, state *record.State, held store.Evidence, p statement.Packet) (*store.PeerProof, error) {
	ref := held.Ref()
	proof, c, err := state.LogVerifier().Proof(p.Proof, ref.Document, ref.Signature)
	if err != nil {
		return nil, protocol.Refuse(protocol.BadSignature, "%v", err)
	}
	out := &store.PeerProof{Event: held.Event, Proof: proof}
	if proof.Checkpoint, out.Witnesses, err = l.witnessed(ctx, state, proof.Checkpoint); err != nil {
		return nil, err
	}
	if !held.Own {
		first, err := merkle.ParseProof(held.Proof, protocol.MaxProof)
		if err != nil {
			return nil, fmt.Errorf("read the proof of stored evidence: %w", err)
		}
		_, before, _ := state.LogVerifier().Proof(held.Proof, ref.Document, ref.Signature)
		if before.Origin == c.Origin && (first.Index != proof.Index || first.Salt != proof.Salt) {
			return nil, protocol.Refuse(protocol.BadSignature, "it came with a proof of leaf %d, and is now said to be leaf %d", first.Index, proof.Index)
		}
	}
	return out, nil
}
