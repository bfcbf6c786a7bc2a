package federation

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"comity/protocol"
	"comity/protocol/record"
)

// hand writes the paper of a new draft.
func (r *Registry) hand(draft []byte) (*Drafted, error) {
	p, err := r.paper(draft)
	if err != nil {
		return nil, err
	}
	d, err := ReadDraft(p)
	if err != nil {
		return nil, fmt.Errorf("what was drafted does not hold together: %w", err)
	}
	return r.store(d)
}

// store writes the paper of the open draft in the place of the one before.
func (r *Registry) store(d *Draft) (*Drafted, error) {
	data, err := d.Bytes()
	if err != nil {
		return nil, err
	}
	name := draftFolder + "/" + d.Name() + ".json"
	return &Drafted{Draft: d, Path: filepath.Join(r.dir, filepath.FromSlash(name))}, folder(r.dir).put(name, data)
}

// paper puts everything into one file that stewards need to judge a draft.
func (r *Registry) paper(draft []byte) ([]byte, error) {
	p := &paper{Type: PaperType, Draft: draft, Roots: []sheet{}, Records: []sheet{}}
	for v := int64(1); ; v++ {
		text, err := r.repo.folder.read(numbered(v, rootFile), protocol.MaxRoot)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return nil, err
		}
		if v > maxPaperRoots {
			return nil, protocol.Refuse(protocol.TooLarge, "there are more than %d roots", maxPaperRoots)
		}
		p.Roots = append(p.Roots, sheet{text})
	}
	if m, err := parseEdition(draft); err == nil {
		after, err := newEdition(m)
		if err == nil {
			err = r.attach(p, after)
		}
		if err != nil {
			return nil, err
		}
	}
	return (&Draft{paper: *p}).Bytes()
}

// attach puts the edition in force into a paper, and the records that are added
// with those that they follow.
func (r *Registry) attach(p *paper, after *Edition) error {
	before := &Edition{}
	held, err := r.repo.edition()
	if err != nil {
		return err
	}
	if held != nil {
		if before, err = newEdition(held); err != nil {
			return err
		}
		if p.Before, err = r.repo.folder.read(editionFile, protocol.MaxEdition); err != nil {
			return err
		}
	}
	get := func(i Item) ([]byte, error) { return r.repo.folder.listed(i, after.files[i]) }
	inPaper := map[protocol.StateID]bool{}
	put := map[protocol.Digest]bool{} // one file may be listed twice
	add := func(i Item) error {
		text, err := get(i)
		if err == nil && !put[protocol.Sum(text)] {
			p.Records, put[protocol.Sum(text)] = append(p.Records, sheet{text}), true
		}
		return err
	}
	for _, i := range after.Items() {
		if _, listed := before.files[i]; listed {
			continue
		}
		all := []Item{i}
		if !inPaper[i.State] {
			next, err := r.repo.folder.record(i, after.files[i])
			if err != nil {
				return err
			}
			l, err := linked(next, before.of(i.State), get)
			if err != nil {
				return fmt.Errorf("%s: %w", i.name(), err)
			}
			all, inPaper[i.State] = append(all, l.read...), true
		}
		for _, one := range all {
			if err := add(one); err != nil {
				return err
			}
		}
	}
	root, err := r.repo.root()
	if err != nil || held == nil || verify(root, metadata.TARGETS, held) == nil {
		return err
	}
	var firsts []Item // stewards judge anew what only former stewards have signed
	if err := before.eachFirst(get, func(i Item, _ *record.State) { firsts = append(firsts, i) }); err != nil {
		return err
	}
	for _, i := range firsts {
		if err := add(i); err != nil {
			return err
		}
	}
	return nil
}
