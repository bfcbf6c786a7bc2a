package control

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"comity/node/gateway"
	"comity/node/office"
	"comity/node/operate"
	"comity/protocol"
	"comity/protocol/exchange"
	"comity/protocol/parcel"
)

// probeWait is how long a test parcel may take until the other office has it.
const probeWait = 60 * time.Second

// probeRequest names a peer to probe end to end.
type probeRequest struct {
	As   string          `json:"as,omitempty"`
	Node protocol.NodeID `json:"node"`
	// Passphrase opens the act key, which signs a test parcel as any other.
	Passphrase operate.Given `json:"passphrase,omitzero"`
}

// probeName is the name of the checks of a peer.
func probeName(node protocol.NodeID) string { return "probe " + string(node) }

// probe sends a test parcel to an authority of a peer and waits until the
// office there has verified it in full. Test parcels have no effect (R-XCH-5).
func (s *Service) probe(ctx context.Context, in probeRequest, each func(Check)) (nothing, error) {
	name := probeName(in.Node)
	// With a passphrase it is asked for the second time: that the peer answers was
	// told the first time.
	if in.Passphrase.Text == "" {
		if err := s.probeAnswer(ctx, in.Node, each); err != nil {
			return nothing{}, err
		}
	}
	state, _ := s.node.Gateway.State(in.Node.State())
	if state == nil || len(state.Members()) == 0 {
		return nothing{}, fail(Failed, "ask them to publish a record that lists an authority", "its record lists no authority, so there is nobody to send to")
	}
	if hosted := s.reachable(); in.As == "" && len(hosted) > 1 {
		var names []string
		for _, a := range hosted {
			names = append(names, a.Name())
		}
		return nothing{}, fail(Usage, fmt.Sprintf(`type "comity doctor %s --as NAME"; NAME is one of: %s`, in.Node, strings.Join(names, ", ")),
			"no test parcel was sent: it is sent in the name of an authority, and this node hosts %d", len(hosted))
	}
	to := state.Members()[0].ID()
	start := time.Now()
	if err := s.sendProbe(ctx, in, to); err != nil {
		return nothing{}, err
	}
	each(good(name, "a test parcel reached the office of %s, was unsealed and verified there, and signed evidence came back, in %s",
		to, time.Since(start).Round(time.Millisecond)))
	return nothing{}, nil
}

// probeAnswer tells whether the peer answers at all, how it stands by that answer, and
// how its clock does. An office's officers are not told of the node's traffic with it.
func (s *Service) probeAnswer(ctx context.Context, node protocol.NodeID, each func(Check)) error {
	name := probeName(node)
	pong, err := s.ping(ctx, pingRequest{Node: node})
	if s.party == "" && CodeOf(err) != NotPinned {
		s.checkPeers(ctx, func(p protocol.NodeID) bool { return p == node }, each)
	}
	if err != nil {
		return err
	}
	skew := time.Duration(pong.Skew) * time.Millisecond
	if skew.Abs() > clockWarning {
		each(warn(name, "see which clock is wrong: beyond "+protocol.MaxSkew.String()+" parcels are refused", "the clocks differ by %s", skew))
	}
	over := ""
	if pong.Transport == gateway.TCP {
		over = " over TCP, because UDP does not pass"
	}
	each(good(name, "answers in %s%s, clocks differ by %s", time.Duration(pong.Trip)*time.Microsecond, over, skew))
	return nil
}

// sendProbe sends the test parcel and waits for its evidence.
func (s *Service) sendProbe(ctx context.Context, in probeRequest, to protocol.AuthorityID) error {
	file, err := s.probeFile()
	if err != nil {
		return err
	}
	defer file.Close() // only read from
	ctx, cancel := context.WithTimeout(ctx, probeWait)
	defer cancel()
	sent, err := s.sendFiles(ctx, Draft{
		As: in.As, To: []protocol.AuthorityID{to}, Kind: parcel.KindConformanceTest, Test: true,
		Lifetime: int64(time.Hour / time.Second), Passphrase: in.Passphrase,
	}, []office.Source{{Path: "test.txt", File: file}}, func(Progress) {})
	if err != nil {
		return err
	}
	var last Evidence
	out, err := s.follow(ctx, followRequest{As: in.As, Parcel: string(sent.Parcel), Until: exchange.StatusDelivered}, func(e Evidence) { last = e })
	switch {
	case errors.Is(err, context.DeadlineExceeded) && last.Event != "":
		return fail(Failed, "see the log of this node and ask the other side for theirs",
			"a test parcel to %s got as far as %s within %s and no further", to, last.Event, probeWait)
	case err != nil:
		return err
	case !out.Reached && last.Reason != nil:
		return fail(Code(last.Reason.Code), "ask the other side what is wrong", "a test parcel to %s was refused with %s: %s: %q", to, last.Event, last.Reason.Code, last.Reason.Text)
	case !out.Reached:
		return fail(Failed, "ask the other side what is wrong", "a test parcel to %s ended with %s", to, last.Event)
	}
	return nil
}

// probeFile is what a test parcel holds: an open file without a name, so that nothing is
// left of it. It is in the data directory, because a service may write nowhere else.
func (s *Service) probeFile() (*os.File, error) {
	f, err := os.CreateTemp(s.node.Layout.Dir, ".probe-*")
	if err != nil {
		return nil, err
	}
	_, err = f.WriteString("This is a test of the connection. It has no effect and needs no answer.\n")
	if err = errors.Join(err, os.Remove(f.Name())); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// probe probes one peer, as a person who acts. What went wrong is a finding too;
// an error says that the caller gave up.
func (c *Client) probe(ctx context.Context, as string, node protocol.NodeID, each func(Check) error) error {
	var told error
	err := c.acting(func(given operate.Given) error {
		_, err := listen[Check, nothing](ctx, c, "/v1/probe", probeRequest{As: as, Node: node, Passphrase: given}, func(one Check) error {
			told = each(one)
			return told
		})
		return err
	})
	if err == nil || told != nil || ctx.Err() != nil {
		return err
	}
	e := explain(err)
	do := e.Hint
	if do == "" {
		do = "see the log of the node"
	}
	return each(bad(probeName(node), do, "%s", e.Message))
}
