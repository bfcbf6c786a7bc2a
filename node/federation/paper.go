package federation

import (
	"errors"
	"fmt"
	"slices"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"
	"github.com/theupdateframework/go-tuf/v2/metadata"

	"comity/protocol"
	"comity/protocol/record"
	"comity/protocol/statement"
)

// PaperType is the first member of a paper.
const PaperType = "comity/draft/v1"

// MaxPaper is the size of the largest paper that is read, in bytes: a large
// federation's edition, the one before, and the first records of a dozen states
// with hundreds of authorities each, or of all 250 with one.
const MaxPaper = 64 << 20

// maxPaperRoots is how many roots a paper has at most: one a year for centuries.
const maxPaperRoots = 256

// paper is the file in which a draft goes from the registrar to the stewards and
// back: the draft, with everything that a steward on a machine without a network
// needs to see what it changes. It is not signed; what counts in it is.
type paper struct {
	Type    string  `json:"type"`
	Roots   []sheet `json:"roots" max:"256"`                         // all that were published, from the first on
	Before  []byte  `json:"before" carry:"text,null" long:"4194304"` // the edition in force; a draft of a root has none
	Records []sheet `json:"records"`                                 // introductions: what an edition adds, and of the same states the one that is followed, and later ones; and the first of each state, if before is signed by former stewards only
	Draft   []byte  `json:"draft" carry:"text" long:"4194304"`       // root or edition, with the signatures so far
}

// sheet is one file in a paper.
type sheet struct {
	Text []byte `json:"text" carry:"text" long:"9000000"`
}

// Kind says what a draft is of.
type Kind string

// The two kinds of drafts.
const (
	RootKind    Kind = "root"
	EditionKind Kind = "edition"
)

// Draft is a root or an edition on its way through the stewards' hands, read from
// a paper and verified: it follows from what is published, and all that it would
// change is known. Nothing but signatures can be added to it.
type Draft struct {
	paper paper
	roots []*metadata.Metadata[metadata.RootType]

	root    *metadata.Metadata[metadata.RootType]    // the draft, if it is one of a root
	edition *metadata.Metadata[metadata.TargetsType] // or of an edition

	council *Council // by whom it is signed: for a root the new ones
	former  *Council // for a root: those of the root before; nil: it is the first
	before  *Edition // for an edition: the one in force; nil: it is the first
	after   *Edition
	added   []Addition
	// byFormer says that the edition in force bears no signatures of present stewards that suffice.
	byFormer bool
	firsts   []Addition // the first record of each state, where only former stewards have signed before
}

// Addition is a record that an edition would add.
type Addition struct {
	State *record.State
	// Before is the listed one of this state that State follows; nil: the state is new
	// here, and only its words tell whose record it is (R-REC-4).
	Before *record.State
	// Passed are listed records of this state with larger numbers than Before. None of
	// them follows it: stewards have listed what the state never signed.
	Passed []Item
}

// ReadDraft reads a paper, and verifies it but for times (see CheckTimes): roots
// from the first on, the edition in force under them, and each record by the
// continuity rule (R-FED-2, R-FED-4, R-FED-5).
func ReadDraft(data []byte) (*Draft, error) {
	d := &Draft{}
	if err := statement.Decode(data, PaperType, MaxPaper, &d.paper); err != nil {
		return nil, fmt.Errorf("it is no draft of a federation: %w", err)
	}
	if err := d.readRoots(); err != nil {
		return nil, err
	}
	var err error
	if d.root, err = parseRoot(d.paper.Draft); err == nil {
		return d, d.readRoot()
	}
	var refused error
	if d.edition, refused = parseEdition(d.paper.Draft); refused != nil {
		return nil, protocol.Refuse(protocol.Malformed, "the draft is neither a root (%v) nor an edition (%v)", err, refused)
	}
	return d, d.readEdition()
}

// readRoots verifies the chain of published roots.
func (d *Draft) readRoots() error {
	for i, s := range d.paper.Roots {
		m, err := parseRoot(s.Text)
		if err == nil && m.Signed.Version != int64(i+1) {
			err = protocol.Refuse(protocol.Malformed, "root %d stands in the place of root %d", m.Signed.Version, i+1)
		}
		if err == nil && i > 0 {
			err = verify(d.roots[i-1], metadata.ROOT, m)
		}
		if err == nil {
			err = verify(m, metadata.ROOT, m)
		}
		if err != nil {
			return fmt.Errorf("root %d in the paper: %w", i+1, err)
		}
		d.roots = append(d.roots, m)
	}
	return nil
}

// inForce is the newest published root; nil: there is none.
func (d *Draft) inForce() *metadata.Metadata[metadata.RootType] {
	if len(d.roots) == 0 {
		return nil
	}
	return d.roots[len(d.roots)-1]
}

func (d *Draft) readRoot() (err error) {
	if v := d.root.Signed.Version; v != int64(len(d.roots)+1) {
		return protocol.Refuse(protocol.Malformed, "a draft of root %d does not follow root %d", v, len(d.roots))
	}
	if d.paper.Before != nil || len(d.paper.Records) > 0 {
		return protocol.Refuse(protocol.Malformed, "a draft of a root has nothing to do with records")
	}
	if d.council, err = councilOf(&d.root.Signed); err != nil {
		return err
	}
	if held := d.inForce(); held != nil {
		d.former, err = councilOf(&held.Signed)
	}
	return err
}

func (d *Draft) readEdition() (err error) {
	held := d.inForce()
	if held == nil {
		return protocol.Refuse(protocol.Malformed, "there is no root yet by which an edition could be signed")
	}
	if d.council, err = councilOf(&held.Signed); err != nil {
		return err
	}
	if d.paper.Before != nil {
		before, err := parseEdition(d.paper.Before)
		if err == nil {
			d.byFormer, err = d.signedByThen(before)
		}
		if err == nil {
			d.before, err = newEdition(before)
		}
		if err != nil {
			return fmt.Errorf("the edition in force: %w", err)
		}
	}
	if d.after, err = newEdition(d.edition); err != nil {
		return err
	}
	if err := d.after.follows(d.before); err != nil {
		return err
	}
	if d.before != nil && d.after.version == d.before.version {
		return protocol.Refuse(protocol.Expired, "edition %d is published already", d.after.version)
	}
	return d.readRecords()
}

// signedByThen verifies the edition in force under the newest root whose stewards
// have signed it: those who sign may have changed since. Then it is by former ones:
// whoever has stolen their keys can have made it yesterday.
func (d *Draft) signedByThen(m *metadata.Metadata[metadata.TargetsType]) (byFormer bool, err error) {
	var last error
	for n, root := range slices.Backward(d.roots) {
		err := verify(root, metadata.TARGETS, m)
		if err == nil {
			return n < len(d.roots)-1, nil
		}
		last = errors.Join(err, last)
	}
	return false, last
}

// readRecords verifies what the edition adds. Each added record must be in the
// paper, and nothing in the paper may be anything else.
func (d *Draft) readRecords() error {
	sheets, taken := map[protocol.Digest][]byte{}, map[protocol.Digest]bool{}
	for _, s := range d.paper.Records {
		sheets[protocol.Sum(s.Text)] = s.Text
	}
	take := func(i Item, f file) ([]byte, error) {
		text, there := sheets[f.digest]
		if !there {
			return nil, protocol.Refuse(protocol.Malformed, "the file of %s is not in the paper", i.name())
		}
		taken[f.digest] = true // one file may be listed under two names
		return text, nil
	}
	newest := map[protocol.StateID]*record.State{}
	for _, i := range d.after.Items() {
		if d.before != nil {
			if _, listed := d.before.files[i]; listed {
				continue
			}
		}
		added, err := d.readAddition(i, newest[i.State], take)
		if err != nil {
			return fmt.Errorf("%s: %w", i.name(), err)
		}
		newest[i.State], d.added = added.State, append(d.added, *added)
	}
	if d.byFormer {
		err := d.before.eachFirst(func(i Item) ([]byte, error) { return take(i, d.before.files[i]) }, func(_ Item, s *record.State) {
			if s != nil {
				d.firsts = append(d.firsts, Addition{State: s})
			}
		})
		if err != nil {
			return err
		}
	}
	if len(sheets) > len(taken) {
		return protocol.Refuse(protocol.Malformed, "there are records in the paper that the draft does not add")
	}
	return nil
}

// readAddition verifies one added record, which follows one that the draft adds, too,
// or one that is listed.
func (d *Draft) readAddition(i Item, prev *record.State, take func(Item, file) ([]byte, error)) (*Addition, error) {
	text, err := take(i, d.after.files[i])
	if err != nil {
		return nil, err
	}
	signed, err := record.DecodeIntroduction(text)
	if err != nil {
		return nil, err
	}
	a := &Addition{Before: prev}
	if prev != nil || d.before == nil {
		a.State, err = record.Verify(signed, prev)
	} else {
		var l *link
		l, err = linked(signed, d.before.of(i.State), func(i Item) ([]byte, error) { return take(i, d.before.files[i]) })
		if err == nil {
			a.State, a.Before, a.Passed = l.state, l.before, l.passed()
		}
	}
	if err == nil {
		err = i.names(a.State)
	}
	return a, err
}

// Bytes writes the paper, with the signatures so far.
func (d *Draft) Bytes() ([]byte, error) {
	p := d.paper
	p.Type = PaperType
	size := len(p.Draft) + len(p.Before)
	for _, s := range slices.Concat(p.Roots, p.Records) {
		size += len(s.Text)
	}
	data, err := statement.EncodeCarrier(p, size+size/8)
	if err == nil && len(data) > MaxPaper {
		err = protocol.Refuse(protocol.TooLarge, "the paper of the draft would have %d bytes, at most %d allowed: add fewer records at a time", len(data), MaxPaper)
	}
	return data, err
}

// contentDigest is the SHA-256 of what signatures are over: the same for a draft
// whoever has signed it.
func contentDigest(signed any) (protocol.Digest, error) {
	text, err := cjson.EncodeCanonical(signed)
	return protocol.Sum(text), err
}
