package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"comity/node/gateway"
	"comity/node/operate"
	"comity/protocol"
	"comity/protocol/record"
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

// Examine looks at the files of a data directory, without a lock and without
// opening the node, so that it can tell why a node does not start.
func Examine(dir string, now time.Time) []Check {
	l := operate.Layout{Dir: dir}
	checks := []Check{modes(l), offline(l), space(dir)}
	if config, err := operate.ReadConfig(l.Config()); err != nil {
		checks = append(checks, bad("configuration", "mend "+l.Config()+": the message says where", "%v", err))
	} else {
		checks = append(checks, good("configuration", "%s is in order", l.Config()))
		checks = append(checks, protection(l, config)...)
		checks = append(checks, officersFolders(l, config)...)
	}
	own, err := operate.ReadRecord(l)
	if err != nil {
		return append(checks, bad("record", "restore the folder record from a backup", "%v", err))
	}
	return append(checks, validities(own, now)...)
}

// modes finds whatever others than the owner could read.
func modes(l operate.Layout) Check {
	const name = "files"
	count := 0
	var open []string
	err := filepath.WalkDir(l.Dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it came and went while we looked
		} else if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == "sealed" {
			return fs.SkipDir // sealed bytes; and there may be millions
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		count++
		secret := d.IsDir() && path == l.Dir || strings.HasSuffix(path, ".key") || strings.HasSuffix(path, ".pem") ||
			strings.HasSuffix(path, ".txt") || strings.HasSuffix(path, ".sock")
		if secret && info.Mode().Perm()&0o077 != 0 {
			open = append(open, path)
		}
		return nil
	})
	switch {
	case err != nil:
		return bad(name, "see who owns the files: all must belong to the user who runs the node", "%v", err)
	case len(open) > 0:
		return bad(name, fmt.Sprintf("type: chmod go-rwx %s; and make new keys if anyone could have read them", open[0]),
			"%d of %d files are open to others than their owner, first %s", len(open), count, open[0])
	}
	return good(name, "%d files, none of the secret ones open to others", count)
}

// offline warns about keys that should not be on this machine.
func offline(l operate.Layout) Check {
	const name = "offline keys"
	entries, err := os.ReadDir(l.Offline())
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return good(name, "not on this machine")
	} else if err != nil {
		return bad(name, "see who owns the folder", "%v", err)
	}
	return warn(name, "move "+l.Offline()+" to a medium that is kept locked away, in two copies",
		"%s is still here: whoever takes this machine can speak for the state", l.Offline())
}

func space(dir string) Check {
	const name = "disk"
	s, err := store.DiskSpace(dir)
	const do = "make room: a parcel needs its size on this disk, and evidence must always find some"
	switch {
	case err != nil:
		return bad(name, "see that the path is right", "%v", err)
	case s.Critical():
		return bad(name, do, "%d MiB free: soon no evidence can be stored", s.Free>>20)
	case s.Short():
		return warn(name, do, "%d MiB free: nothing new is taken from peers and offices below %d MiB", s.Free>>20, s.Low()>>20)
	case s.Free < 2*s.Low():
		return warn(name, do, "%d MiB free", s.Free>>20)
	}
	return good(name, "%d GiB free", s.Free>>30)
}

// validities looks at every date in the own record.
func validities(own *record.State, now time.Time) []Check {
	r := own.Record()
	const renew = `stop the node, type "comity key renew --offline FOLDER", and start it again, some days before then`
	checks := []Check{within("record", fmt.Sprintf("number %d", r.Sequence), r.Valid, now, renew)}
	newest := map[string]protocol.Window{}
	var order []string
	note := func(what string, w protocol.Window) {
		if _, known := newest[what]; !known {
			order = append(order, what)
		}
		if w.Until.After(newest[what].Until.Time) {
			newest[what] = w
		}
	}
	for _, k := range r.Node.Keys {
		note(fmt.Sprintf("%s key of node %s", k.Role, r.Node.ID), k.Valid)
	}
	for _, p := range r.Node.TLS {
		note(fmt.Sprintf("TLS key of node %s", r.Node.ID), p.Valid)
	}
	for _, m := range own.Members() {
		for _, k := range m.Document().Keys {
			note(fmt.Sprintf("%s key of %s", k.Role, m.ID()), k.Valid)
		}
		for _, a := range m.Document().Recipients {
			note(fmt.Sprintf("sealing key of %s", m.ID()), a.Valid)
		}
	}
	before := len(checks)
	for _, what := range order {
		if c := within("keys", what, newest[what], now, renew); c.Verdict != OK {
			checks = append(checks, c)
		}
	}
	if len(checks) == before {
		checks = append(checks, good("keys", "%d keys, the first ends on %s", len(order), first(newest).Format(time.DateOnly)))
	}
	return append(checks, confirmations(own, now)...)
}

func first(all map[string]protocol.Window) (end time.Time) {
	for _, w := range all {
		if end.IsZero() || w.Until.Before(end) {
			end = w.Until.Time
		}
	}
	return end
}

func within(name, what string, w protocol.Window, now time.Time, renew string) Check {
	switch until := w.Until.Format(time.DateOnly); {
	case now.Before(w.From.Time):
		return bad(name, "see whether this machine's clock is right", "%s: not valid before %s", what, w.From)
	case !now.Before(w.Until.Time):
		return bad(name, `stop the node, type "comity key renew --offline FOLDER", and start it again: until then peers refuse what it signs`, "%s: ended on %s", what, until)
	case now.Add(soon).After(w.Until.Time):
		return warn(name, renew, "%s: ends on %s", what, until)
	default:
		return good(name, "%s: valid until %s", what, until)
	}
}

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
	return bad("log", "stop the node, keep the directory as it is; a copy from before its last signature must not be served", "%v", err)
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
	case p.busy:
		do = "ask its operator, should it go on for long"
	}
	wait := ""
	if p.Waiting > 0 {
		wait = fmt.Sprintf("; parcels that wait for it: %d", p.Waiting)
	}
	return warn(name, do, "not reachable since %s: %s%s", since, p.LastError, wait)
}

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
	// Eras is 1 when the log follows a lost one, which its first leaf names.
	Eras       int64  `json:"eras"`
	Checkpoint string `json:"checkpoint"` // the newest, exact text
}

func (s *Service) checkLog(ctx context.Context, _ nothing) (*LogReport, error) {
	r, err := s.node.Gateway.CheckLog(ctx)
	if err != nil {
		if ctx.Err() == nil && !isIntegrity(err) && !errors.Is(err, store.ErrUnreachable) {
			err = fail(Integrity, "stop the node, keep the directory as it is; a copy from before its last signature must not be served", "%v", err)
		}
		return nil, err
	}
	return &LogReport{
		Origin: s.node.Gateway.OwnState().Record().Node.Log.Origin, Leaves: r.Leaves, Checkpoints: r.Checkpoints,
		Evidence: r.Evidence, Foreign: r.Foreign, ForeignLeaves: r.ForeignLeaves, Records: r.Records, Directories: r.Directories, Eras: r.Eras, Checkpoint: string(r.Checkpoint),
	}, nil
}

// CheckLog computes the node's whole log again. Integrity when anything differs.
func (c *Client) CheckLog(ctx context.Context) (*LogReport, error) {
	return call[*LogReport](ctx, c, "/v1/log/check", nothing{})
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
