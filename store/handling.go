package store

import (
	"context"
	"fmt"
	"time"

	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/statement"
)

// AddSent stores a sealed message before it is submitted, so that what is sent
// again after a crash is the same bytes: message, files, slip, recipients, the
// spool (Keep called) and a journal entry. The same manifest again is a repeat
// (false, nil). Another one under the same name or the same sequence of the
// case is Equivocation.
func (o *Office) AddSent(ctx context.Context, m *Message, s *Spool, entry []byte) (added bool, err error) {
	if m.Name.From != o.self {
		return false, fmt.Errorf("storing sent message %s: %w", m.Name, factError("it is from another authority"))
	}
	err = o.writes.write(ctx, func(ctx context.Context, t *tx) error {
		if added, err = o.insertMessage(ctx, t, m, Sent, s); err != nil || !added {
			return err
		}
		_, err := o.journal(ctx, t, entry)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("storing sent message %s: %w", m.Name, err)
	}
	if added && s != nil {
		s.commit()
	}
	return added, nil
}

// Unsent returns sent messages that no gateway has taken yet for at least one
// recipient, oldest first, with their slips left out: to be submitted again
// after a restart.
func (o *Office) Unsent(ctx context.Context, limit int) (list []Message, err error) {
	if limit <= 0 || limit > MaxMessages {
		limit = MaxMessages
	}
	err = o.v.read(ctx, func(ctx context.Context, t *tx) error {
		list, err = messages(ctx, t, messageColumns+` WHERE m.direction = 'sent' AND m.ordinal IN
(SELECT r.message FROM transmission r WHERE r.envelope IS NULL) ORDER BY m.ordinal LIMIT $1`, limit)
		return err
	})
	return list, wrap("reading unsent messages", err)
}

// TakeIn stores a received message after every file in it was verified:
// message, files, slip, spool, the evidence that its office signed
// (ContentHandover) and a journal entry. m.Transmissions has the one to this
// authority, with its envelope.
//
// I2: the same manifest again is a repeat (false, nil) and changes nothing.
// Another manifest under the same name, or under the same (case, from,
// sequence), is Equivocation: it is kept among the contested ones, where people
// can see it, and nothing else is stored.
func (o *Office) TakeIn(ctx context.Context, m *Message, s *Spool, ev *Evidence, entry []byte) (added bool, err error) {
	if len(m.Transmissions) != 1 || m.Transmissions[0].To != o.self || len(m.Transmissions[0].Envelope.Document) == 0 {
		return false, fmt.Errorf("taking in message %s: %w", m.Name, factError("it needs exactly the transmission to this authority, with its envelope"))
	}
	var refusal error
	err = o.writes.write(ctx, func(ctx context.Context, t *tx) error {
		refusal = nil
		added, err = o.insertMessage(ctx, t, m, Received, s)
		if protocol.CodeOf(err) == protocol.Equivocation {
			refusal = err
			return contest(ctx, t, m)
		}
		if err != nil || !added {
			return err
		}
		if ev != nil {
			k := protocol.Key{From: m.Name.From, Parcel: m.Name.Parcel, To: o.self}
			if _, err := o.sign(ctx, t, k, *ev); err != nil {
				return err
			}
		}
		_, err := o.journal(ctx, t, entry)
		return err
	})
	if err == nil {
		err = refusal
	}
	if err != nil {
		return false, fmt.Errorf("taking in message %s: %w", m.Name, err)
	}
	if added && s != nil {
		s.commit()
	}
	return added, nil
}

// Contested is a manifest that arrived under an identity already used by another.
type Contested struct {
	Name     Name
	Case     protocol.CaseID
	Sequence int64
	Manifest statement.Signed
	Stored   time.Time
}

func contest(ctx context.Context, t *tx, m *Message) error {
	d := m.Digest()
	_, err := t.exec(ctx, `INSERT INTO contested (ordinal, sender, parcel, case_id, sequence, digest, manifest, manifest_signature, stored_us)
VALUES ((SELECT coalesce(max(ordinal), 0) + 1 FROM contested), $1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (digest) DO NOTHING`,
		m.Name.From, m.Name.Parcel, m.Case, m.Sequence, d[:], string(m.Manifest.Document), string(m.Manifest.Signature), t.now.UnixMicro())
	return err
}

const contestedColumns = `SELECT sender, parcel, case_id, sequence, manifest, manifest_signature, stored_us FROM contested`

func scanContested(scan func(...any) error) (c Contested, err error) {
	var stored int64
	err = scan(&c.Name.From, &c.Name.Parcel, &c.Case, &c.Sequence, &c.Manifest.Document, &c.Manifest.Signature, &stored)
	c.Stored = instant(&stored)
	return c, err
}

// ContestedList returns them, newest first.
func (o *Office) ContestedList(ctx context.Context, limit int) (list []Contested, err error) {
	if limit <= 0 || limit > MaxMessages {
		limit = MaxMessages
	}
	err = o.v.read(ctx, func(ctx context.Context, t *tx) error {
		list, err = collect(ctx, t, scanContested, contestedColumns+` ORDER BY ordinal DESC LIMIT $1`, limit)
		return err
	})
	return list, wrap("listing contested manifests", err)
}

// ContestedOf returns those that arrived in a period, the oldest first.
func (o *Office) ContestedOf(ctx context.Context, p Period, limit int) (list []Contested, more bool, err error) {
	from, until := p.micros()
	return exceptions(ctx, o.v, "reading contested manifests", limit, scanContested,
		contestedColumns+` WHERE stored_us >= $1 AND stored_us < $2 ORDER BY ordinal LIMIT $3`, from, until)
}

// SetOpened marks a received message as opened and writes the journal entry in
// one transaction. first is true the first time, and then ev (the
// ContentAccessTracking, nil if the office does not issue it) is stored too;
// later openings only write their journal entry. ErrNotFound.
func (o *Office) SetOpened(ctx context.Context, n Name, ev *Evidence, entry []byte) (first bool, err error) {
	err = o.writes.write(ctx, func(ctx context.Context, t *tx) error {
		changed, err := t.exec(ctx, `UPDATE transmission SET opened_us = $4 WHERE recipient = $3 AND opened_us IS NULL
AND message = (SELECT ordinal FROM message WHERE sender = $1 AND parcel = $2 AND direction = 'received')`,
			n.From, n.Parcel, o.self, t.now.UnixMicro())
		if err != nil {
			return err
		}
		if first = changed == 1; !first {
			var there int64
			if err := require(t.find(ctx, []any{&there}, `SELECT ordinal FROM message WHERE sender = $1 AND parcel = $2 AND direction = 'received'`,
				n.From, n.Parcel)); err != nil {
				return err
			}
		} else if ev != nil {
			if _, err := o.sign(ctx, t, protocol.Key{From: n.From, Parcel: n.Parcel, To: o.self}, *ev); err != nil {
				return err
			}
		}
		_, err = o.journal(ctx, t, entry)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("opening message %s: %w", n, err)
	}
	return first, nil
}

// SetAcknowledged stores the officer's formal answer, a ConsignmentAcceptance
// or ConsignmentRejection, with its journal entry in one transaction. The same
// evidence again is a repeat (false, nil); a second, different answer is
// Equivocation. ErrNotFound.
func (o *Office) SetAcknowledged(ctx context.Context, n Name, ev Evidence, entry []byte) (first bool, err error) {
	if ev.Event != evidence.ConsignmentAcceptance && ev.Event != evidence.ConsignmentRejection {
		return false, fmt.Errorf("answering message %s: %w", n, factError(fmt.Sprintf("%s is not an answer", ev.Event)))
	}
	k := protocol.Key{From: n.From, Parcel: n.Parcel, To: o.self}
	err = o.writes.write(ctx, func(ctx context.Context, t *tx) error {
		first = false
		changed, err := t.exec(ctx, `UPDATE transmission SET acknowledged_us = $4 WHERE recipient = $3 AND acknowledged_us IS NULL
AND message = (SELECT ordinal FROM message WHERE sender = $1 AND parcel = $2 AND direction = 'received')`,
			n.From, n.Parcel, o.self, t.now.UnixMicro())
		if err != nil {
			return err
		}
		if changed == 0 {
			stored, err := storedOfficeEvidence(ctx, t, k, ev.Event)
			if err == nil && string(stored) == string(ev.Document) {
				return nil
			}
			var there int64
			if err := require(t.find(ctx, []any{&there}, `SELECT ordinal FROM message WHERE sender = $1 AND parcel = $2 AND direction = 'received'`,
				n.From, n.Parcel)); err != nil {
				return err
			}
			return protocol.Refuse(protocol.Equivocation, "message %s has a formal answer already", n)
		}
		if _, err := o.sign(ctx, t, k, ev); err != nil {
			return err
		}
		first = true
		_, err = o.journal(ctx, t, entry)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("answering message %s: %w", n, err)
	}
	return first, nil
}

// AddEvidence stores other evidence that this office signed (for example a
// ContentHandoverFailure, when there is no message) with a journal entry. The
// same document again is a repeat; another one of the same event is Equivocation.
func (o *Office) AddEvidence(ctx context.Context, k protocol.Key, ev Evidence, entry []byte) (repeat bool, err error) {
	err = o.writes.write(ctx, func(ctx context.Context, t *tx) error {
		if repeat, err = o.sign(ctx, t, k, ev); err != nil || repeat {
			return err
		}
		_, err := o.journal(ctx, t, entry)
		return err
	})
	return repeat, wrap("storing "+string(ev.Event)+" of "+k.String(), err)
}

// Take stores evidence that a gateway handed out (with its proof), moves the
// transmission's state and, for a SubmissionAcceptance, stores the envelope.
// The same document again is a repeat that may add a missing proof; another one
// of the same event is Equivocation. What this office signed itself and has lost
// since is its own again: who opened the parcel and how it was answered stands.
func (o *Office) Take(ctx context.Context, k protocol.Key, env statement.Signed, ev Evidence) (repeat bool, err error) {
	err = o.writes.write(ctx, func(ctx context.Context, t *tx) error {
		own := ev.Event.Rule().Role != evidence.Node && k.To == o.self
		if repeat, err = putOfficeEvidence(ctx, t, k, ev, own); err != nil {
			return err
		}
		if own && !repeat {
			if err := recall(ctx, t, k, ev); err != nil {
				return err
			}
		}
		if len(env.Document) > 0 {
			if _, err := t.exec(ctx, `UPDATE transmission SET envelope = $4, envelope_signature = $5 WHERE recipient = $3 AND envelope IS NULL
AND message = (SELECT ordinal FROM message WHERE sender = $1 AND parcel = $2)`,
				k.From, k.Parcel, k.To, string(env.Document), string(env.Signature)); err != nil {
				return err
			}
		}
		return advance(ctx, t, k, ev.Event)
	})
	return repeat, wrap("storing "+string(ev.Event)+" of "+k.String(), err)
}

// recall marks a received message as opened or answered when the evidence of it,
// which this office had signed, is here again.
func recall(ctx context.Context, t *tx, k protocol.Key, ev Evidence) error {
	var opened, answered any
	switch ev.Event {
	case evidence.ContentAccessTracking:
		opened = ev.Time.UnixMicro()
	case evidence.ConsignmentAcceptance, evidence.ConsignmentRejection:
		answered = ev.Time.UnixMicro()
	default:
		return nil
	}
	_, err := t.exec(ctx, `UPDATE transmission SET opened_us = coalesce(opened_us, $4), acknowledged_us = coalesce(acknowledged_us, $5) WHERE recipient = $3
AND message = (SELECT ordinal FROM message WHERE sender = $1 AND parcel = $2 AND direction = 'received')`, k.From, k.Parcel, k.To, opened, answered)
	return err
}

// sign stores evidence that this office signed: it stays unfiled until Take
// brings its proof.
func (o *Office) sign(ctx context.Context, t *tx, k protocol.Key, ev Evidence) (repeat bool, err error) {
	if repeat, err = putOfficeEvidence(ctx, t, k, ev, true); err != nil || repeat {
		return repeat, err
	}
	return false, advance(ctx, t, k, ev.Event)
}

// advance moves a transmission's state, which never goes back. There may be no
// message: evidence also speaks of what could not be taken in.
func advance(ctx context.Context, t *tx, k protocol.Key, e evidence.Event) error {
	var message int64
	var state exchange.State
	found, err := t.find(ctx, []any{&message, &state}, `SELECT r.message, r.state FROM transmission r JOIN message m ON m.ordinal = r.message
WHERE m.sender = $1 AND m.parcel = $2 AND r.recipient = $3`, k.From, k.Parcel, k.To)
	if err != nil || !found {
		return err
	}
	next := state.After(e)
	if next == state {
		return nil
	}
	_, err = t.exec(ctx, `UPDATE transmission SET state = $3, updated_us = $4 WHERE message = $1 AND recipient = $2`,
		message, k.To, next, t.now.UnixMicro())
	return err
}

func storedOfficeEvidence(ctx context.Context, t *tx, k protocol.Key, e evidence.Event) (document []byte, err error) {
	_, err = t.find(ctx, []any{&document}, `SELECT document FROM evidence
WHERE sender = $1 AND parcel = $2 AND recipient = $3 AND event = $4`, k.From, k.Parcel, k.To, e)
	return document, err
}

func putOfficeEvidence(ctx context.Context, t *tx, k protocol.Key, ev Evidence, own bool) (repeat bool, err error) {
	if len(ev.Document) == 0 || len(ev.Signature) == 0 || ev.Event == "" || ev.Time.IsZero() {
		return false, factError("evidence without document, signature, event or time")
	}
	var proof any
	if ev.Proof != nil {
		proof = string(ev.Proof)
	}
	n, err := t.exec(ctx, `INSERT INTO evidence (ordinal, sender, parcel, recipient, event, document, signature, event_us, stored_us, own, proof)
VALUES ((SELECT coalesce(max(ordinal), 0) + 1 FROM evidence), $1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (sender, parcel, recipient, event) DO NOTHING`, k.From, k.Parcel, k.To, ev.Event, string(ev.Document), string(ev.Signature),
		ev.Time.UnixMicro(), t.now.UnixMicro(), flag(own), proof)
	if err != nil || n == 1 {
		return false, err
	}
	stored, err := storedOfficeEvidence(ctx, t, k, ev.Event)
	if err != nil {
		return false, err
	}
	if string(stored) != string(ev.Document) {
		return false, protocol.Refuse(protocol.Equivocation, "another %s of %s is stored already", ev.Event, k)
	}
	if proof != nil {
		_, err = t.exec(ctx, `UPDATE evidence SET proof = $5 WHERE sender = $1 AND parcel = $2 AND recipient = $3 AND event = $4 AND proof IS NULL`,
			k.From, k.Parcel, k.To, ev.Event, proof)
	}
	return true, err
}

func scanOfficeEvidence(scan func(...any) error, before ...any) (e Evidence, err error) {
	var event, stored int64
	err = scan(append(before, &e.Event, &e.Document, &e.Signature, &event, &stored, &e.Own, &e.Proof)...)
	e.Time, e.Stored = instant(&event), instant(&stored)
	return e, err
}

const officeEvidenceColumns = `event, document, signature, event_us, stored_us, own, proof`

// Evidence returns the office's copies of all evidence about a transmission,
// in the order in which they were stored. Own is true for what this office signed.
func (o *Office) Evidence(ctx context.Context, k protocol.Key) (list []Evidence, err error) {
	err = o.v.read(ctx, func(ctx context.Context, t *tx) error {
		list, err = collect(ctx, t, func(scan func(...any) error) (Evidence, error) { return scanOfficeEvidence(scan) },
			`SELECT `+officeEvidenceColumns+` FROM evidence WHERE sender = $1 AND parcel = $2 AND recipient = $3 ORDER BY ordinal`,
			k.From, k.Parcel, k.To)
		return err
	})
	return list, wrap("reading the evidence of "+k.String(), err)
}

// Unfiled is evidence that this office signed and no gateway has filed yet.
type Unfiled struct {
	Key      protocol.Key
	Evidence Evidence
}

// Unfiled returns it, oldest first: it is handed to the gateway again until
// Take brings its proof.
func (o *Office) Unfiled(ctx context.Context, limit int) (list []Unfiled, err error) {
	if limit <= 0 || limit > MaxMessages {
		limit = MaxMessages
	}
	err = o.v.read(ctx, func(ctx context.Context, t *tx) error {
		list, err = collect(ctx, t, func(scan func(...any) error) (u Unfiled, err error) {
			u.Evidence, err = scanOfficeEvidence(scan, &u.Key.From, &u.Key.Parcel, &u.Key.To)
			return u, err
		}, `SELECT sender, parcel, recipient, `+officeEvidenceColumns+` FROM evidence WHERE own = 1 AND proof IS NULL ORDER BY ordinal LIMIT $1`, limit)
		return err
	})
	return list, wrap("reading unfiled evidence", err)
}
