package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"comity/crypto/merkle"
	"comity/protocol"
	"comity/store"
)

// ledger is the memory of the oracle: what any node ever showed. Nodes die and
// come back with what was durable; what left one of them must be durable there
// for ever (I3, I4).
type ledger struct {
	// held is the evidence that a node was seen to hold, by transmission and
	// digest of the document.
	held map[protocol.NodeID]map[protocol.Key]map[protocol.Digest]store.Evidence
	// notes are the checkpoints of a log that others saw, by its origin and size.
	notes map[string]map[int64][]byte
}

func newLedger() ledger {
	return ledger{map[protocol.NodeID]map[protocol.Key]map[protocol.Digest]store.Evidence{}, map[string]map[int64][]byte{}}
}

// addNote remembers a checkpoint; two of one size would be a fork.
func (l *ledger) addNote(note []byte) error {
	origin, _, _ := strings.Cut(string(note), "\n")
	size, err := noteSize(note)
	if err != nil {
		return err
	}
	if l.notes[origin] == nil {
		l.notes[origin] = map[int64][]byte{}
	}
	if known, ok := l.notes[origin][size]; ok && !bytes.Equal(known, note) {
		return fmt.Errorf("I4: %s has two checkpoints of size %d", origin, size)
	}
	l.notes[origin][size] = note
	return nil
}

// lose forgets what a node held that was restored from a backup. What others hold
// of it stays, and the node must hold that again when it has recovered.
func (l *ledger) lose(n protocol.NodeID) { delete(l.held, n) }

// addHeld remembers what a node holds now and makes sure that nothing it held
// before is gone.
func (l *ledger) addHeld(n protocol.NodeID, k protocol.Key, now []store.Evidence) error {
	if l.held[n] == nil {
		l.held[n] = map[protocol.Key]map[protocol.Digest]store.Evidence{}
	}
	before := l.held[n][k]
	l.held[n][k] = map[protocol.Digest]store.Evidence{}
	for _, ev := range now {
		l.held[n][k][ev.Digest()] = ev
		delete(before, ev.Digest())
	}
	for _, lost := range before {
		return fmt.Errorf("I3: %s held a %s and has lost it", n, lost.Event)
	}
	return nil
}

// checkEvidence makes sure that whatever evidence the two nodes of a
// transmission ever held they still hold, and that what one has from the other
// stands there, byte for byte, with the checkpoint that came with it (I3, I4).
func (w *World) checkEvidence(ctx context.Context, p Promise) error {
	ends := []*Host{w.officeHost(p.Key.From), w.officeHost(p.Key.To)}
	for _, h := range ends {
		if h.running == nil {
			continue
		}
		all, err := h.store().Evidence(ctx, p.Key)
		if err != nil {
			return err
		}
		if err := w.ledger.addHeld(h.Node, p.Key, all); err != nil {
			return err
		}
	}
	return errors.Join(w.ledger.checkIssued(ends[0], ends[1], p.Key), w.ledger.checkIssued(ends[1], ends[0], p.Key))
}

// checkIssued looks for what holder has from issuer. A holder that is down has
// what it had.
func (l *ledger) checkIssued(holder, issuer *Host, k protocol.Key) error {
	for digest, ev := range l.held[holder.Node][k] {
		if ev.Own {
			continue
		}
		proof, err := merkle.ParseProof(ev.Proof, protocol.MaxProof)
		if err != nil {
			return fmt.Errorf("I4: %s at %s: %w", ev.Event, holder.Node, err)
		}
		if err := l.addNote(proof.Checkpoint); err != nil {
			return err
		}
		if issuer.running == nil {
			continue
		}
		own, ok := l.held[issuer.Node][k][digest]
		if !ok || !own.Own || !bytes.Equal(own.Document, ev.Document) || !bytes.Equal(own.Signature, ev.Signature) {
			return fmt.Errorf("I3: %s holds a %s that %s does not know", holder.Node, ev.Event, issuer.Node)
		}
	}
	return nil
}

// checkNotes makes sure that every checkpoint that left a node stands there, byte
// for byte. That each is over the prefix of one tree is what CheckLog computes.
func (w *World) checkNotes(ctx context.Context) error {
	for _, h := range w.Hosts {
		if h.running == nil {
			continue
		}
		for size, note := range w.ledger.notes[h.running.Gateway.Log.Origin()] {
			held, err := h.store().CheckpointAt(ctx, size)
			if err != nil {
				return fmt.Errorf("I4: a checkpoint of %s of size %d was seen: %w", h.Node, size, err)
			}
			if !bytes.Equal(held, note) {
				return fmt.Errorf("I4: another checkpoint of %s of size %d was seen than is stored", h.Node, size)
			}
		}
	}
	return nil
}

// noteSize reads the second line of a checkpoint.
func noteSize(note []byte) (size int64, err error) {
	lines := bytes.SplitN(note, []byte("\n"), 3)
	if len(lines) < 3 {
		return 0, errors.New("I4: a checkpoint without a size")
	}
	_, err = fmt.Sscanf(string(lines[1]), "%d", &size)
	return size, err
}
