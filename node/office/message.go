package office

import (
	"context"
	"errors"
	"fmt"
	"time"

	"comity/protocol"
	"comity/protocol/exchange"
	"comity/protocol/parcel"
	"comity/store"
)

// Message is a message as people see it in lists and pages.
type Message struct {
	Name      store.Name
	Direction store.Direction
	To        []Recipient // on a received message only this authority
	Case      protocol.CaseID
	Sequence  int64
	Kind      parcel.Kind
	Digest    protocol.Digest // of the manifest
	Priority  protocol.Priority
	Test      bool
	Created   time.Time // as its sender says
	Expires   time.Time // sent: until when delivery is tried
	Stored    time.Time // sent or taken in by this office
	Size      int64     // of all files
	Files     []parcel.File
	Opened    time.Time // received: first opened; zero: not yet
	Answered  time.Time // received: formally acknowledged or declined; zero: not yet
	// Ordinal is the cursor for the next page of a list.
	Ordinal int64
}

// Recipient is one transmission of a message.
type Recipient struct {
	To protocol.AuthorityID
	// Submitted is false while no gateway has taken the message.
	Submitted bool
	Status    exchange.Status
	// Withdrawn is when this office withdrew the message; zero: it did not.
	Withdrawn time.Time
	// Evidence is all that is known, the oldest first; filled by Message only.
	Evidence []exchange.Attested
}

// Inbox returns received messages, newest first; test messages only when the
// filter asks for them (R-XCH-5).
func (o *Office) Inbox(ctx context.Context, f store.MessageFilter) ([]Message, error) {
	rows, err := o.store.Inbox(ctx, f)
	if err != nil {
		return nil, err
	}
	return o.views(ctx, rows)
}

// SentMessages returns sent messages, newest first; test messages only when the
// filter asks for them (R-XCH-5).
func (o *Office) SentMessages(ctx context.Context, f store.MessageFilter) ([]Message, error) {
	rows, err := o.store.SentList(ctx, f)
	if err != nil {
		return nil, err
	}
	return o.views(ctx, rows)
}

// Message returns one message with all its evidence.
func (o *Office) Message(ctx context.Context, n store.Name) (*Message, error) {
	row, err := o.message(ctx, n)
	if err != nil {
		return nil, err
	}
	m := view(row)
	for i := range m.To {
		to := &m.To[i]
		if to.Evidence, err = o.evidenceOf(ctx, keyTo(n, to.To)); err != nil {
			return nil, err
		}
		to.Status = statusOf(to.Evidence, row.Expires, !to.Withdrawn.IsZero())
	}
	return &m, nil
}

// Locate returns the name of the message with this parcel id. Parcel ids are
// chosen by senders: if two used the same, the sentence asks for the sender.
func (o *Office) Locate(ctx context.Context, id protocol.ParcelID) (store.Name, error) {
	rows, err := o.store.MessageByParcel(ctx, id)
	switch {
	case err != nil:
		return store.Name{}, err
	case len(rows) == 0:
		return store.Name{}, fmt.Errorf("there is no parcel %s in the office of %s: %w", id, o.authority, store.ErrNotFound)
	case len(rows) > 1:
		return store.Name{}, fmt.Errorf("%s and %s both sent a parcel %s: name the sender too", rows[0].Name.From, rows[1].Name.From, id)
	}
	return rows[0].Name, nil
}

// message reads a stored message; a sentence for people when there is none.
func (o *Office) message(ctx context.Context, n store.Name) (*store.Message, error) {
	row, err := o.store.Message(ctx, n)
	if errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("there is no parcel %s from %s in the office of %s; one that has arrived is shown once it is verified: %w", n.Parcel, n.From, o.authority, err)
	}
	return row, err
}

// received reads a message that this authority received.
func (o *Office) received(ctx context.Context, n store.Name) (*store.Message, *store.Transmission, error) {
	m, err := o.message(ctx, n)
	if err != nil {
		return nil, nil, err
	}
	if m.Direction != store.Received || len(m.Transmissions) != 1 {
		return nil, nil, fmt.Errorf("parcel %s was sent by this office: only its recipients can answer it", n.Parcel)
	}
	return m, &m.Transmissions[0], nil
}

// views fills in the statuses of sent messages that can still change; the
// office's own copies tell the others.
func (o *Office) views(ctx context.Context, rows []store.Message) ([]Message, error) {
	all := make([]Message, len(rows))
	for i := range rows {
		all[i] = view(&rows[i])
		if rows[i].Direction != store.Sent {
			continue
		}
		for j := range all[i].To {
			to := &all[i].To[j]
			if !to.Submitted {
				continue
			}
			known, err := o.gateway.Evidence(ctx, keyTo(rows[i].Name, to.To))
			if err != nil {
				return nil, fmt.Errorf("ask the gateway what became of %s: %w", rows[i].Name.Parcel, err)
			}
			to.Status = statusOf(known, rows[i].Expires, !to.Withdrawn.IsZero())
		}
	}
	return all, nil
}

// view is what a stored message says of itself.
func view(row *store.Message) Message {
	m := Message{
		Name: row.Name, Direction: row.Direction, Case: row.Case, Sequence: row.Sequence, Kind: row.Kind, Digest: row.Digest(),
		Priority: row.Priority, Test: row.Test, Created: row.Created, Expires: row.Expires, Stored: row.Stored,
		Files: row.Files, Ordinal: row.Ordinal,
	}
	for _, f := range row.Files {
		m.Size += f.Size
	}
	for _, t := range row.Transmissions {
		m.To = append(m.To, Recipient{To: t.To, Submitted: len(t.Envelope.Document) > 0, Status: t.State.Status(), Withdrawn: t.Withdrawn})
		m.Opened, m.Answered = t.Opened, t.Acknowledged
	}
	return m
}

func statusOf(all []exchange.Attested, expires time.Time, withdrawn bool) exchange.Status {
	said := make([]exchange.Said, len(all))
	for i, a := range all {
		said[i] = a.Said()
	}
	return exchange.StatusFrom(said, expires, withdrawn)
}
