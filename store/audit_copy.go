package store

import (
	"context"

	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/parcel"
)

type auditedCopy struct {
	auditedEvidence
	own   bool
	state *exchange.State
}

const auditCopies = `SELECT e.ordinal, e.sender, e.parcel, e.recipient, e.event, e.document, e.signature, e.proof, e.event_us, e.own, r.envelope, r.envelope_signature, r.state
FROM evidence e LEFT JOIN message m ON m.sender = e.sender AND m.parcel = e.parcel
LEFT JOIN transmission r ON r.message = m.ordinal AND r.recipient = e.recipient WHERE e.ordinal > $1 ORDER BY e.ordinal LIMIT $2`

// copies verifies the office's copies of evidence.
func (a *audit) copies(ctx context.Context, v *vault, self protocol.AuthorityID) error {
	return pages(ctx, a, v, func(ctx context.Context, t *tx, after *auditedCopy) ([]auditedCopy, error) {
		from := past(after, func(last *auditedCopy) int64 { return last.ordinal })
		return collect(ctx, t, func(scan func(...any) error) (e auditedCopy, err error) {
			return e, scan(&e.ordinal, &e.key.From, &e.key.Parcel, &e.key.To, &e.event, &e.packet.Document, &e.packet.Signature, &e.packet.Proof, &e.time, &e.own,
				&e.about.Document, &e.about.Signature, &e.state)
		}, auditCopies, from, checkPage)
	}, func(e *auditedCopy) error {
		r := a.row("%s of %s (evidence %d)", e.event, e.key, e.ordinal)
		is := a.attested(r, e.key, e.event, e.packet, e.time)
		if is == nil {
			return r.err
		}
		same(r, "own", e.own, is.Event.Rule().Role != evidence.Node && is.To == self)
		if !e.own && e.packet.Proof == nil {
			r.fault("proof", "it is missing")
		}
		if e.state != nil && e.state.After(is.Event) != *e.state {
			r.fault("transmission's state", "it is %s, before what this evidence says", *e.state)
		}
		if len(e.about.Document) > 0 {
			if env, err := envelope.Parse(e.about.Document); err == nil {
				r.check("document", is.About(env, e.about.Ref()))
			}
		}
		return r.err
	})
}

type auditedContest struct {
	ordinal int64
	digest  protocol.Digest
	Contested
}

// contested verifies the manifests that lost.
func (a *audit) contested(ctx context.Context, v *vault) error {
	return pages(ctx, a, v, func(ctx context.Context, t *tx, after *auditedContest) ([]auditedContest, error) {
		from := past(after, func(last *auditedContest) int64 { return last.ordinal })
		return collect(ctx, t, func(scan func(...any) error) (c auditedContest, err error) {
			return c, scan(&c.ordinal, (*digest)(&c.digest), &c.Name.From, &c.Name.Parcel, &c.Case, &c.Sequence, &c.Manifest.Document, &c.Manifest.Signature)
		}, `SELECT ordinal, digest, sender, parcel, case_id, sequence, manifest, manifest_signature FROM contested WHERE ordinal > $1 ORDER BY ordinal LIMIT $2`, from, 16)
	}, func(c *auditedContest) error {
		r := a.row("contested manifest of %s (contested %d)", c.Name, c.ordinal)
		is, err := parcel.ParseManifest(c.Manifest.Document)
		if err == nil {
			_, err = a.history.VerifyAct(is.From.Authority, c.Manifest, is.Created.Time, a.now)
		}
		if !r.check("manifest and manifest_signature", err) {
			return r.err
		}
		same(r, "digest", c.digest, c.Manifest.Digest())
		same(r, "sender", c.Name.From, is.From.Authority)
		same(r, "parcel", c.Name.Parcel, is.Parcel)
		same(r, "case_id", c.Case, is.Case)
		same(r, "sequence", c.Sequence, is.Sequence)
		return r.err
	})
}
