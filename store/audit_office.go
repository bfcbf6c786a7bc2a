package store

import (
	"context"
	"errors"
	"fmt"

	"comity/protocol"
	"comity/protocol/exchange"
	"comity/protocol/parcel"
	"comity/protocol/record"
)

// Audit verifies everything that the office holds, as Gateway.Audit does, with
// the records of its node: the chain of the journal, every manifest and approval
// with its signature, the rows beside them, envelopes, withdrawals, and the
// copies of evidence.
func (o *Office) Audit(ctx context.Context, records []Record, options AuditOptions) (*AuditReport, error) {
	a := &audit{options: options}
	err := a.count(ctx, o.v, "journal", "message", "evidence", "contested", "sealed")
	if err != nil {
		return a.finish(err)
	}
	a.know(records)
	for _, part := range []func(context.Context, *vault) error{
		a.references,
		func(ctx context.Context, _ *vault) error { return a.journal(ctx, o) },
		func(ctx context.Context, v *vault) error { return a.messages(ctx, v, o.self) },
		func(ctx context.Context, v *vault) error { return a.copies(ctx, v, o.self) },
		a.contested, a.sealed,
	} {
		if err := part(ctx, o.v); err != nil {
			return a.finish(err)
		}
	}
	return a.finish(nil)
}

// know takes in records that the node's own audit judges: here a bad one is only
// left out.
func (a *audit) know(records []Record) {
	for _, r := range records {
		if s, err := record.Verify(r.Signed, nil); err == nil {
			a.history.Add(s)
		}
	}
}

// references looks for rows that refer to none.
func (a *audit) references(ctx context.Context, v *vault) error {
	err := v.read(ctx, func(ctx context.Context, t *tx) error { return v.engine.references(ctx, t.plain) })
	if errors.Is(err, ErrIntegrity) {
		return a.wrong("references", "%v", err)
	}
	return err
}

func (a *audit) journal(ctx context.Context, o *Office) error {
	head, err := o.CheckJournal(ctx)
	a.Journal = head.Sequence
	a.step(int(head.Sequence))
	if errors.Is(err, ErrIntegrity) {
		return a.wrong("journal", "%v", err)
	}
	return err
}

type auditedMessage struct {
	Message
	sealed     digest
	recipients int64
	ways       []auditedTransmission
	numbers    []string // tables whose rows are not numbered from 1 without a gap
}

type auditedTransmission struct {
	number       int64
	key          digest
	withdrawn    *int64
	taken        *int64
	acknowledged *int64
	Transmission
}

const auditMessage = `SELECT m.ordinal, m.sender, m.parcel, m.direction, m.case_id, m.sequence, m.kind, m.manifest, m.manifest_signature, m.sealed_digest,
m.sealed_recipients, m.test, m.created_us, s.size_bytes FROM message m LEFT JOIN sealed s ON s.digest = m.sealed_digest WHERE m.ordinal > $1 ORDER BY m.ordinal LIMIT $2`

func readAuditedMessages(ctx context.Context, t *tx, after *auditedMessage) ([]auditedMessage, error) {
	from := past(after, func(last *auditedMessage) int64 { return last.Ordinal })
	list, err := collect(ctx, t, func(scan func(...any) error) (m auditedMessage, err error) {
		var created int64
		var size *int64
		err = scan(&m.Ordinal, &m.Name.From, &m.Name.Parcel, &m.Direction, &m.Case, &m.Sequence, &m.Kind, &m.Manifest.Document, &m.Manifest.Signature, &m.sealed,
			&m.recipients, &m.Test, &created, &size)
		m.Created = instant(&created)
		if size != nil {
			m.Sealed.Size = *size
		}
		return m, err
	}, auditMessage, from, 16)
	for i := range list {
		if err == nil {
			err = list[i].complete(ctx, t)
		}
		if err == nil {
			list[i].ways, err = collect(ctx, t, func(scan func(...any) error) (w auditedTransmission, err error) {
				return w, scan(&w.number, &w.key, &w.To, &w.Envelope.Document, &w.Envelope.Signature, &w.State,
					&w.Withdrawal.Document, &w.Withdrawal.Signature, &w.withdrawn, &w.taken, &w.acknowledged)
			}, `SELECT number, recipient_key, recipient, envelope, envelope_signature, state, withdrawal, withdrawal_signature, withdrawn_us, withdrawal_taken_us, acknowledged_us
FROM transmission WHERE message = $1 ORDER BY number`, list[i].Ordinal)
		}
		if err == nil {
			list[i].numbers, err = misnumbered(ctx, t, list[i].Ordinal)
		}
	}
	return list, err
}

// misnumbered names the tables in which what belongs to a message is not
// numbered from 1 without a gap.
func misnumbered(ctx context.Context, t *tx, message int64) (all []string, err error) {
	for _, table := range []string{"approval", "file", "transmission"} {
		var count, first, last int64
		if _, err := t.find(ctx, []any{&count, &first, &last},
			`SELECT count(*), coalesce(min(number), 1), coalesce(max(number), 0) FROM `+table+` WHERE message = $1`, message); err != nil {
			return nil, err
		}
		if first != 1 || last != count {
			all = append(all, table)
		}
	}
	return all, nil
}

// messages verifies every manifest and what stands beside it.
func (a *audit) messages(ctx context.Context, v *vault, self protocol.AuthorityID) error {
	return pages(ctx, a, v, readAuditedMessages, func(m *auditedMessage) error {
		a.Messages++
		r := a.row("message %s (message %d)", m.Name, m.Ordinal)
		is, err := parcel.ParseManifest(m.Manifest.Document)
		if err == nil {
			_, err = a.history.VerifyAct(is.From.Authority, m.Manifest, is.Created.Time, a.now)
		}
		if !r.check("manifest and manifest_signature", err) {
			return r.err
		}
		same(r, "sender", m.Name.From, is.From.Authority)
		same(r, "parcel", m.Name.Parcel, is.Parcel)
		same(r, "direction", m.Direction == Sent, is.From.Authority == self)
		same(r, "case_id", m.Case, is.Case)
		same(r, "sequence", m.Sequence, is.Sequence)
		same(r, "kind", m.Kind, is.Kind)
		same(r, "test", m.Test, is.Test)
		same(r, "created_us", m.Created.UnixMicro(), is.Created.UnixMicro())
		for _, table := range m.numbers {
			r.fault(table+" number", "the rows are not numbered from 1 without a gap")
		}
		a.approvals(r, m, is)
		a.files(r, m, is)
		for i := range m.ways {
			w := &m.ways[i]
			a.sentWay(a.row("message %s to %s (transmission %d of message %d)", m.Name, w.To, w.number, m.Ordinal), m, is, w)
		}
		if want := len(is.To); m.Direction == Sent && len(m.ways) != want || m.Direction == Received && len(m.ways) != 1 {
			r.fault("transmissions", "there are %d", len(m.ways))
		}
		return r.err
	})
}

func (a *audit) approvals(r *row, m *auditedMessage, is *parcel.Manifest) {
	if int64(len(m.Approvals)) != is.Approvals {
		r.fault("approvals", "there are %d; the manifest announces %d", len(m.Approvals), is.Approvals)
	}
	for i, s := range m.Approvals {
		place := fmt.Sprintf("approval %d, document and signature", i+1)
		x, err := parcel.ParseApproval(s.Document)
		if err == nil && x.Manifest != m.Digest() {
			err = protocol.Refuse(protocol.WrongParcel, "it approves another manifest")
		}
		var key protocol.Digest
		if err == nil {
			key, err = a.history.VerifyAct(x.Authority, s, x.Created.Time, a.now)
		}
		if err == nil && key != x.Key {
			err = protocol.Refuse(protocol.WrongRole, "it is signed by another key than it names")
		}
		r.check(place, err)
	}
}

func (a *audit) files(r *row, m *auditedMessage, is *parcel.Manifest) {
	if len(m.Files) != len(is.Files) {
		r.fault("files", "there are %d; the manifest lists %d", len(m.Files), len(is.Files))
		return
	}
	for i := range is.Files {
		have, want := &m.Files[i], &is.Files[i]
		place := fmt.Sprintf("file %d, ", i+1)
		same(r, place+"path", have.Path, want.Path)
		same(r, place+"name", have.Name == want.Name, true) // the name itself is content
		same(r, place+"media_type", have.MediaType, want.MediaType)
		same(r, place+"size_bytes", have.Size, want.Size)
		same(r, place+"digest", have.Digest, want.Digest)
		same(r, place+"role", have.Role, want.Role)
		if (have.Pages == nil) != (want.Pages == nil) || have.Pages != nil && *have.Pages != *want.Pages {
			r.fault(place+"pages", "the manifest says otherwise")
		}
	}
}

// sentWay compares the way of a message to one recipient with its envelope.
func (a *audit) sentWay(r *row, m *auditedMessage, is *parcel.Manifest, w *auditedTransmission) {
	if !containsParty(is.To, w.To) {
		r.fault("recipient", "the manifest does not name it")
	}
	if (w.withdrawn != nil) != (len(w.Withdrawal.Document) > 0) || w.taken != nil && w.withdrawn == nil {
		r.fault("withdrawn_us and withdrawal_taken_us", "they stand beside a withdrawal, and only there")
	}
	if m.Direction == Received {
		answered := w.State == exchange.Acknowledged || w.State == exchange.Declined
		same(r, "acknowledged_us", w.acknowledged != nil, answered)
	}
	if len(w.Envelope.Document) == 0 {
		return // no gateway has taken it yet
	}
	e, err := a.history.VerifyEnvelope(w.Envelope, a.now)
	if !r.check("envelope and envelope_signature", err) {
		return
	}
	same(r, "recipient", w.To, e.To)
	same(r, "recipient_key", protocol.Digest(w.key), e.RecipientKey)
	same(r, "envelope", e.Manifest, m.Manifest.Ref())
	same(r, "message's sealed_digest", protocol.Digest(m.sealed), e.Sealed.Digest)
	same(r, "message's sealed_recipients", m.recipients, e.Sealed.Recipients)
	same(r, "message's sealed size", m.Sealed.Size, e.Sealed.Size)
	if len(w.Withdrawal.Document) > 0 {
		a.Withdrawals++
		d, err := a.history.VerifyWithdrawal(w.Withdrawal, a.now)
		if err == nil {
			err = d.About(e, w.Envelope.Ref())
		}
		r.check("withdrawal and withdrawal_signature", err)
	}
}

func containsParty(all []parcel.Party, id protocol.AuthorityID) bool {
	for _, p := range all {
		if p.Authority == id {
			return true
		}
	}
	return false
}
