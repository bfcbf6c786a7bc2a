package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"comity/crypto/merkle"
	"comity/protocol"
	"comity/store"
)

// This node's own log before its witnesses. Nothing here is in the way of a
// parcel: a peer that cosigns late or never costs an alarm and nothing else (I8).

const (
	// roundGather lets what is committed in a burst stand under one checkpoint.
	roundGather = time.Second
	// maxRounds is how often the witnesses are asked at once, and roundsPerSecond
	// how often more after that: each cosignature takes 3.5 kB for ever.
	maxRounds       = 10
	roundsPerSecond = 1.0 / 60
	// againAfter is the pause after a witness did not cosign, at first; doubled
	// with each further failure up to againAfterMax. A peer that shows up ends it.
	againAfter    = 5 * time.Second
	againAfterMax = 10 * time.Minute
	// lookAgain is how often a node whose log does not grow has its newest
	// checkpoint cosigned once more: so it learns when somebody else has used its
	// keys meanwhile (R-WIT-6).
	lookAgain = 6 * time.Hour
	// maxTurns is how often one attempt begins again at the size that the witness
	// tells: two, when another attempt of ours was answered meanwhile.
	maxTurns = 3
)

// round is the checkpoint that the witnesses are asked to cosign. All are asked
// for the same one, so that their lines stand below one note.
type round struct {
	bell  *bell // rings when there is a new one
	state atomic.Pointer[store.LogState]
}

func newRound() *round { return &round{bell: newBell()} }

// rounds is the loop that chooses it: the newest one after a commit, and the
// newest one at the start, because a witness may not have it yet.
func (g *Gateway) rounds(ctx context.Context) {
	may := newBucket(maxRounds, roundsPerSecond)
	for ctx.Err() == nil {
		rung := g.seq.grown.wait()
		s, err := g.newestState(ctx)
		if err != nil && ctx.Err() == nil {
			g.Logger.Error("cannot read the newest checkpoint for the witnesses", "error", err)
		}
		if last := g.round.state.Load(); s != nil && (last == nil || last.Checkpoint.Size != s.Checkpoint.Size) {
			g.round.state.Store(s)
			g.round.bell.ring()
			for !may.take() && ctx.Err() == nil {
				pause(ctx, may.wait())
			}
		}
		select {
		case <-rung:
			pause(ctx, roundGather)
		case <-ctx.Done():
		}
	}
}

// newestState returns this node's newest checkpoint; nil while the log is empty.
func (g *Gateway) newestState(ctx context.Context) (*store.LogState, error) {
	note, err := g.Store.Checkpoint(ctx)
	if err != nil || note == nil {
		return nil, err
	}
	c, err := g.Own.LogVerifier().Checkpoint(note)
	if err != nil {
		return nil, err
	}
	return &store.LogState{Node: g.Own.Record().Node.ID, Checkpoint: c, Note: note}, nil
}

// askWitness is the loop that has the peer cosign this node's checkpoints.
func (l *link) askWitness(ctx context.Context) {
	var done *store.LogState
	timer := time.NewTimer(lookAgain)
	defer timer.Stop()
	for wait := againAfter; ctx.Err() == nil; {
		next, back := l.g.round.bell.wait(), l.renewed.wait()
		s := l.g.round.state.Load()
		if s != nil && s != done {
			err := l.submit(ctx, s)
			if err == nil {
				done, wait = s, againAfter
				timer.Reset(lookAgain)
			} else if ctx.Err() == nil {
				l.logger().Debug("a witness did not cosign", "size", s.Checkpoint.Size, "error", err)
				timer.Reset(max(wait, retryAfter(err)))
				wait = min(2*wait, againAfterMax)
			}
		}
		select {
		case <-next:
		case <-timer.C:
			done = nil
		case <-back:
			pause(ctx, recheckPause) // a peer that makes connections in a loop must not make us work in one
		case <-ctx.Done():
		}
	}
}

// submit has the peer cosign one checkpoint and stores its answer. It begins at
// the size that the peer cosigned last, as far as known here, and goes on from the
// one that the peer tells.
func (l *link) submit(ctx context.Context, s *store.LogState) error {
	if _, err := l.witness(); err != nil {
		return err
	}
	old, err := l.cosignedSize(ctx)
	if err != nil {
		return err
	}
	for range maxTurns {
		if old > s.Checkpoint.Size { // the peer is ahead of this round, or of this node
			if err := l.lookAtOwn(ctx); err != nil {
				return err
			}
			if s, err = l.g.newestState(ctx); err != nil || old > s.Checkpoint.Size {
				return errors.Join(err, fmt.Errorf("it says that it cosigned %d leaves of this node's log, and shows no such checkpoint", old))
			}
		}
		lines, told, err := l.submitFrom(ctx, s, old)
		if err == nil {
			return l.takeCosignature(ctx, s, lines)
		}
		if told < 0 || told == old {
			if isStatus(err, http.StatusUnprocessableEntity) {
				err = errors.Join(err, l.lookAtOwn(ctx))
			}
			return err
		}
		if told < old && old <= s.Checkpoint.Size { // its cosignature over old is here
			l.forgot(old, told)
		}
		old = told
	}
	return errors.New("the witness tells another size each time")
}

// forgot tells of a witness that has cosigned more than it knows of. When its record
// says that it lost its log, it has said so itself, and there is nobody to call.
func (l *link) forgot(cosigned, told int64) {
	state, ok := l.g.book.node(l.peer)
	if ok {
		if _, era, err := protocol.ParseLogOrigin(state.Record().Node.Log.Origin); err == nil && era > 1 {
			l.logger().Info("a witness was restored from a backup, and cosigns on from what its copy has", "cosigned", cosigned, "knows", told)
			return
		}
	}
	l.suspect(fmt.Errorf("it cosigned %d leaves of this node's log and says that it cosigned %d last: %w", cosigned, told, errPeerOlder))
}

// cosignedSize is the size of the newest own checkpoint that the peer cosigned.
func (l *link) cosignedSize(ctx context.Context) (int64, error) {
	states, err := l.g.Store.WitnessStates(ctx)
	for _, w := range states {
		if w.Node == l.peer {
			return w.Size, err
		}
	}
	return 0, err
}

// submitFrom makes one call. told is the size that the peer has instead; -1: it
// said none.
func (l *link) submitFrom(ctx context.Context, s *store.LogState, old int64) (lines []byte, told int64, err error) {
	proof, err := merkle.ProveConsistency(s.Checkpoint.Size, old, l.g.Store)
	if err != nil {
		return nil, -1, err
	}
	body := merkle.Submission{Old: old, Proof: proof, Checkpoint: s.Note}.Marshal()
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, lines, err = l.call(call, http.MethodPost, submitPath, body, merkle.MaxCheckpoint)
	told = -1
	var p *problem
	if errors.As(err, &p) {
		told = p.size
	}
	return lines, told, err
}

// takeCosignature stores a peer's answer when both of its lines are right.
func (l *link) takeCosignature(ctx context.Context, s *store.LogState, lines []byte) error {
	w, err := l.witness()
	if err != nil {
		return err
	}
	whole, err := merkle.WithCosignatures(s.Note, lines)
	if err != nil {
		return fmt.Errorf("read the cosignature of %s: %w", l.peer, err)
	}
	c, own, err := w.Lines(whole)
	if err != nil {
		return err
	}
	if off := c.Time.Sub(l.g.Now()); off.Abs() > protocol.MaxSkew {
		l.aloud().Warn("a witness cosigned by a clock that is far from ours", "off", off.Round(time.Second))
	}
	return l.g.Store.AddCosignature(context.WithoutCancel(ctx), store.Cosignature{
		Size: s.Checkpoint.Size, Root: s.Checkpoint.Root, Witness: l.peer, Lines: own, Claimed: c.Time,
	})
}

// witness is the peer as a witness, by its newest record here, unless that marks
// the keys with which it cosigns (R-WIT-8): the peer must publish others first.
func (l *link) witness() (*merkle.Witness, error) {
	state, ok := l.g.book.node(l.peer)
	if !ok {
		return nil, fmt.Errorf("no record of %s", l.peer)
	}
	if m := state.WitnessMark(); m != nil {
		return nil, protocol.Refuse(protocol.KeyCompromised, "the keys with which %s cosigns are marked compromised since %s", l.peer, m.Since)
	}
	return state.Witness(), nil
}

// lookAtOwn looks at this node's own log as the peer, its witness, saw it last.
// What the log's keys signed there and is not here is a matter of integrity: this
// node is an older copy of itself, or somebody else signs with its keys (R-WIT-6).
func (l *link) lookAtOwn(ctx context.Context) error {
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, note, err := l.call(call, http.MethodGet, cosignedPath(l.g.Log.Origin()), nil, merkle.MaxCheckpoint)
	if err != nil {
		return err
	}
	if err = l.compareNote(ctx, note); errors.Is(err, ErrOlderCopy) {
		l.g.seq.stop(err)
	}
	return err
}

func isStatus(err error, status int) bool {
	var p *problem
	return errors.As(err, &p) && p.Status == status
}

// parseSize reads the size in a witness's answer; -1: it is none.
func parseSize(body []byte) int64 {
	text, ended := bytes.CutSuffix(body, []byte("\n"))
	n, err := strconv.ParseInt(string(text), 10, 64)
	if !ended || err != nil || n < 0 || n > merkle.MaxSize || strconv.FormatInt(n, 10) != string(text) {
		return -1
	}
	return n
}
