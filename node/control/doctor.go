package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"comity/node/gateway"
	"comity/protocol"
	"comity/store"
)

// Verdict is the outcome of one check.
type Verdict string

// The verdicts.
const (
	OK   Verdict = "ok"
	Warn Verdict = "warn" // works, and will not for ever
	Fail Verdict = "fail"
)

// Check is one line of the doctor's report.
type Check struct {
	Name    string  `json:"check"`
	Verdict Verdict `json:"verdict"`
	Finding string  `json:"finding"`
	Do      string  `json:"do,omitempty"` // what to do about it; empty when all is well
}

func good(name, finding string, args ...any) Check {
	return Check{Name: name, Verdict: OK, Finding: fmt.Sprintf(finding, args...)}
}

func warn(name, do, finding string, args ...any) Check {
	return Check{Name: name, Verdict: Warn, Finding: fmt.Sprintf(finding, args...), Do: do}
}

func bad(name, do, finding string, args ...any) Check {
	return Check{Name: name, Verdict: Fail, Finding: fmt.Sprintf(finding, args...), Do: do}
}

const (
	// soon is how long before its end a validity is worth a warning: time for
	// an offline ceremony and for all peers to fetch the new record.
	soon = 45 * 24 * time.Hour
	// clockWarning is a difference of clocks that people should look at; beyond
	// protocol.MaxSkew documents are refused.
	clockWarning = 30 * time.Second
	// quickLog is how long the doctor checks the log at most.
	quickLog = 20 * time.Second
	// databaseWait is how long the database may take for one row.
	databaseWait = 10 * time.Second
)

// doctorRequest names the peers that are probed afterwards. A probe asks them first, so
// it tells how they stand, which would be out of date here.
type doctorRequest struct {
	Probed []protocol.NodeID `json:"probed,omitempty"`
}

// doctor checks an open node.
func (s *Service) doctor(ctx context.Context, in doctorRequest, each func(Check)) (nothing, error) {
	if s.party != "" {
		s.checkLocked(each)
		each(good("office", "of %s, in the running node %s", s.party, s.node.Config.Node))
		return nothing{}, ctx.Err()
	}
	each(s.checkTogether())
	s.checkLocked(each)
	each(s.checkDatabase(ctx))
	each(s.checkLogQuickly(ctx))
	if s.running {
		each(good("node", "running on %s", s.node.Config.Listen))
	} else {
		each(warn("node", `start it with "comity serve"`, "not running: nothing is delivered or received"))
	}
	each(s.checkStanding())
	s.checkFormer(each)
	s.checkShares(ctx, each)
	s.checkPeers(ctx, func(p protocol.NodeID) bool { return !slices.Contains(in.Probed, p) }, each)
	s.checkDirectory(ctx, each)
	return nothing{}, ctx.Err()
}

// checkTogether says which of the two holds (SPEC.md, "Security notes", the
// first). Only one does so far: gateway and office run in one process.
func (s *Service) checkTogether() Check {
	return good("separation", "gateway and office run in one process: the node itself holds no key that opens a parcel, "+
		"but whoever controls this machine could read the office's")
}

// checkStanding says whether the node may sign: not by a clock that its peers
// hold for wrong, nor as an older copy of itself.
func (s *Service) checkStanding() Check {
	const name = "signing"
	now := s.node.Gateway.Standing()
	switch {
	case errors.Is(now.Refusal, gateway.ErrClock):
		return bad(name, "set the clock of this machine, or have the peers set theirs: the list of peers shows by how much they differ", "%v", now.Refusal)
	case now.Refusal != nil:
		return bad(name, cmp.Or(explain(now.Refusal).Hint, "see the log of the node"), "%v", now.Refusal)
	case !s.running:
		return good(name, "nothing known stands in the way; peers are asked when the node runs")
	case now.Waits:
		return warn(name, "wait for "+protocol.CompareWait.String()+" at most", "nothing is signed before a peer has said what it holds of this node's log")
	case now.Compared == 0:
		return warn(name, "nothing, unless this directory was restored from a backup: then stop the node until a peer can be reached",
			"no peer has said yet what it holds of this node's log")
	}
	return good(name, "no peer holds anything of this node's log that is not here (%d asked)", now.Compared)
}

// checkFormer tells who still knows this node by its TLS key from before alone.
func (s *Service) checkFormer(each func(Check)) {
	missing := s.node.Gateway.Uninformed()
	if !s.running || len(missing) == 0 {
		return
	}
	each(warn("TLS key", "nothing, if they come back soon; give the others your newest introduction: comity introduce",
		"the one before is still shown: %v have not taken record %d", missing, s.node.Gateway.OwnState().Record().Sequence))
}

// checkDatabase asks for one row.
func (s *Service) checkDatabase(ctx context.Context) Check {
	const name = "database"
	ctx, cancel := context.WithTimeout(ctx, databaseWait)
	defer cancel()
	_, err := s.node.Gateway.Store.Size(ctx)
	switch {
	case err == nil:
		return good(name, "%s", s.node.Config.Store)
	case errors.Is(err, store.ErrUnreachable):
		return bad(name, "start PostgreSQL, or see that it can be reached", "%v", err)
	}
	return bad(name, cmp.Or(explain(err).Hint, "see the log of the node"), "%v", err)
}

// checkPeers tells how the peers stand that are wanted.
func (s *Service) checkPeers(ctx context.Context, wanted func(protocol.NodeID) bool, each func(Check)) {
	peers, err := s.peers(ctx, nothing{})
	switch {
	case err != nil:
		each(warn("peers", "run this again when the database is in order", "cannot be listed"))
	case len(peers.Peers) == 0:
		each(warn("peers", `exchange introductions: "comity introduce", then "comity peer pin FILE"`, "none is pinned"))
	default:
		for _, p := range peers.Peers {
			if wanted(p.Node) {
				each(s.checkPeer(p))
				s.checkWitness(p, each)
			}
		}
	}
}

func (s *Service) checkPeer(p Peer) Check {
	name := "peer " + string(p.Node)
	until := p.Until.Format(time.DateOnly)
	switch now := s.now(); {
	case !now.Before(p.Until.Time):
		return bad(name, `ask them for a new introduction and pin it with "comity peer pin FILE"`, "its record %d ended on %s", p.Record, until)
	case now.Add(soon).After(p.Until.Time):
		return warn(name, "ask them to renew it: comity key renew", "its record %d ends on %s", p.Record, until)
	case p.Reachable != nil && !*p.Reachable && p.LastError != "":
		return s.cutOff(name, p)
	case time.Duration(p.Skew).Abs()*time.Millisecond > clockWarning:
		return warn(name, "see which clock is wrong: beyond "+protocol.MaxSkew.String()+" parcels are refused", "its clock differs by %s", time.Duration(p.Skew)*time.Millisecond)
	}
	if !p.RestUntil.IsZero() {
		return warn(name, "ask its operator, should it go on for long", "it asks to wait: %s; parcels that wait for it: %d, tried next at %s", p.RestWhy, p.Waiting, p.RestUntil)
	}
	if p.Refused >= protocol.MaxFaults {
		return warn(name, "call its operator: its program is broken, or somebody has its keys",
			"%d of its requests were refused since this node started, %d were asked to come back later", p.Refused, p.Limited)
	}
	if p.Transport == gateway.TCP {
		return warn(name, detourHint, "record %d, valid until %s; called over TCP, because UDP does not pass", p.Record, until)
	}
	return good(name, "record %d, valid until %s", p.Record, until)
}

// detourHint is what to do about a peer that is called over TCP: it works, but
// not as well.
const detourHint = "let UDP pass to its port and back; QUIC is tried again every few minutes, and by \"comity peer ping\""

// cutOff is a peer that cannot be reached, with what waits for it.
func (s *Service) cutOff(name string, p Peer) Check {
	since, do := "this node started", "see that the other node runs, that its address is right, and that UDP or TCP to its port passes the firewalls"
	if !p.Contact.IsZero() {
		since = p.Contact.UTC().Format("2006-01-02 15:04:05") + " UTC"
	}
	switch {
	case p.LastError == s.node.Gateway.Refusal(p.Node):
		do = s.askToPin()
	case p.unknown:
		do = s.lookForNewer(p.Record)
	case p.busy:
		do = "ask its operator, should it go on for long"
	}
	wait := ""
	if p.Waiting > 0 {
		wait = fmt.Sprintf("; parcels that wait for it: %d", p.Waiting)
	}
	return warn(name, do, "not reachable since %s: %s%s", since, p.LastError, wait)
}

// Doctor checks the open node and sends a test parcel to each peer named. each
// gets every finding as it is made.
func (c *Client) Doctor(ctx context.Context, as string, peers []protocol.NodeID, each func(Check) error) error {
	if _, err := listen[Check, nothing](ctx, c, "/v1/doctor", doctorRequest{Probed: peers}, each); err != nil {
		return err
	}
	for _, peer := range peers {
		if err := c.probe(ctx, as, peer, each); err != nil {
			return err
		}
	}
	return nil
}
