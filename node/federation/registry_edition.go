package federation

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"comity/protocol"
	"comity/protocol/record"
	"comity/protocol/statement"
)

// Add drafts the next edition: all that is listed, and these records more, each
// the first of its state or one that follows. None: the edition is renewed, before
// it ends. Made again it returns the same draft.
func (r *Registry) Add(records []statement.Signed, now time.Time) (*Drafted, error) {
	if _, err := r.Council(); err != nil {
		return nil, err
	}
	for _, s := range records {
		st, err := record.Verify(s, nil)
		if err == nil {
			err = st.CheckTimes(now)
		}
		if err != nil {
			return nil, err
		}
	}
	open, err := r.Draft()
	if err != nil {
		return nil, err
	}
	if open != nil {
		if open.edition != nil && open.adds(records) {
			return open, nil
		}
		return nil, &OpenError{open.Name()}
	}
	least, err := r.leastNumber()
	if err != nil {
		return nil, err
	}
	draft, err := r.repo.draftEdition(records, least, now)
	if err != nil {
		return nil, err
	}
	d, err := r.hand(draft)
	if err == nil && len(d.added) < len(records) {
		err = errors.Join(d.listedAlready(records), r.clear(d.Path))
	}
	return d, err
}

// listedAlready says which of these records a draft does not add.
func (d *Draft) listedAlready(records []statement.Signed) error {
	for _, s := range records {
		if slices.ContainsFunc(d.added, func(a Addition) bool { return a.State.Ref().Digest == s.Digest() }) {
			continue
		}
		r, err := record.Parse(s.Document)
		if err != nil {
			return err
		}
		return protocol.Refuse(protocol.Policy, "record %d of state %s is listed already: leave it out", r.Sequence, r.State)
	}
	return protocol.Refuse(protocol.Policy, "a record was given twice")
}

// adds reports whether a draft adds these records and no others.
func (d *Draft) adds(records []statement.Signed) bool {
	if len(records) != len(d.added) {
		return false
	}
	return !slices.ContainsFunc(records, func(s statement.Signed) bool {
		return !slices.ContainsFunc(d.added, func(a Addition) bool { return a.State.Ref().Digest == s.Digest() })
	})
}

var givenUpName = regexp.MustCompile(`^edition-([1-9][0-9]{0,15})\.`)

// leastNumber is one that no edition had which was given up, nor a smaller one: stewards
// may have signed that draft, and never sign two under one number.
func (r *Registry) leastNumber() (int64, error) {
	entries, err := os.ReadDir(filepath.Join(r.dir, givenUpFolder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	least := int64(1)
	for _, e := range entries {
		if match := givenUpName.FindStringSubmatch(e.Name()); match != nil {
			if n, err := strconv.ParseInt(match[1], 10, 64); err == nil {
				least = max(least, n+1)
			}
		}
	}
	return least, nil
}
