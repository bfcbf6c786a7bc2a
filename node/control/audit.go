package control

import (
	"context"

	"comity/protocol"
	"comity/store"
)

// Audit says what an audit of a node went through and what it found wrong.
type Audit struct {
	// As is the one authority whose office was audited; absent: the node with all.
	As          protocol.AuthorityID `json:"as,omitempty"`
	Origin      string               `json:"log"`
	Leaves      int64                `json:"leaves"`
	Checkpoints int64                `json:"checkpoints"`
	Records     int64                `json:"records"`
	Directories int64                `json:"directories"` // versions of a federation's directory that were adopted
	// Transmissions are envelopes, sent and received; Evidence is that of the node
	// and of others, office copies included, Proofs those of others' logs.
	Transmissions int64 `json:"transmissions"`
	Evidence      int64 `json:"evidence"`
	Proofs        int64 `json:"proofs"`
	Withdrawals   int64 `json:"withdrawals"`
	PeerLogs      int64 `json:"peer_logs"`
	// Cosignatures are those of witnesses on the own log, Cosigned states of other
	// logs that this node cosigned, Followed those that it follows or has still to
	// compare, and Forks logs of others that forked: evidence, and no finding.
	Cosignatures int64 `json:"cosignatures"`
	Cosigned     int64 `json:"cosigned"`
	Followed     int64 `json:"followed"`
	Forks        int64 `json:"forks_of_others"`
	Bodies       int64 `json:"bodies"`
	// What rests on peers alone since the node lost a log: own evidence that names
	// that log, cosignatures of its states, and transmissions of which peers have
	// still to give the bytes, or to tell what became of them.
	Former             int64 `json:"evidence_of_lost_logs"`
	FormerCosignatures int64 `json:"cosignatures_of_lost_logs"`
	Waiting            int64 `json:"transmissions_to_restore"`
	// BodiesRead says that the digests of large bodies were computed again too.
	BodiesRead bool          `json:"bodies_read"`
	Offices    []OfficeAudit `json:"offices"`
	Findings   []Finding     `json:"findings"`
	// Older says that a peer has shown that this is an older copy of the node.
	Older bool `json:"older_copy"`
	// GaveUp says that there are more findings than are listed.
	GaveUp bool `json:"gave_up"`
}

// OfficeAudit is what was gone through in one office.
type OfficeAudit struct {
	Authority protocol.AuthorityID `json:"authority"`
	Journal   int64                `json:"journal"` // entries, each following from the one before
	Messages  int64                `json:"messages"`
	Evidence  int64                `json:"evidence"`
}

// Finding is one thing that is wrong: in whose store, where in it, and what.
type Finding struct {
	Store string `json:"store"` // gateway, or an authority
	Place string `json:"place"`
	What  string `json:"what"`
}

// AuditProgress says how far an audit is, in rows.
type AuditProgress struct {
	Store string `json:"store"`
	Done  int64  `json:"done"`
	Total int64  `json:"total"`
}

// auditRequest chooses what an audit reads.
type auditRequest struct {
	As     string `json:"as,omitempty"`     // the store of one office alone; empty: all, and the node's
	Bodies bool   `json:"bodies,omitempty"` // large sealed bodies too
}

// audit verifies the stores of gateway and offices, or of one office. What is wrong
// stands in the answer: the caller gets to see all of it.
func (s *Service) audit(ctx context.Context, in auditRequest, each func(AuditProgress)) (*Audit, error) {
	g := s.node.Gateway
	offices, err := s.offices(in.As)
	if err != nil {
		return nil, err
	}
	out := &Audit{Origin: g.OwnState().Record().Node.Log.Origin, BodiesRead: in.Bodies, Offices: []OfficeAudit{}, Findings: []Finding{}}
	options := func(name string) store.AuditOptions {
		return store.AuditOptions{
			Own: g.OwnState().Record().State, Checkpoint: g.OwnState().LogVerifier().Checkpoint, Bodies: in.Bodies,
			Each: func(done, total int64) { each(AuditProgress{name, done, total}) },
		}
	}
	if out.As, err = s.only(in.As); err != nil {
		return nil, err
	}
	if out.As == "" {
		if err := s.auditGateway(ctx, out, options("gateway")); err != nil {
			return nil, err
		}
	}
	records, err := g.Store.RecordHistory(ctx)
	if err != nil {
		return nil, err
	}
	if s.party != "" { // its officers can ask as often as they like
		leave, err := s.turns.enter(ctx, s.party)
		if err != nil {
			return nil, err
		}
		defer leave()
	}
	for _, o := range offices {
		id := o.Authority()
		r, err := o.Audit(ctx, records, options(string(id)))
		if err != nil {
			return nil, err
		}
		out.Offices = append(out.Offices, OfficeAudit{Authority: id, Journal: r.Journal, Messages: r.Messages, Evidence: r.Evidence})
		out.add(string(id), r)
	}
	return out, nil
}

// auditGateway verifies the node's own store.
func (s *Service) auditGateway(ctx context.Context, out *Audit, options store.AuditOptions) error {
	g := s.node.Gateway
	r, err := g.Store.Audit(ctx, options)
	if err != nil {
		return err
	}
	out.Leaves, out.Checkpoints, out.Records, out.Transmissions, out.PeerLogs = r.Log.Leaves, r.Log.Checkpoints, r.Records, r.Transmission, r.Peers
	out.Directories = r.Directories
	out.Cosignatures, out.Cosigned, out.Followed, out.Forks = r.Cosignatures, r.Cosigned, r.Followed, r.Forks
	out.Former, out.FormerCosignatures, out.Waiting = r.Former, r.FormerCosignatures, r.Waiting
	out.add("gateway", r)
	shown, err := g.Store.Shown(ctx)
	out.Older = len(shown) > 0
	return err
}

// add takes in what one store's audit said.
func (a *Audit) add(name string, r *store.AuditReport) {
	a.Evidence += r.Evidence
	a.Proofs += r.Proofs
	a.Withdrawals += r.Withdrawals
	a.Bodies += r.Bodies
	a.GaveUp = a.GaveUp || r.GaveUp
	for _, f := range r.Findings {
		a.Findings = append(a.Findings, Finding{name, f.Place, f.What})
	}
}

// Audit verifies everything that the node's stores hold or, with as, the store of
// that authority's office. Findings stand in the
// answer; an error means that the audit did not come to its end.
func (c *Client) Audit(ctx context.Context, as string, bodies bool, each func(AuditProgress) error) (*Audit, error) {
	return listen[AuditProgress, *Audit](ctx, c, "/v1/log/audit", auditRequest{as, bodies}, each)
}
