package store

import (
	"context"
	"fmt"
	"time"

	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/exchange"
	"comity/protocol/parcel"
	"comity/protocol/statement"
)

// Direction says on which side of a message this authority stands.
type Direction string

// The directions.
const (
	Sent     Direction = "sent"
	Received Direction = "received"
)

// Name names a message: parcel ids are chosen by senders, so only both together
// are unique.
type Name struct {
	From   protocol.AuthorityID
	Parcel protocol.ParcelID
}

func (n Name) String() string { return string(n.From) + " " + string(n.Parcel) }

// Message is one message of a case, sent or received.
type Message struct {
	Name      Name
	Direction Direction // filled when read
	Case      protocol.CaseID
	Sequence  int64
	Kind      parcel.Kind
	Manifest  statement.Signed // its digest is the message's digest
	Approvals []statement.Signed
	Files     []parcel.File // as the manifest lists them
	Sealed    envelope.Sealed
	// Slip is the parcel's key slip, sealed to this authority; nil once it was
	// destroyed. Lists leave it out.
	Slip     []byte
	Priority protocol.Priority
	Test     bool
	Created  time.Time // as the manifest says
	// Expires is until when delivery of a sent message is tried: what is
	// submitted again after a crash must not live longer. Zero on a received one.
	Expires time.Time
	// Transmissions are one per recipient of a sent message; on a received one,
	// exactly the one to this authority.
	Transmissions []Transmission
	// Filled when read.
	Ordinal int64 // grows with every message; a cursor for lists
	Stored  time.Time
}

// Digest is the message's digest: that of its manifest.
func (m *Message) Digest() protocol.Digest { return m.Manifest.Digest() }

// Transmission is the way of a message to one recipient.
type Transmission struct {
	To           protocol.AuthorityID
	RecipientKey protocol.Digest
	Envelope     statement.Signed // empty until the gateway took a sent message
	State        exchange.State   // empty until the gateway took a sent message
	Updated      time.Time        // when the state last changed
	Opened       time.Time        // received: first opened; zero: not yet
	Acknowledged time.Time        // received: formally accepted or rejected; zero: not yet
	// Withdrawal is this authority's own of a sent message, empty until there is
	// one; Withdrawn is when it was stored. Taken says that the gateway has it.
	Withdrawal statement.Signed
	Withdrawn  time.Time
	Taken      bool
}

// insertMessage stores a message with all that belongs to it. added is false
// for a repeat. Another manifest under the same name or the same (case, from,
// sequence) is Equivocation.
func (o *Office) insertMessage(ctx context.Context, t *tx, m *Message, direction Direction, s *Spool) (added bool, err error) {
	if len(m.Manifest.Document) == 0 || len(m.Manifest.Signature) == 0 || m.Created.IsZero() || m.Sequence < 1 || len(m.Transmissions) == 0 {
		return false, factError("message without manifest, time, sequence or recipient")
	}
	var manifest []byte
	found, err := t.find(ctx, []any{&manifest}, `SELECT manifest FROM message WHERE sender = $1 AND parcel = $2`, m.Name.From, m.Name.Parcel)
	if err != nil {
		return false, err
	}
	if found {
		if string(manifest) == string(m.Manifest.Document) {
			return false, nil
		}
		return false, protocol.Refuse(protocol.Equivocation, "another manifest was already taken under the parcel id of %s", m.Name)
	}
	var other protocol.ParcelID
	found, err = t.find(ctx, []any{&other}, `SELECT parcel FROM message WHERE case_id = $1 AND sender = $2 AND sequence = $3`,
		m.Case, m.Name.From, m.Sequence)
	if err != nil {
		return false, err
	}
	if found {
		return false, protocol.Refuse(protocol.Equivocation, "message %d of %s in case %s is already the parcel %s", m.Sequence, m.Name.From, m.Case, other)
	}
	if err := o.v.putSealed(ctx, t, s, m.Sealed.Size, m.Sealed.Digest); err != nil {
		return false, err
	}
	var ordinal int64
	if _, err := t.find(ctx, []any{&ordinal}, `SELECT coalesce(max(ordinal), 0) + 1 FROM message`); err != nil {
		return false, err
	}
	var slip any
	if m.Slip != nil {
		slip = m.Slip
	}
	if _, err := t.exec(ctx, `INSERT INTO message (ordinal, sender, parcel, direction, case_id, sequence, kind, manifest, manifest_signature,
sealed_digest, sealed_recipients, slip, priority, test, created_us, expires_us, stored_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`,
		ordinal, m.Name.From, m.Name.Parcel, direction, m.Case, m.Sequence, m.Kind, string(m.Manifest.Document), string(m.Manifest.Signature),
		m.Sealed.Digest[:], m.Sealed.Recipients, slip, m.Priority, flag(m.Test), m.Created.UnixMicro(), micros(m.Expires), t.now.UnixMicro()); err != nil {
		return false, err
	}
	return true, insertParts(ctx, t, ordinal, m)
}

func insertParts(ctx context.Context, t *tx, message int64, m *Message) error {
	for i, a := range m.Approvals {
		if _, err := t.exec(ctx, `INSERT INTO approval (message, number, document, signature) VALUES ($1, $2, $3, $4)`,
			message, i+1, string(a.Document), string(a.Signature)); err != nil {
			return err
		}
	}
	for i, f := range m.Files {
		if _, err := t.exec(ctx, `INSERT INTO file (message, number, path, name, media_type, size_bytes, digest, pages, role)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, message, i+1, f.Path, f.Name, f.MediaType, f.Size, f.Digest[:], f.Pages, f.Role); err != nil {
			return err
		}
	}
	for i, r := range m.Transmissions {
		var env, sig, updated any
		if len(r.Envelope.Document) > 0 {
			env, sig, updated = string(r.Envelope.Document), string(r.Envelope.Signature), t.now.UnixMicro()
		}
		if _, err := t.exec(ctx, `INSERT INTO transmission (message, number, recipient, recipient_key, envelope, envelope_signature, state, updated_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, message, i+1, r.To, r.RecipientKey[:], env, sig, r.State, updated); err != nil {
			return err
		}
	}
	return nil
}

const messageColumns = `SELECT m.ordinal, m.sender, m.parcel, m.direction, m.case_id, m.sequence, m.kind, m.manifest, m.manifest_signature,
m.sealed_digest, s.size_bytes, m.sealed_recipients, m.priority, m.test, m.created_us, m.expires_us, m.stored_us
FROM message m JOIN sealed s ON s.digest = m.sealed_digest`

func scanMessage(scan func(...any) error) (m Message, err error) {
	var created, stored int64
	var expires *int64
	err = scan(&m.Ordinal, &m.Name.From, &m.Name.Parcel, &m.Direction, &m.Case, &m.Sequence, &m.Kind, &m.Manifest.Document, &m.Manifest.Signature,
		(*digest)(&m.Sealed.Digest), &m.Sealed.Size, &m.Sealed.Recipients, &m.Priority, &m.Test, &created, &expires, &stored)
	m.Created, m.Expires, m.Stored = instant(&created), instant(expires), instant(&stored)
	return m, err
}

// complete reads what belongs to a message, without its slip.
func (m *Message) complete(ctx context.Context, t *tx) (err error) {
	m.Approvals, err = collect(ctx, t, func(scan func(...any) error) (s statement.Signed, err error) {
		return s, scan(&s.Document, &s.Signature)
	}, `SELECT document, signature FROM approval WHERE message = $1 ORDER BY number`, m.Ordinal)
	if err != nil {
		return err
	}
	m.Files, err = collect(ctx, t, func(scan func(...any) error) (f parcel.File, err error) {
		err = scan(&f.Path, &f.Name, &f.MediaType, &f.Size, (*digest)(&f.Digest), &f.Pages, &f.Role)
		return f, err
	}, `SELECT path, name, media_type, size_bytes, digest, pages, role FROM file WHERE message = $1 ORDER BY number`, m.Ordinal)
	if err != nil {
		return err
	}
	m.Transmissions, err = collect(ctx, t, func(scan func(...any) error) (r Transmission, err error) {
		var updated, opened, acknowledged, withdrawn *int64
		err = scan(&r.To, (*digest)(&r.RecipientKey), &r.Envelope.Document, &r.Envelope.Signature, &r.State, &updated, &opened, &acknowledged,
			&r.Withdrawal.Document, &r.Withdrawal.Signature, &withdrawn, &r.Taken)
		r.Updated, r.Opened, r.Acknowledged, r.Withdrawn = instant(updated), instant(opened), instant(acknowledged), instant(withdrawn)
		return r, err
	}, `SELECT recipient, recipient_key, envelope, envelope_signature, state, updated_us, opened_us, acknowledged_us,
withdrawal, withdrawal_signature, withdrawn_us, withdrawal_taken_us IS NOT NULL
FROM transmission WHERE message = $1 ORDER BY number`, m.Ordinal)
	return err
}

// messages reads a list; filtered texts are not prepared.
func messages(ctx context.Context, t *tx, query string, args ...any) ([]Message, error) {
	list, err := collectPlain(ctx, t, scanMessage, query, args...)
	for i := range list {
		if err == nil {
			err = list[i].complete(ctx, t)
		}
	}
	return list, err
}

// MaxMessages is the longest page of messages: each comes with its file list.
const MaxMessages = 100

// MessageFilter chooses messages. Zero fields choose all; test messages are
// left out unless Test says otherwise (R-XCH-5).
type MessageFilter struct {
	Case           protocol.CaseID
	From           protocol.AuthorityID
	To             protocol.AuthorityID
	Unopened       bool // received and never opened
	Unacknowledged bool // received and without formal answer
	Test           Tests
	Before         int64 // cursor: only smaller Ordinals
	Limit          int   // 0 means MaxMessages
}

func (f *MessageFilter) list(ctx context.Context, o *Office, direction Direction) (list []Message, err error) {
	c := &conditions{text: []string{f.Test.condition()}}
	c.add("m.direction", "=", direction)
	if f.Case != "" {
		c.add("m.case_id", "=", f.Case)
	}
	if f.From != "" {
		c.add("m.sender", "=", f.From)
	}
	if f.To != "" {
		c.add("EXISTS (SELECT 1 FROM transmission r WHERE r.message = m.ordinal AND r.recipient", "=", f.To)
		c.text[len(c.text)-1] += ")"
	}
	if f.Unopened {
		c.text = append(c.text, "EXISTS (SELECT 1 FROM transmission r WHERE r.message = m.ordinal AND r.opened_us IS NULL)")
	}
	if f.Unacknowledged {
		c.text = append(c.text, "EXISTS (SELECT 1 FROM transmission r WHERE r.message = m.ordinal AND r.acknowledged_us IS NULL)")
	}
	if f.Before > 0 {
		c.add("m.ordinal", "<", f.Before)
	}
	limit := f.Limit
	if limit <= 0 || limit > MaxMessages {
		limit = MaxMessages
	}
	err = o.v.read(ctx, func(ctx context.Context, t *tx) error {
		list, err = messages(ctx, t, messageColumns+c.end("m.ordinal", limit), c.args...)
		return err
	})
	return list, wrap("listing messages", err)
}

// Inbox returns received messages, newest first, without their slips.
func (o *Office) Inbox(ctx context.Context, f MessageFilter) ([]Message, error) {
	return f.list(ctx, o, Received)
}

// SentList returns sent messages, newest first, without their slips.
func (o *Office) SentList(ctx context.Context, f MessageFilter) ([]Message, error) {
	return f.list(ctx, o, Sent)
}

// CaseMessages returns the messages of a case in both directions in the order
// in which they were stored, test messages included: a case is all test or not
// at all. At most MaxPage.
func (o *Office) CaseMessages(ctx context.Context, id protocol.CaseID) (list []Message, err error) {
	err = o.v.read(ctx, func(ctx context.Context, t *tx) error {
		list, err = messages(ctx, t, messageColumns+` WHERE m.case_id = $1 ORDER BY m.ordinal LIMIT $2`, id, MaxPage)
		return err
	})
	return list, wrap("reading case "+string(id), err)
}

// Message returns one message with its slip. ErrNotFound.
func (o *Office) Message(ctx context.Context, n Name) (*Message, error) {
	var list []Message
	err := o.v.read(ctx, func(ctx context.Context, t *tx) (err error) {
		list, err = messages(ctx, t, messageColumns+` WHERE m.sender = $1 AND m.parcel = $2`, n.From, n.Parcel)
		if err == nil && len(list) == 0 {
			err = ErrNotFound
		}
		if err == nil {
			_, err = t.find(ctx, []any{&list[0].Slip}, `SELECT slip FROM message WHERE ordinal = $1`, list[0].Ordinal)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading message %s: %w", n, err)
	}
	return &list[0], nil
}

// MessageByParcel returns the messages with this parcel id, without their
// slips: one, unless a sender copied another's id.
func (o *Office) MessageByParcel(ctx context.Context, p protocol.ParcelID) (list []Message, err error) {
	err = o.v.read(ctx, func(ctx context.Context, t *tx) error {
		list, err = messages(ctx, t, messageColumns+` WHERE m.parcel = $1 ORDER BY m.ordinal LIMIT $2`, p, MaxMessages)
		return err
	})
	return list, wrap("reading parcel "+string(p), err)
}

// Among returns which of the messages are here, and of each whether it is a test.
func (o *Office) Among(ctx context.Context, names []Name) (tests map[Name]bool, err error) {
	tests = map[Name]bool{}
	err = o.v.read(ctx, func(ctx context.Context, t *tx) error {
		for _, n := range names {
			var test bool
			found, err := t.find(ctx, []any{&test}, `SELECT test FROM message WHERE sender = $1 AND parcel = $2`, n.From, n.Parcel)
			if err != nil {
				return err
			}
			if found {
				tests[n] = test
			}
		}
		return nil
	})
	return tests, wrap("reading which messages are here", err)
}

// Slip returns a message's key slip. ErrNotFound; ErrGone once destroyed.
func (o *Office) Slip(ctx context.Context, n Name) (slip []byte, err error) {
	err = o.v.read(ctx, func(ctx context.Context, t *tx) error {
		err := require(t.find(ctx, []any{&slip}, `SELECT slip FROM message WHERE sender = $1 AND parcel = $2`, n.From, n.Parcel))
		if err == nil && slip == nil {
			err = ErrGone
		}
		return err
	})
	return slip, wrap("reading the key slip of "+n.String(), err)
}

// SetSlip replaces a message's key slip after a rotation of the authority's
// key, or destroys it when slip is nil (erasure), with a journal entry in the
// same transaction. ErrNotFound.
func (o *Office) SetSlip(ctx context.Context, n Name, slip, entry []byte) error {
	err := o.writes.write(ctx, func(ctx context.Context, t *tx) error {
		var value any
		if slip != nil {
			value = slip
		}
		changed, err := t.exec(ctx, `UPDATE message SET slip = $3 WHERE sender = $1 AND parcel = $2`, n.From, n.Parcel, value)
		if err == nil && changed == 0 {
			err = ErrNotFound
		}
		if err == nil {
			_, err = o.journal(ctx, t, entry)
		}
		return err
	})
	return wrap("storing the key slip of "+n.String(), err)
}

// NextSequence returns the number of this authority's next message in a case, from 1.
func (o *Office) NextSequence(ctx context.Context, id protocol.CaseID) (n int64, err error) {
	err = o.v.read(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.find(ctx, []any{&n}, `SELECT coalesce(max(sequence), 0) + 1 FROM message WHERE case_id = $1 AND sender = $2`, id, o.self)
		return err
	})
	return n, wrap("reading the sequence of case "+string(id), err)
}
