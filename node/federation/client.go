package federation

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/theupdateframework/go-tuf/v2/metadata"

	"comity/crypto/keys"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/record"
)

// Config says how a node follows a federation.
type Config struct {
	// Dir is the folder for what is fetched; nothing else is in it. It can be served
	// by Mirror.
	Dir string
	// Root is the root with which trust begins: the operator got it another way and
	// compared its digest. Later roots follow from it. It may be left out when Dir
	// holds one.
	Root []byte
	// Mirrors are addresses, "https://…" or "http://…", each asked at every refresh.
	Mirrors []string
	// Now is the node's clock.
	Now func() time.Time
	// Transport carries the requests; nil: an ordinary one.
	Transport http.RoundTripper
}

// Client is a node's side of a federation. It is safe for concurrent use; one
// refresh runs at a time.
type Client struct {
	cfg    Config
	folder folder
	http   *retryablehttp.Client

	// refreshing guards the folder, known and whole, and is held for a whole refresh; mu is
	// held for moments, so that nobody who only looks waits for a mirror.
	refreshing sync.Mutex
	known      map[Item]protocol.Digest
	whole      map[string]bool // files of records that have their digest, in one refresh

	mu      sync.Mutex           // guards all below; only a refresh writes them
	edition *Edition             // the newest accepted one; nil: none yet
	files   Files                // it was taken from
	ends    map[string]time.Time // of the newest metadata, by file name
}

// Files names the files that the newest edition was taken from.
type Files struct {
	Root       int64           // number of the newest root
	RootDigest protocol.Digest // of its file
	Edition    protocol.Digest // of the edition's file; zero: there is none
}

// Open reads what was fetched before, or begins with the root in cfg.
func Open(cfg Config) (*Client, error) {
	c := &Client{cfg: cfg, folder: folder(cfg.Dir), http: newHTTP(cfg.Transport), known: map[Item]protocol.Digest{}}
	if err := checkMirrors(cfg.Mirrors); err != nil {
		return nil, err
	}
	if err := keys.MkdirPrivate(cfg.Dir); err != nil {
		return nil, err
	}
	if err := c.begin(); err != nil {
		return nil, fmt.Errorf("federation in %s: %w", cfg.Dir, err)
	}
	return c, nil
}

func checkMirrors(list []string) error {
	for _, m := range list {
		u, err := url.Parse(m)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			return fmt.Errorf("federation: %q is not the address of a mirror: want a form like https://directory.example/", m)
		}
	}
	return nil
}

// AskOthers has the next refresh ask other mirrors. A refresh under way goes on with
// those before: there is one writer of the folder.
func (c *Client) AskOthers(mirrors []string) error {
	if err := checkMirrors(mirrors); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cfg.Mirrors = mirrors
	return nil
}

func (c *Client) mirrors() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cfg.Mirrors
}

// begin takes the first root in where there is none, and reads what is there.
func (c *Client) begin() error {
	has, err := c.folder.has(rootFile)
	if err != nil {
		return err
	}
	if !has && len(c.cfg.Root) == 0 {
		return fmt.Errorf("%s is gone", rootFile)
	}
	if !has {
		root, err := parseRoot(c.cfg.Root)
		if err == nil {
			err = verify(root, metadata.ROOT, root)
		}
		if err != nil {
			return fmt.Errorf("the root with which trust begins: %w", err)
		}
		if err := c.keepRoot(root.Signed.Version, c.cfg.Root); err != nil {
			return err
		}
	}
	return c.load()
}

// beginAgain begins with a root once more when the folder was moved away since it was
// opened; else it changes nothing.
func (c *Client) beginAgain(root []byte) error {
	if has, err := c.folder.has(rootFile); has || err != nil {
		return err
	}
	if !c.refreshing.TryLock() { // a mirror that never answers keeps nobody waiting
		return errors.New("the mirrors are being asked: join again in a few minutes")
	}
	defer c.refreshing.Unlock()
	if err := keys.MkdirPrivate(c.cfg.Dir); err != nil {
		return err
	}
	c.cfg.Root, c.known = root, map[Item]protocol.Digest{}
	return c.begin()
}

// load reads the newest metadata, and until when each counts. It was verified
// before it was written; but a newer root may have taken a key back since. What such
// a key has listed is still remembered, so that nobody takes it back (R-FED-4).
func (c *Client) load() error {
	data, err := c.folder.read(rootFile, protocol.MaxRoot)
	if err != nil {
		return err
	}
	root, err := parseRoot(data)
	if err != nil {
		return fmt.Errorf("%s: %w", rootFile, err)
	}
	files := Files{Root: root.Signed.Version, RootDigest: protocol.Sum(data)}
	ends := map[string]time.Time{rootFile: root.Signed.Expires}
	targets, err := loadPart(c.folder, ends, root, editionFile, protocol.MaxEdition, parseEdition)
	if err != nil {
		return err
	}
	var edition *Edition
	if targets != nil {
		if edition, err = newEdition(targets); err != nil {
			return err
		}
		if data, err = c.folder.read(editionFile, protocol.MaxEdition); err != nil {
			return err
		}
		files.Edition = protocol.Sum(data)
	}
	if _, err := loadPart(c.folder, ends, root, snapshotFile, protocol.MaxTimestamp, parseSnapshot); err != nil {
		return err
	}
	if _, err = loadPart(c.folder, ends, root, timestampFile, protocol.MaxTimestamp, parseTimestamp); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.files, c.edition, c.ends = files, edition, ends
	return nil
}

// loadPart reads one file, and notes its end if the root's keys have signed it.
// Nil: there is none.
func loadPart[T metadata.Roles](f folder, ends map[string]time.Time, root *metadata.Metadata[metadata.RootType], name string, limit int64, parse func([]byte) (*metadata.Metadata[T], error)) (*metadata.Metadata[T], error) {
	data, err := f.read(name, limit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var m *metadata.Metadata[T]
	if err == nil {
		m, err = parse(data)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if verify(root, strings.TrimSuffix(name, ".json"), m) == nil {
		ends[name] = expires(&m.Signed)
	}
	return m, nil
}

// expires is when metadata of any kind ends.
func expires(signed any) time.Time {
	switch s := signed.(type) {
	case *metadata.TargetsType:
		return s.Expires
	case *metadata.SnapshotType:
		return s.Expires
	case *metadata.TimestampType:
		return s.Expires
	}
	return time.Time{}
}

// Edition returns the newest edition that was accepted; nil: none yet.
func (c *Client) Edition() *Edition {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.edition
}

// Files names the files that the newest edition was taken from.
func (c *Client) Files() Files {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.files
}

// Fresh returns until when the directory is fresh if nothing newer comes; zero: it
// is not.
func (c *Client) Fresh() (until time.Time) {
	now := c.cfg.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range []string{rootFile, editionFile, snapshotFile, timestampFile} {
		ends := c.ends[name]
		if !ends.After(now) {
			return time.Time{}
		}
		if until.IsZero() || ends.Before(until) {
			until = ends
		}
	}
	return until
}

// Report is what a refresh found. None of it is an error: traffic goes on whatever
// it says (R-FED-8).
type Report struct {
	Edition  *Edition  // the newest that is held; nil: none yet
	Asked    int       // how many mirrors
	Refusals []Refusal // records that do not follow from those held
	Trouble  []Trouble // mirrors from which nothing was taken
	Stale    *Stale    // the alarm; nil: the directory is fresh
}

// Trouble is why nothing was taken from a mirror. With a reason code
// (protocol.CodeOf) somebody has shown what must not be; without one the mirror
// was only not reached. A mirror that lags behind another has the code expired.
type Trouble struct {
	Mirror string
	Err    error
}

// Held is what a node holds of the states' records.
type Held interface {
	// Newest returns the newest record of a state; nil: none.
	Newest(protocol.StateID) *record.State
	// CheckRef refuses a reference to another document under a number that is held
	// (Equivocation).
	CheckRef(envelope.RecordRef) error
}

// Refresh asks every mirror, keeps what is newer and signed, and judges each
// listed record by those that the node holds. adopt is called for one state after
// the other that has new ones. An error is that of adopt, or trouble on this side:
// a disk, or a context that ended.
func (c *Client) Refresh(ctx context.Context, held Held, adopt func(Adoption) error) (*Report, error) {
	c.refreshing.Lock()
	defer c.refreshing.Unlock()
	c.whole = map[string]bool{}
	mirrors := c.mirrors()
	report := &Report{Asked: len(mirrors)}
	for _, mirror := range mirrors {
		err := c.fetch(ctx, strings.TrimSuffix(mirror, "/")+"/")
		var own *ownError
		switch {
		case ctx.Err() != nil:
			return nil, fmt.Errorf("refresh the directory: %w", ctx.Err())
		case errors.As(err, &own):
			return nil, fmt.Errorf("refresh the directory: %w", own.err)
		case err != nil:
			report.Trouble = append(report.Trouble, Trouble{mirror, err})
		}
	}
	report.Edition, report.Stale = c.Edition(), c.Stale()
	if report.Edition == nil {
		return report, nil
	}
	var err error
	if report.Refusals, err = c.judge(held, c.cfg.Now(), adopt); err != nil {
		return nil, fmt.Errorf("refresh the directory: %w", err)
	}
	return report, nil
}

// ownError is trouble on this side, for which no mirror is to blame.
type ownError struct{ err error }

func (e *ownError) Error() string { return e.err.Error() }

// own marks an error so.
func own(err error) error {
	if err == nil {
		return nil
	}
	return &ownError{err}
}
