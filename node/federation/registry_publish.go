package federation

import (
	"fmt"
	"slices"
	"time"

	"comity/protocol"
)

// Collected is what came of papers that were handed in.
type Collected struct {
	*Draft
	Published bool
}

// Collect takes the signatures out of papers that stewards hand in, and publishes
// the draft once enough have signed. Nodes see an edition after Stamp. A paper that
// is refused leaves everything as it was. Nil: no draft is open.
func (r *Registry) Collect(papers [][]byte, now time.Time) (*Collected, error) {
	open, err := r.Draft()
	if err != nil || open == nil {
		return nil, err
	}
	// Signatures that were enough before are published first: had the power gone in
	// the middle of it, the numbered file is written with just these.
	if len(open.Missing()) > 0 {
		for n, data := range papers {
			signed, err := ReadDraft(data)
			if err == nil {
				err = open.Merge(signed)
			}
			if err != nil {
				return nil, &PaperError{n, err}
			}
		}
		if _, err := r.store(open.Draft); err != nil {
			return nil, err
		}
	}
	if len(open.Missing()) > 0 {
		return &Collected{Draft: open.Draft}, nil
	}
	if open.root != nil {
		err = r.repo.PublishRoot(open.paper.Draft, now)
	} else {
		err = r.repo.PublishEdition(open.paper.Draft, now)
	}
	if err != nil {
		return nil, err
	}
	return &Collected{Draft: open.Draft, Published: true}, r.clear(open.Path)
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
