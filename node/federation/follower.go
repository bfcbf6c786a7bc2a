package federation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"comity/protocol"
	"comity/protocol/adoption"
	"comity/protocol/envelope"
	"comity/protocol/record"
)

// When a node that runs asks the mirrors: seconds after it started, then about once an
// hour, and sooner while none gave anything or when something asks for it. The times are
// spread, so that a thousand nodes which start together after a power cut do not ask
// together.
const (
	refreshNow   = 10 * time.Second
	refreshEvery = time.Hour
	// refreshSoon is also the least time from one refresh to one that was asked for, or
	// that a start causes: a node that starts again and again spares the mirrors.
	refreshSoon = 10 * time.Minute
)

// MaxMirrors is how many mirrors one node asks.
const MaxMirrors = 16

// ErrJoined says that the node follows a federation already.
var ErrJoined = errors.New("this node follows a federation already, and a node follows one")

// ErrNotJoined says that the node follows no federation.
var ErrNotJoined = errors.New("this node follows no federation")

// Node is what a follower needs of the node that it works for.
type Node interface {
	// Held is what the node holds now.
	Held(ctx context.Context) (Held, error)
	// AdoptListed adopts records of one state, in order, with a leaf for each.
	AdoptListed(ctx context.Context, chain []*record.State) error
	// AdoptDirectory adopts a version of the directory, with a leaf.
	AdoptDirectory(ctx context.Context, ref envelope.Directory, edition protocol.Digest, root adoption.Root) error
	// Directory is the newest version that was adopted; nil: none.
	Directory() *envelope.Directory
}

// FollowerConfig is all that a follower needs.
type FollowerConfig struct {
	// Dir is the folder for what the node keeps of its federation: settings.json and,
	// under directory, what was fetched.
	Dir       string
	Own       protocol.StateID
	Node      Node
	Now       func() time.Time
	Logger    *slog.Logger
	Transport http.RoundTripper // to the mirrors; nil: an ordinary one
}

// Follower keeps a node up to date with the federation that it joined, if it has
// joined one. It is safe for concurrent use. Nothing waits for it (R-FED-8).
type Follower struct {
	cfg    FollowerConfig
	joined chan struct{} // closed when a federation is followed
	nudged chan struct{} // holds one: something here may be out of date

	mu       sync.Mutex
	client   *Client   // guarded by mu; nil: no federation was joined
	settings settings  // guarded by mu
	fault    error     // guarded by mu; why client is nil though a federation was joined; nil: it was not, or all was read
	last     *outcome  // guarded by mu; of the newest refresh; nil: none since the node was opened
	asked    time.Time // guarded by mu; when that was, or the one of a run before; zero: not known
}

// settings is what the operator chose.
type settings struct {
	Mirrors []string `json:"mirrors"`
}

const (
	settingsFile = "settings.json"
	maxSettings  = 64 << 10
)

// outcome is what a refresh came to.
type outcome struct {
	at      time.Time
	report  *Report
	gave    int       // how many mirrors gave something, or had nothing newer
	refused []Refusal // records that the node did not adopt, the report's among them
	version error     // why the version does not count beside those that were adopted before
	err     error     // trouble on this side
}

// OpenFollower reads what the node follows, if anything. What cannot be read stops
// nothing (R-FED-8): it is an alarm, and the node can join again.
func OpenFollower(cfg FollowerConfig) *Follower {
	f := &Follower{cfg: cfg, joined: make(chan struct{}), nudged: make(chan struct{}, 1), asked: readAsked(cfg.Dir)}
	data, err := folder(cfg.Dir).read(settingsFile, maxSettings)
	if errors.Is(err, fs.ErrNotExist) {
		return f
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", settingsFile, err)
	} else if err = json.Unmarshal(data, &f.settings); err != nil {
		err = fmt.Errorf("%s: %w", filepath.Join(cfg.Dir, settingsFile), err)
	} else if len(f.settings.Mirrors) == 0 {
		err = fmt.Errorf("%s names no mirror", filepath.Join(cfg.Dir, settingsFile))
	}
	if err == nil {
		f.client, err = f.open(nil, f.settings.Mirrors)
	}
	if err != nil {
		f.fault = unreadable(err)
		return f
	}
	close(f.joined)
	return f
}

func (f *Follower) open(root []byte, mirrors []string) (*Client, error) {
	return Open(Config{
		Dir: f.Folder(), Root: root, Mirrors: mirrors, Now: f.cfg.Now, Transport: f.cfg.Transport,
	})
}

// Folder is where the files are that were fetched, of every version. Any mirror may
// serve it.
func (f *Follower) Folder() string { return FolderIn(f.cfg.Dir) }

// FolderIn is that folder, by the folder of what a node keeps of its federation.
func FolderIn(dir string) string { return filepath.Join(dir, directoryFolder) }

// IsDirectory reports whether a folder holds what a mirror serves.
func IsDirectory(dir string) bool {
	has, err := folder(dir).has(rootFile)
	return has && err == nil
}

// Join follows a federation from now on. root is the root that the operator has got
// and compared another way; given that the node follows this federation already, the
// mirrors take the place of those before. ErrJoined.
func (f *Follower) Join(root []byte, mirrors []string) error {
	if len(mirrors) == 0 || len(mirrors) > MaxMirrors {
		return fmt.Errorf("join a federation: %d mirrors, want 1 to %d", len(mirrors), MaxMirrors)
	}
	i, err := ReadRoot(root)
	if err != nil {
		return fmt.Errorf("join a federation: %w", err)
	}
	if err := checkMirrors(mirrors); err != nil {
		return fmt.Errorf("join a federation: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.isSame(i); err != nil {
		return fmt.Errorf("join a federation: %w", f.orUnreadable(err))
	}
	next, client := settings{Mirrors: mirrors}, f.client
	if client != nil {
		if err = client.beginAgain(root); err == nil {
			err = client.AskOthers(mirrors)
		}
	} else {
		client, err = f.open(root, mirrors)
		err = f.orUnreadable(err)
	}
	if err == nil {
		var data []byte
		if data, err = json.MarshalIndent(next, "", "  "); err == nil {
			err = f.orUnreadable(folder(f.cfg.Dir).put(settingsFile, append(data, '\n')))
		}
	}
	if err != nil {
		if f.client != nil {
			err = errors.Join(err, f.client.AskOthers(f.settings.Mirrors)) // as before
		}
		return fmt.Errorf("join a federation: %w", err)
	}
	if f.client == nil {
		close(f.joined)
	}
	f.settings, f.client, f.fault = next, client, nil
	return nil
}

// isSame refuses a root beside which the folder has none, or another one, of its
// number: a federation is not left for another one by a slip of the hand.
func (f *Follower) isSame(i *Introduced) error {
	has, err := folder(f.Folder()).has(rootFile)
	if err != nil || !has {
		return err
	}
	kept, err := folder(f.Folder()).read(numbered(i.Version, rootFile), protocol.MaxRoot)
	if err == nil {
		var known *Introduced
		if known, err = ReadRoot(kept); err == nil && known.Digest == i.Digest {
			return nil
		}
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: the root with the digest %s is none of its roots, which are in %s", ErrJoined, i.Digest.Short(), f.Folder())
	}
	return err
}

// reached reports whether the last refresh found at least one mirror in order.
func (f *Follower) reached() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last != nil && f.last.gave > 0
}

// Refresh asks the mirrors now, and adopts what follows. What it finds is in Standing;
// an error is trouble on this side, or ErrNotJoined.
func (f *Follower) Refresh(ctx context.Context) error {
	f.mu.Lock()
	client := f.client
	f.mu.Unlock()
	if client == nil {
		return ErrNotJoined
	}
	now := &outcome{at: f.cfg.Now()}
	now.report, now.err = f.refresh(ctx, client, now)
	if ctx.Err() != nil {
		return now.err // the node stops, or whoever asked has gone
	}
	f.mu.Lock()
	before := f.last
	f.last, f.asked = now, now.at
	f.mu.Unlock()
	f.noteAsked(now.at)
	f.tell(before, now)
	return now.err
}

func (f *Follower) refresh(ctx context.Context, client *Client, now *outcome) (*Report, error) {
	held, err := f.cfg.Node.Held(ctx)
	if err != nil {
		return nil, err
	}
	report, err := client.Refresh(ctx, held, func(a Adoption) error {
		refused, err := f.adopt(ctx, a)
		if refused != nil {
			now.refused = append(now.refused, *refused)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	now.gave = report.Asked - len(report.Trouble)
	now.refused = append(report.Refusals, now.refused...)
	if report.Edition == nil {
		return report, nil
	}
	now.version, err = f.adoptVersion(ctx, report.Edition.Ref(), client.Files())
	return report, err
}

// adoptVersion has the node adopt what the client took. The client refuses what does not
// follow from the files in its folder, and the node what it adopted before, which it
// still knows when that folder was lost.
func (f *Follower) adoptVersion(ctx context.Context, ref envelope.Directory, files Files) (refused, err error) {
	err = f.cfg.Node.AdoptDirectory(ctx, ref, files.Edition, adoption.Root{Version: files.Root, Digest: files.RootDigest})
	switch code := protocol.CodeOf(err); {
	case code == "" && err != nil:
		return nil, err
	case code != "" && code != protocol.Expired:
		return err, nil
	}
	if held := f.cfg.Node.Directory(); held != nil && held.Version > ref.Version {
		return protocol.Refuse(protocol.Expired, "version %d is the newest that a mirror gave, and this node adopted version %d before", ref.Version, held.Version), nil
	}
	return nil, nil
}

// adopt has the node adopt the new records of one state. Its own state's records the
// node makes itself: one that it does not know is an alarm.
func (f *Follower) adopt(ctx context.Context, a Adoption) (refused *Refusal, err error) {
	newest := a.Chain[len(a.Chain)-1].Ref()
	item := Item{newest.State, newest.Sequence}
	if a.State == f.cfg.Own {
		return &Refusal{item, protocol.Refuse(protocol.Policy, "%s is signed by this node's own state, and this node does not have it: it is an older copy of itself, or somebody else has the state's offline key", item.name())}, nil
	}
	err = f.cfg.Node.AdoptListed(ctx, a.Chain)
	if protocol.CodeOf(err) != "" {
		return &Refusal{item, err}, nil
	}
	return nil, err
}

// tell logs what has changed since the refresh before.
func (f *Follower) tell(before, now *outcome) {
	had := map[string]bool{}
	for _, a := range alarmsOf(before) {
		had[a.Text] = true
	}
	for _, a := range alarmsOf(now) {
		if had[a.Text] {
			continue
		}
		f.log(a)
	}
}

func (f *Follower) log(a Alarm) {
	switch a.Kind {
	case Unreached, Staleness:
		f.cfg.Logger.Warn("the directory of the federation", "alarm", a.Kind, "why", a.Text)
	case OwnFault:
		f.cfg.Logger.Error("the directory of the federation: parcels go on, and the trouble is on this side", "alarm", a.Kind, "why", a.Text, "do", a.Do)
	default:
		f.cfg.Logger.Error("the directory of the federation: call a steward", "alarm", a.Kind, "why", a.Text)
	}
}
