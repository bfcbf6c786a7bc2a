package federation

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"comity/protocol"
)

// Collected is what came of papers that were handed in.
type Collected struct {
	*Draft    // the open one; with Again, one that was published before
	Published bool
	// Again says that no draft is open, and that all papers are of drafts that were
	// published before: what came late, or was typed again.
	Again  bool
	Papers []Handed // what each paper brought; none: they were not needed
}

// Handed is what one paper brought.
type Handed struct {
	*Draft
	Past bool // its draft was published before, and nothing was taken
	New  int  // signatures that were not here before
}

// ErrNoDraft says that nothing is with the stewards that could be collected.
var ErrNoDraft = errors.New("no draft is with the stewards")

// GivenUpError says that a paper is of a draft that was given up.
type GivenUpError struct{ Name string }

func (e *GivenUpError) Error() string {
	return fmt.Sprintf("%s was given up; nothing was taken", e.Name)
}

// Collect takes the signatures out of papers that stewards hand in, and publishes
// the draft once enough have signed. Nodes see an edition after Stamp. Papers of
// drafts that were published before are passed over; one that is refused leaves
// everything as it was.
func (r *Registry) Collect(papers [][]byte, now time.Time) (*Collected, error) {
	open, err := r.Draft()
	if err != nil {
		return nil, err
	}
	if open == nil && len(papers) == 0 {
		return nil, ErrNoDraft
	}
	done := &Collected{}
	// Signatures that were enough before are published first: had the power gone in
	// the middle of it, the numbered file is written with just these.
	if open == nil || len(open.Missing()) > 0 {
		for n, data := range papers {
			h, err := r.take(open, data)
			if err != nil {
				return nil, &PaperError{n, err}
			}
			done.Papers = append(done.Papers, *h)
		}
		if open == nil {
			done.Draft, done.Published, done.Again = done.Papers[len(papers)-1].Draft, true, true
			return done, nil
		}
		if _, err := r.store(open.Draft); err != nil {
			return nil, err
		}
	}
	if done.Draft = open.Draft; len(open.Missing()) > 0 {
		return done, nil
	}
	if open.root != nil {
		err = r.repo.PublishRoot(open.paper.Draft, now)
	} else {
		err = r.repo.PublishEdition(open.paper.Draft, now)
	}
	if err != nil {
		return nil, err
	}
	done.Published = true
	return done, r.clear(open.Path)
}

// take merges one paper into the open draft, unless its time is over.
func (r *Registry) take(open *Drafted, data []byte) (*Handed, error) {
	d, err := ReadDraft(data)
	if err != nil {
		return nil, err
	}
	h := &Handed{Draft: d}
	if h.Past, err = r.past(open, d); err != nil || h.Past {
		return h, err
	}
	if open == nil {
		return nil, fmt.Errorf("%w, and %s was never handed out from here", ErrNoDraft, d.Name())
	}
	before := len(open.signatures())
	err = open.Merge(d)
	h.New = len(open.signatures()) - before
	return h, err
}

// past reports whether a draft other than the open one was published. It refuses one
// that was given up, and another one than was published under its number.
func (r *Registry) past(open *Drafted, d *Draft) (bool, error) {
	own, err := d.Content()
	if err != nil {
		return false, err
	}
	if open != nil {
		if content, err := open.Content(); err != nil || content == own {
			return false, err
		}
	}
	published, err := r.publishedContent(d)
	if err != nil || published == own {
		return err == nil, err
	}
	givenUp, err := folder(r.dir).has(givenUpFolder + "/" + givenUpFile(d, own))
	switch {
	case err != nil:
		return false, err
	case givenUp:
		return false, &GivenUpError{d.Name()}
	case published != protocol.Digest{}:
		return false, protocol.Refuse(protocol.Equivocation, "it is of another %s (%s) than the one that was published (%s)", d.Name(), own.Short(), published.Short())
	}
	return false, nil
}

// publishedContent is that of the root or edition that was published under the number
// of a draft; zero: none was.
func (r *Registry) publishedContent(d *Draft) (protocol.Digest, error) {
	name, limit := editionFile, int64(protocol.MaxEdition)
	if d.root != nil {
		name, limit = rootFile, protocol.MaxRoot
	}
	data, err := r.repo.folder.read(numbered(d.Number(), name), limit)
	if errors.Is(err, fs.ErrNotExist) {
		return protocol.Digest{}, nil
	}
	if err != nil {
		return protocol.Digest{}, err
	}
	if d.root != nil {
		m, err := parseRoot(data)
		if err != nil {
			return protocol.Digest{}, err
		}
		return contentDigest(&m.Signed)
	}
	m, err := parseEdition(data)
	if err != nil {
		return protocol.Digest{}, err
	}
	return contentDigest(&m.Signed)
}

// PaperError says which of several papers was refused.
type PaperError struct {
	Index int
	Err   error
}

func (e *PaperError) Error() string { return fmt.Sprintf("paper %d: %v", e.Index+1, e.Err) }

func (e *PaperError) Unwrap() error { return e.Err }

// Stamp signs with the online key in this folder which edition is the newest. It
// is to be run once a day.
func (r *Registry) Stamp(unlock Unlock, now time.Time) error {
	council, err := r.Council()
	if err != nil {
		return err
	}
	files, err := keyFiles(r.dir, onlineKey)
	if err != nil {
		return err
	}
	unlock = once(unlock)
	for _, f := range slices.Backward(files) {
		k, err := f.read(unlock)
		if err != nil {
			return err
		}
		if k.Public() == council.Online {
			return r.repo.Stamp(k, now)
		}
	}
	return protocol.Refuse(protocol.WrongRole, "none of the %d online keys in %s is that of the root in force: %s", len(files), r.dir, council.Online.String()[:12])
}
