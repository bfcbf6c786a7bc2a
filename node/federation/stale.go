package federation

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"comity/protocol"
)

// Stale is the alarm that the directory may be older than it looks: since that
// time nobody's signature says any more that there is nothing newer. It is told to
// the node's operator and stops nothing (R-FED-8).
type Stale struct {
	What  string    // "root", "edition", "snapshot" or "timestamp"
	Since time.Time // zero: none is held that counts
}

func (s *Stale) String() string {
	if s.Since.IsZero() {
		return fmt.Sprintf("no %s of the directory counts: none was fetched, or the key that signed it was taken back; look at the mirrors in the configuration", s.What)
	}
	return fmt.Sprintf("the %s of the directory ended on %s: no mirror has a newer one; ask a steward, and look at the mirrors in the configuration", s.What, protocol.At(s.Since))
}

// Stale returns the alarm as of now, from what is held; nil: the directory is fresh.
func (c *Client) Stale() *Stale {
	now := c.cfg.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.edition == nil {
		return &Stale{What: "edition"}
	}
	var worst *Stale
	for _, part := range []struct{ file, what string }{
		{rootFile, "root"}, {editionFile, "edition"}, {snapshotFile, "snapshot"}, {timestampFile, "timestamp"},
	} {
		ended := c.ends[part.file] // zero, and so the worst, without one that counts
		if !ended.After(now) && (worst == nil || ended.Before(worst.Since)) {
			worst = &Stale{part.what, ended}
		}
	}
	return worst
}

// timestamp returns the one that is held and counts under a root; nil: none. A
// root with another online key takes the numbers of the old one away.
func (c *Client) timestamp(root *metadata.Metadata[metadata.RootType]) (*metadata.Metadata[metadata.TimestampType], error) {
	data, err := c.folder.read(timestampFile, protocol.MaxTimestamp)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m, err := parseTimestamp(data)
	if err != nil || verify(root, metadata.TIMESTAMP, m) != nil {
		return nil, err
	}
	return m, nil
}
