package control

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"comity/node/gateway"
	"comity/protocol"
)

type pingRequest struct {
	Node protocol.NodeID `json:"node"`
}

// Pong is what a peer answered.
type Pong struct {
	Node protocol.NodeID `json:"node"`
	Trip int64           `json:"round_trip_us"`
	// Skew is the peer's clock minus ours, in milliseconds.
	Skew      int64             `json:"clock_skew_ms"`
	Transport gateway.Transport `json:"transport"` // quic, or tcp where UDP does not pass
	Record    int64             `json:"record"`    // number of its newest record, now known here
}

func (s *Service) ping(ctx context.Context, in pingRequest) (*Pong, error) {
	state, ok := s.node.Gateway.State(in.Node.State())
	if !ok || state.Record().Node.ID != in.Node {
		return nil, fail(NotPinned, `"comity peer list" shows the pinned ones; pin this one with "comity peer pin FILE"`, "peer %q has no pinned record", in.Node)
	}
	if !s.running {
		return nil, notRunning("nothing can be reached")
	}
	pong, err := s.node.Gateway.Ping(ctx, in.Node)
	if err != nil {
		return nil, s.unreachable(in.Node, err)
	}
	if state, ok = s.node.Gateway.State(in.Node.State()); !ok {
		return nil, errors.New("the peer's record has gone")
	}
	return &Pong{
		Node: in.Node, Trip: pong.Trip.Microseconds(), Skew: pong.Skew.Milliseconds(), Transport: pong.Over,
		Record: state.Record().Sequence,
	}, nil
}

func notRunning(what string) *Error {
	return fail(NotRunning, `start it with "comity serve" and try again`, "the node is not running, so %s", what)
}

// unreachable says why a peer was not reached, and who can mend it: only the
// other side, when it answers, and does not know this node or is in trouble.
func (s *Service) unreachable(node protocol.NodeID, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	if gateway.Refused(err) {
		return fail(Unreachable, s.askToPin(), "%s", s.node.Gateway.Refusal(node))
	}
	if state, ok := s.node.Gateway.State(node.State()); ok && gateway.Unknown(err) {
		held := state.Record().Sequence
		return fail(Unreachable, s.lookForNewer(held), "%s shows a TLS key that is not in its record %d, which is held here", node, held)
	}
	if words, ok := gateway.AsksToWait(err); ok {
		return fail(Unreachable, "ask its operator, should it go on for long", "%s runs, but asks to come back later: %s", node, words)
	}
	return fail(Unreachable, "see that the other node runs, that its address in its record is right, and that UDP or TCP to its port passes the firewalls",
		"peer %s does not answer: %s", node, strings.ReplaceAll(err.Error(), "\n", "; "))
}

// askToPin says what lets a peer know this node that refuses it.
func (s *Service) askToPin() string {
	ask := fmt.Sprintf(`ask them to type: comity peer pin %s.json`, s.node.Config.Node)
	switch version, listed := s.node.Federation.Lists(s.node.Config.Node.State()); {
	case version > 0 && listed == 0:
		ask += fmt.Sprintf(`; or hand the introduction to the registrar ("comity introduce -o FILE"), as version %d of the directory does not list this state`, version)
	case version > 0:
		ask += "; or, where they follow the federation: comity directory refresh"
	}
	return ask
}

// lookForNewer says how a newer record comes here than that one, whose TLS keys its node
// does not show. Where a federation is followed its mirrors are asked soon anyway.
func (s *Service) lookForNewer(held int64) string {
	directory := ""
	if s.node.Federation.Standing().Joined {
		directory = `"comity directory refresh", or `
	}
	return fmt.Sprintf(`its keys changed since record %d, which is held here: %spin its newest introduction with "comity peer pin FILE"; if there is no newer record, somebody else answers at its address`,
		held, directory)
}

// Ping asks a peer whether it is there. NotRunning, NotPinned, Unreachable.
func (c *Client) Ping(ctx context.Context, node protocol.NodeID) (*Pong, error) {
	ctx, cancel := context.WithTimeout(ctx, pingWait)
	defer cancel()
	return call[*Pong](ctx, c, "/v1/ping", pingRequest{Node: node})
}

// pingWait is longer than one attempt to connect and one hello.
const pingWait = 45 * time.Second
