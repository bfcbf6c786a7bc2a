package control

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"comity/node/office"
	"comity/node/operate"
	"comity/protocol"
	"comity/protocol/era"
	"comity/protocol/evidence"
	"comity/store"
)

// Times after which a delivery is late, as e-CODEX warns and gives up; this node
// goes on until the parcel's term ends.
const (
	lateAfter     = time.Hour
	veryLateAfter = 12 * time.Hour
)

// maxExceptions is how many rows one section of the report has.
const maxExceptions = store.MaxPage

// exceptionsRequest names a period and, perhaps, one authority.
type exceptionsRequest struct {
	As    string        `json:"as,omitempty"`
	From  protocol.Time `json:"from"`
	Until protocol.Time `json:"until"`
}

// exceptionsRead gathers the report section by section.
type exceptionsRead struct {
	*Exceptions
	period store.Period
	only   protocol.AuthorityID // empty: all
}

func (s *Service) exceptions(ctx context.Context, in exceptionsRequest) (*Exceptions, error) {
	offices, err := s.offices(in.As)
	if err != nil {
		return nil, err
	}
	if !in.Until.After(in.From.Time) {
		return nil, fail(Usage, "name its first day before its last one", "the period ends before it begins")
	}
	now := s.now()
	r := &exceptionsRead{
		Exceptions: &Exceptions{
			Node: s.node.Config.Node, From: in.From, Until: in.Until, Made: protocol.At(now),
			Unacknowledged: []Unacknowledged{}, Overdue: []Overdue{}, Negative: []Refused{}, Resent: []Resent{},
			Clocks: []ClockDrift{}, WitnessGaps: []WitnessGap{}, Forks: []ForkedLog{}, Records: []KeyChange{}, Acts: []NodeAct{}, Offices: []OfficeReport{},
		},
		period: store.Period{From: in.From.Time, Until: in.Until.Time},
	}
	if now.Before(r.period.Until) { // what is not over yet is not late yet
		r.period.Until = now
	}
	if r.only, err = s.only(in.As); err != nil {
		return nil, err
	}
	r.As = r.only
	gateway := s.node.Gateway.Store
	for _, read := range []func(context.Context, *store.Gateway) error{r.unacknowledged, r.overdue, r.negative, r.resent, r.clocks, r.gaps, r.forks, r.records, r.acts} {
		if err := read(ctx, gateway); err != nil {
			return nil, err
		}
	}
	for _, o := range offices {
		if err := r.office(ctx, o); err != nil {
			return nil, err
		}
	}
	return r.Exceptions, nil
}

// cut notes that a section has more than is shown.
func (r *exceptionsRead) cut(section string, more bool) {
	if more && !slices.Contains(r.Cut, section) {
		r.Cut = append(r.Cut, section)
	}
}

func (r *exceptionsRead) unacknowledged(ctx context.Context, g *store.Gateway) error {
	list, more, err := g.Unanswered(ctx, r.period, r.only, maxExceptions)
	r.cut("unacknowledged", more)
	for _, u := range list {
		direction := store.Received
		if u.Sent {
			direction = store.Sent
		}
		r.Unacknowledged = append(r.Unacknowledged, Unacknowledged{
			Way: wayOf(u.Key), Direction: string(direction), Delivered: stamp(u.Delivered), Opened: stamp(u.Opened), Answered: stamp(u.Answered),
		})
	}
	return err
}

func (r *exceptionsRead) overdue(ctx context.Context, g *store.Gateway) error {
	for _, limit := range []time.Duration{veryLateAfter, lateAfter} {
		list, more, err := g.Slow(ctx, r.period, r.only, limit, maxExceptions)
		if err != nil {
			return err
		}
		r.cut("overdue", more)
		for _, l := range list {
			r.Overdue = append(r.Overdue, Overdue{
				Way: wayOf(l.Key), Peer: l.Peer, Limit: fmt.Sprintf("%.0fh", limit.Hours()), Queued: stamp(l.Stored), Expires: stamp(l.Expires),
				Answered: stamp(l.Answered), State: l.State,
			})
		}
	}
	return nil
}

func (r *exceptionsRead) negative(ctx context.Context, g *store.Gateway) error {
	list, more, err := g.Negative(ctx, r.period, r.only, maxExceptions)
	r.cut("refused_or_failed", more)
	for _, n := range list {
		e, err := evidence.Parse(n.Signed.Document)
		if err != nil {
			return fmt.Errorf("%w: evidence %s of %s: %w", store.ErrIntegrity, n.Event, n.Key, err)
		}
		r.Negative = append(r.Negative, Refused{
			Way: wayOf(n.Key), Event: n.Event, At: stamp(n.Stored), Issuer: e.Issuer.Name, Reason: Reason{Code: e.Reason.Code, Text: e.Reason.Text},
		})
	}
	return err
}

func (r *exceptionsRead) resent(ctx context.Context, g *store.Gateway) error {
	list, more, err := g.Resent(ctx, r.period, r.only, maxExceptions)
	r.cut("resent", more)
	for _, l := range list {
		r.Resent = append(r.Resent, Resent{
			Way: wayOf(l.Key), Peer: l.Peer, Queued: stamp(l.Stored), Failures: l.Failures, Breaks: l.Breaks, LastError: l.LastError, LastAt: stamp(l.LastErrorAt),
		})
	}
	return err
}

func (r *exceptionsRead) clocks(ctx context.Context, g *store.Gateway) error {
	list, more, err := g.Clocks(ctx, r.period, protocol.MaxSkew, maxExceptions)
	r.cut("clock_drift", more)
	for _, c := range list {
		r.Clocks = append(r.Clocks, ClockDrift{
			Peer: c.Node, Day: c.Day.Format(time.DateOnly), Least: c.Least.Milliseconds(), Most: c.Most.Milliseconds(), Last: c.Last.Milliseconds(), Noted: stamp(c.Noted),
		})
	}
	return err
}

func (r *exceptionsRead) gaps(ctx context.Context, g *store.Gateway) error {
	list, more, err := g.Gaps(ctx, r.period, protocol.MaxUnwitnessed, maxExceptions)
	r.cut("witness_gaps", more)
	for _, w := range list {
		r.WitnessGaps = append(r.WitnessGaps, WitnessGap{Witness: w.Witness, After: w.After, Since: stamp(w.Since), Until: stamp(w.Until), Size: w.Size})
	}
	return err
}

func (r *exceptionsRead) forks(ctx context.Context, g *store.Gateway) error {
	list, more, err := g.Forks(ctx, r.period, maxExceptions)
	r.cut("forked_logs", more)
	for _, f := range list {
		r.Forks = append(r.Forks, ForkedLog{Node: f.Node, Origin: f.Origin, Size: f.Size, OtherSize: f.OtherSize, Found: stamp(f.Found)})
	}
	return err
}

func (r *exceptionsRead) records(ctx context.Context, g *store.Gateway) error {
	list, more, err := g.RecordsOf(ctx, r.period, maxExceptions)
	r.cut("records_adopted", more)
	for _, a := range list {
		changes, err := changesOf(a, r.only)
		if err != nil {
			return err
		}
		if len(changes) == 0 {
			continue
		}
		r.Records = append(r.Records, KeyChange{
			State: a.State, Sequence: a.Sequence, Own: a.Own, Confirmed: a.Pinned, Listed: !a.Own && !a.Pinned && len(a.Before.Document) == 0, Digest: a.Signed.Digest(), Adopted: stamp(a.Adopted), Changes: changes,
		})
	}
	return err
}

func (r *exceptionsRead) acts(ctx context.Context, g *store.Gateway) error {
	list, more, err := g.Acts(ctx, r.period, maxExceptions)
	r.cut("administrative_acts", more)
	for _, a := range list {
		if !concerns(a, r.only) {
			continue
		}
		r.Acts = append(r.Acts, NodeAct{At: stamp(a.At), Kind: a.Kind, Subject: a.Subject, Detail: a.Detail})
	}
	if err != nil {
		return err
	}
	return r.eras(ctx, g)
}

// concerns reports whether an act on the node may stand in the report of one
// authority: not what tells of a parcel, or of the keys, of another one.
func concerns(a store.Act, only protocol.AuthorityID) bool {
	switch {
	case only == "":
		return true
	case a.Kind == store.ActDisclose:
		return strings.HasPrefix(a.Detail, "from "+string(only)+" to ") || strings.Contains(a.Detail, " to "+string(only)+": ")
	case a.Kind == store.ActProtect || a.Kind == store.ActUnprotect:
		return slices.Contains([]string{
			operate.NodeHolder.Of(), operate.OfflineHolder.Of(), operate.OfficeHolder(only).Of(), operate.ActHolder(only).Of(),
		}, a.Subject)
	}
	return true
}

// eras are acts too: by whoever restored the node, with the state's offline key.
func (r *exceptionsRead) eras(ctx context.Context, g *store.Gateway) error {
	list, more, err := g.ErasOf(ctx, r.period, maxExceptions)
	r.cut("administrative_acts", more)
	for _, e := range list {
		s, err := era.Parse(e.Statement.Document)
		if err != nil {
			return fmt.Errorf("%w: the statement of an era: %w", store.ErrIntegrity, err)
		}
		var by []string
		for _, shown := range s.Shown {
			by = append(by, string(shown.Node))
		}
		why := "with new keys"
		switch {
		case len(by) > 0:
			why = "of which a later state was shown by " + strings.Join(by, ", ")
		case e.ShownBy != "":
			why = "after a loss: " + string(e.ShownBy) + " has shown what was not here"
		}
		r.Acts = append(r.Acts, NodeAct{
			At: stamp(e.Begun), Kind: store.ActNewEra, Subject: "node " + string(s.Node), Detail: fmt.Sprintf("%s follows %s, %s", s.Log, s.Previous, why),
		})
	}
	slices.SortStableFunc(r.Acts, func(a, b NodeAct) int { return a.At.Compare(b.At.Time) })
	return err
}

// office reads one office's journal of the period, page by page.
func (r *exceptionsRead) office(ctx context.Context, o *office.Office) error {
	report := OfficeReport{Authority: o.Authority(), Acts: []OfficeAct{}, Ordinary: map[office.Act]int64{}, Contested: []Contested{}}
	for after := int64(0); ; {
		entries, err := o.JournalOf(ctx, r.period, after, store.MaxPage)
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			break
		}
		acts, err := officeActs(ctx, o, entries)
		if err != nil {
			return err
		}
		for _, one := range acts {
			act, ordinary := one.OfficeAct, one.ordinary
			switch {
			case ordinary:
				report.Ordinary[act.Act]++
			case len(report.Acts) < maxExceptions:
				report.Acts = append(report.Acts, act)
			default:
				r.cut("acts of "+string(o.Authority()), true)
			}
		}
		after = entries[len(entries)-1].Sequence
	}
	list, more, err := o.ContestedOf(ctx, r.period, maxExceptions)
	r.cut("contested of "+string(o.Authority()), more)
	for _, c := range list {
		report.Contested = append(report.Contested, Contested{
			Parcel: c.Name.Parcel, From: c.Name.From, Case: c.Case, Sequence: c.Sequence, Digest: c.Manifest.Digest(), At: stamp(c.Stored),
		})
	}
	r.Offices = append(r.Offices, report)
	return err
}

// journalled is an act of the journal, and whether it is an ordinary one.
type journalled struct {
	OfficeAct
	ordinary bool
}

// officeActs are the acts of some entries. Those about test parcels are left out
// (R-XCH-5).
func officeActs(ctx context.Context, o *office.Office, entries []store.JournalEntry) (acts []journalled, err error) {
	var names []store.Name
	for _, e := range entries {
		act, ordinary, err := officeAct(e)
		if err != nil {
			return nil, fmt.Errorf("%w: journal entry %d of %s: %w", store.ErrIntegrity, e.Sequence, o.Authority(), err)
		}
		acts = append(acts, journalled{act, ordinary})
		names = append(names, store.Name{From: act.From, Parcel: act.Parcel})
	}
	tests, err := o.Among(ctx, names)
	return slices.DeleteFunc(acts, func(a journalled) bool { return tests[store.Name{From: a.From, Parcel: a.Parcel}] }), err
}

// officeAct is the view of one entry. The ordinary ones are only counted.
func officeAct(e store.JournalEntry) (act OfficeAct, ordinary bool, err error) {
	parsed, err := office.ParseEntry(e.Entry)
	if err != nil {
		return act, false, err
	}
	act = OfficeAct{Sequence: e.Sequence, At: stamp(e.At), Act: parsed.Act, Parcel: parsed.Parcel, From: parsed.From}
	switch {
	case parsed.Place != nil:
		act.Detail = *parsed.Place
	case parsed.Reason != nil:
		act.Detail = fmt.Sprintf("%s: %s", parsed.Reason.Code, parsed.Reason.Text)
	case parsed.To != nil:
		act.Detail = string(*parsed.To)
	}
	ordinary = slices.Contains([]office.Act{office.ActSend, office.ActTakeIn, office.ActOpen, office.ActAcknowledge}, parsed.Act)
	return act, ordinary, nil
}

// Exceptions reports what did not go as it should in a period: from is in it,
// until is not. as limits it to one authority of the node; empty: all.
func (c *Client) Exceptions(ctx context.Context, as string, from, until time.Time) (*Exceptions, error) {
	return call[*Exceptions](ctx, c, "/v1/report/exceptions", exceptionsRequest{As: as, From: protocol.At(from), Until: protocol.At(until)})
}
