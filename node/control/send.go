package control

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"comity/node/office"
	"comity/node/operate"
	"comity/protocol"
	"comity/protocol/exchange"
	"comity/protocol/parcel"
)

// Draft is a message to be sent. Paths are read by the process of the node, so
// they must be absolute.
type Draft struct {
	// As is the sending authority; empty when the node has one office.
	As       string                 `json:"as,omitempty"`
	To       []protocol.AuthorityID `json:"to"`
	Kind     parcel.Kind            `json:"kind"`
	Case     protocol.CaseID        `json:"case,omitempty"` // empty: a new case
	Priority protocol.Priority      `json:"priority,omitempty"`
	Test     bool                   `json:"test,omitempty"`
	// Lifetime is how long delivery is tried, in seconds; 0: the protocol's default.
	Lifetime int64    `json:"lifetime_s,omitempty"`
	Files    []Source `json:"files"`
	// Passphrase opens the act key for this one message; Send fills it in.
	Passphrase operate.Given `json:"passphrase,omitzero"`
}

// Source is one file to attach. Empty members are filled in by the office.
type Source struct {
	Path      string          `json:"path"`
	Name      string          `json:"name,omitempty"`
	MediaType string          `json:"media_type,omitempty"`
	Role      parcel.FileRole `json:"role,omitempty"`
}

// Progress tells how far a stage of long work is, in bytes.
type Progress struct {
	Stage string `json:"stage"` // hash, seal
	Done  int64  `json:"done"`
	Total int64  `json:"total"`
}

// Sent is a message that is stored for good and queued.
type Sent struct {
	Parcel  protocol.ParcelID      `json:"parcel"`
	From    protocol.AuthorityID   `json:"from"`
	To      []protocol.AuthorityID `json:"to"`
	Case    protocol.CaseID        `json:"case"`
	Message protocol.Digest        `json:"message"`
	Bytes   int64                  `json:"sealed_bytes"`
	// Running is false when no node runs: delivery then begins with "comity serve".
	Running bool `json:"running"`
	// Delayed says why the gateway could not take it yet; it will be asked again.
	Delayed string `json:"delayed,omitempty"`
}

// progressPause is the shortest time between two lines about progress.
const progressPause = 100 * time.Millisecond

func (s *Service) send(ctx context.Context, d Draft, each func(Progress)) (*Sent, error) {
	return s.sendFiles(ctx, d, sourcesOf(d.Files), each)
}

// sendHanded is send for an officer, whose files came with the request.
func (s *Service) sendHanded(ctx context.Context, d Draft, each func(Progress)) (*Sent, error) {
	files := sourcesOf(d.Files)
	release, err := claimed(ctx, files)
	if err != nil {
		return nil, err
	}
	defer release()
	return s.sendFiles(ctx, d, files, each)
}

func sourcesOf(files []Source) []office.Source {
	all := make([]office.Source, len(files))
	for i, f := range files {
		all[i] = office.Source{Path: f.Path, Name: f.Name, MediaType: f.MediaType, Role: f.Role}
	}
	return all
}

func (s *Service) sendFiles(ctx context.Context, d Draft, files []office.Source, each func(Progress)) (*Sent, error) {
	o, err := s.office(d.As)
	if err != nil {
		return nil, err
	}
	if o, err = s.acting(ctx, o, d.Passphrase); err != nil {
		return nil, err
	}
	leave, err := s.turns.enter(ctx, o.Authority())
	if err != nil {
		return nil, err
	}
	defer leave()
	draft := office.Draft{
		To: d.To, Kind: d.Kind, Case: d.Case, Priority: d.Priority, Test: d.Test, Lifetime: time.Duration(d.Lifetime) * time.Second,
		Files: files,
	}
	done, err := o.Send(ctx, draft, sparingly(each))
	if done == nil {
		return nil, s.withRecipients(ctx, d.To, err)
	}
	sent := &Sent{
		Parcel: done.Name.Parcel, From: done.Name.From, To: d.To, Case: done.Case, Message: done.Message, Bytes: done.Size, Running: s.running,
	}
	if errors.Is(err, office.ErrNotTaken) {
		sent.Delayed = err.Error()
	} else if err != nil {
		return nil, err
	}
	return sent, nil
}

// withRecipients adds to the refusal of an unknown recipient whom its state lists or,
// where no record of that state is here, why not, and where else to look.
func (s *Service) withRecipients(ctx context.Context, to []protocol.AuthorityID, err error) error {
	if protocol.CodeOf(err) != protocol.UnknownRecipient {
		return err
	}
	for _, id := range to {
		state, known := s.node.Gateway.State(id.State())
		if !known {
			return s.unknownState(ctx, id, err)
		}
		if _, listed := state.Authority(id); listed {
			continue
		}
		var names []string
		for _, m := range state.Members() {
			names = append(names, string(m.ID()))
		}
		return fail(Code(protocol.UnknownRecipient), fmt.Sprintf("state %s lists: %s", id.State(), strings.Join(names, ", ")), "%s", plainly(err))
	}
	return err
}

// unknownState says what this node has of a recipient without a record: a listing that
// was imported, with the channel to reach it by, or a directory that does not list the
// state.
func (s *Service) unknownState(ctx context.Context, id protocol.AuthorityID, err error) error {
	const code = Code(protocol.UnknownRecipient)
	imported, trouble := s.imported(ctx)
	if trouble != nil {
		return errors.Join(err, trouble)
	}
	if _, listed := imported[id]; listed {
		return fail(code, fmt.Sprintf(`"comity directory show %s" shows on which channel it is reached`, id),
			"recipient %s: it is not on the network; only an imported listing of it is here", id)
	}
	find := fmt.Sprintf(`"comity directory find --state %s" shows whether another channel is known`, id.State())
	switch version, record := s.node.Federation.Lists(id.State()); {
	case version > 0 && record > 0:
		return fail(code, `"comity directory status" says why it was not adopted`,
			"recipient %s: version %d of the directory lists record %d of state %s, and this node has not adopted it", id, version, record, id.State())
	case version > 0:
		return fail(code, find+`; "comity directory refresh" asks for a newer version, and "comity peer pin FILE" pins the state by its introduction`,
			"recipient %s: version %d of the directory does not list state %s, and no record of it has been pinned", id, version, id.State())
	}
	return fail(code, find+`; a new state is pinned with "comity peer pin FILE"`, "%s", plainly(err))
}

// sparingly passes on the beginning and the end of each stage, and between them
// only what people can follow.
func sparingly(each func(Progress)) office.Progress {
	var stage string
	var last time.Time
	return func(now string, done, total int64) {
		if now == stage && done < total && time.Since(last) < progressPause {
			return
		}
		stage, last = now, time.Now()
		each(Progress{Stage: now, Done: done, Total: total})
	}
}

// Send sends a message and returns once it is signed, sealed, stored and
// queued; Follow waits for what becomes of it. each may be nil.
func (c *Client) Send(ctx context.Context, d Draft, each func(Progress) error) (*Sent, error) {
	var sent *Sent
	officers, err := c.officers(ctx)
	if err != nil {
		return nil, err
	}
	if officers {
		files, err := openSources(d.Files)
		if err != nil {
			return nil, err
		}
		defer closeAll(files)
		c = c.handing(files)
	}
	err = c.acting(func(given operate.Given) (err error) {
		d.Passphrase = given
		sent, err = listen[Progress, *Sent](ctx, c, "/v1/send", d, each)
		return err
	})
	return sent, err
}

// followRequest asks for the evidence about a parcel.
type followRequest struct {
	As     string `json:"as,omitempty"`
	Parcel string `json:"parcel"`
	// Until is the status to wait for; empty: everything that is there now.
	Until exchange.Status `json:"until,omitempty"`
}

// Outcome says where a parcel stands at the end of Follow.
type Outcome struct {
	Parcel protocol.ParcelID `json:"parcel"`
	// Reached says that every transmission got as far as was asked for.
	Reached       bool           `json:"reached"`
	Transmissions []Transmission `json:"transmissions"`
}

// follow tells all evidence about a parcel, the stored first, then each as it
// comes, until every transmission has reached the status or cannot any more.
func (s *Service) follow(ctx context.Context, in followRequest, each func(Evidence)) (*Outcome, error) {
	switch in.Until {
	case "", exchange.StatusTransmitted, exchange.StatusDelivered, exchange.StatusAcknowledged:
	default:
		return nil, fail(Usage, "", "cannot wait for %q: want transmitted, delivered or acknowledged", in.Until)
	}
	f, err := s.find(ctx, in.As, in.Parcel)
	if err != nil {
		return nil, err
	}
	var p *Parcel
	if f.whole {
		p, err = s.wholeView(ctx, f.message)
	} else {
		p, err = s.full(ctx, f)
	}
	if err != nil {
		return nil, err
	}
	told := map[protocol.Digest]bool{}
	for {
		changed := s.node.Gateway.Changed()
		// Whatever the office alone had is told by now: what comes, comes to the
		// gateway, which is asked often when the node is busy.
		for i := range p.Transmissions {
			if err := s.refresh(ctx, p, &p.Transmissions[i], f.message.Expires); err != nil {
				return nil, err
			}
		}
		out := &Outcome{Parcel: p.Parcel, Reached: true, Transmissions: p.Transmissions}
		waiting := false
		for _, t := range p.Transmissions {
			for _, e := range t.Evidence {
				if !told[e.Digest] {
					told[e.Digest] = true
					each(e)
				}
			}
			reached, over := progressOf(t.Evidence, in.Until)
			out.Reached = out.Reached && reached
			waiting = waiting || !reached && !over
		}
		if in.Until == "" || !waiting {
			return out, nil
		}
		if !s.running {
			return nil, notRunning(fmt.Sprintf("parcel %s cannot become %s", p.Parcel, in.Until))
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// refresh adds the evidence that has come to the gateway since. The parcel expires then.
func (s *Service) refresh(ctx context.Context, p *Parcel, t *Transmission, expires time.Time) error {
	all, err := s.node.Gateway.Evidence(ctx, protocol.Key{From: p.From, Parcel: p.Parcel, To: t.To})
	if err != nil {
		return err
	}
	known := map[protocol.Digest]int{}
	for i, e := range t.Evidence {
		known[e.Digest] = i
	}
	for _, a := range all {
		view := evidenceView(a)
		if i, ok := known[view.Digest]; ok {
			t.Evidence[i] = view // its proof may have come
			continue
		}
		t.Evidence = append(t.Evidence, view)
	}
	said := make([]exchange.Said, len(t.Evidence))
	for i, e := range t.Evidence {
		if said[i].Event, said[i].Time = e.Event, e.Time.Time; e.Reason != nil {
			said[i].Reason = e.Reason.Code
		}
	}
	if t.Status = exchange.StatusFrom(said, expires, !t.Withdrawn.IsZero()); t.Status != exchange.StatusWithdrawing {
		t.Expires = protocol.Time{}
	}
	return nil
}

// Follow calls each for all evidence about a parcel, the stored first, then
// what comes, until every transmission has the status until (transmitted,
// delivered or acknowledged), or can no longer get it. An empty until returns at
// once. It waits as long as ctx allows.
func (c *Client) Follow(ctx context.Context, as, parcel string, until exchange.Status, each func(Evidence) error) (*Outcome, error) {
	return listen[Evidence, *Outcome](ctx, c, "/v1/follow", followRequest{As: as, Parcel: parcel, Until: until}, each)
}
