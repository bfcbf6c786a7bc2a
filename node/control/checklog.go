package control

import (
	"context"
	"errors"

	"comity/node/gateway"
	"comity/store"
)

// keepAsItIs is what to do with a node whose log differs from what it signed.
const keepAsItIs = "stop the node, keep the directory as it is; a copy from before its last signature must not be served"

// LogReport says what a check of the whole log found in order.
type LogReport struct {
	Origin      string `json:"log"`
	Leaves      int64  `json:"leaves"`
	Checkpoints int64  `json:"checkpoints"`
	Evidence    int64  `json:"evidence"` // issued here, each with its leaf
	Foreign     int64  `json:"foreign_evidence"`
	// ForeignLeaves is how many of those have a leaf here as well; evidence from
	// before that rule has none.
	ForeignLeaves int64 `json:"foreign_leaves"`
	Records       int64 `json:"records"`
	Directories   int64 `json:"directories"` // versions of a federation's directory
	// Eras is 1 when the log follows an earlier one of this node, which its first leaf names.
	Eras int64 `json:"eras"`
	// Lost says that the earlier one was lost with the node, and not only given up for new keys.
	Lost       bool   `json:"earlier_log_lost"`
	Checkpoint string `json:"checkpoint"` // the newest, exact text
}

func (s *Service) checkLog(ctx context.Context, _ nothing) (*LogReport, error) {
	r, err := s.node.Gateway.CheckLog(ctx)
	if err != nil {
		if ctx.Err() == nil && !isIntegrity(err) && !errors.Is(err, store.ErrUnreachable) {
			err = fail(Integrity, keepAsItIs, "%v", err)
		}
		return nil, err
	}
	lost, err := s.followsLost(ctx)
	if err != nil {
		return nil, err
	}
	return &LogReport{
		Lost:   lost,
		Origin: s.node.Gateway.OwnState().Record().Node.Log.Origin, Leaves: r.Leaves, Checkpoints: r.Checkpoints,
		Evidence: r.Evidence, Foreign: r.Foreign, ForeignLeaves: r.ForeignLeaves, Records: r.Records, Directories: r.Directories, Eras: r.Eras, Checkpoint: string(r.Checkpoint),
	}, nil
}

// followsLost reports whether the log before the present one was lost.
func (s *Service) followsLost(ctx context.Context) (bool, error) {
	all, err := s.node.Gateway.Store.Eras(ctx)
	if err != nil || len(all) == 0 {
		return false, err
	}
	return gateway.FollowsLost(all[len(all)-1])
}

// CheckLog computes the node's whole log again. Integrity when anything differs.
func (c *Client) CheckLog(ctx context.Context) (*LogReport, error) {
	return call[*LogReport](ctx, c, "/v1/log/check", nothing{})
}

func (s *Service) checkLogQuickly(ctx context.Context) Check {
	ctx, cancel := context.WithTimeout(ctx, quickLog)
	defer cancel()
	report, err := s.checkLog(ctx, nothing{})
	switch {
	case err == nil:
		return good("log", "all leaves (%d) and checkpoints (%d) agree", report.Leaves, report.Checkpoints)
	case ctx.Err() != nil:
		return warn("log", `check it in full with "comity log check"`, "too long to check here")
	case errors.Is(err, store.ErrUnreachable):
		return warn("log", "run this again when the database can be reached", "not checked")
	}
	return bad("log", keepAsItIs, "%v", err)
}
