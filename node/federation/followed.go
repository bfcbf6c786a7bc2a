package federation

import (
	"slices"

	"comity/protocol"
	"comity/protocol/record"
	"comity/protocol/statement"
)

// link is a record in the chain of its state, among those that are listed.
type link struct {
	state *record.State
	// before is the listed one that it follows; nil: none that is listed is a record.
	before *record.State
	// read are the listed ones that show it, newest first: the one that it follows,
	// and those passed over on the way there.
	read []Item
}

// passed are the listed records with larger numbers than the one that it follows.
func (l *link) passed() []Item {
	if l.before == nil {
		return l.read
	}
	return l.read[:len(l.read)-1]
}

// linked finds the listed record that another of its state follows (R-REC-3): the
// newest one that no listed record follows. That need not be the newest one. Stewards
// may once have listed one that the state never signed, which stays listed (R-FED-4),
// and must not shut the state out for ever. But a second record after one that is
// followed already stays refused, whoever has a key of that time.
//
// earlier are all that are listed of the state, in the order of numbers: also those with
// larger numbers than next, or a second record could be put between two that follow each
// other, where a number was left out. get returns the file of one of them, with the
// digest that is listed; what it cannot return is not passed over, so nobody can have
// an older record followed by hiding a newer one.
func linked(next statement.Signed, earlier []Item, get func(Item) ([]byte, error)) (*link, error) {
	var (
		l     link
		later []statement.Signed
		why   error
	)
	for _, i := range slices.Backward(earlier) {
		data, err := get(i)
		if err != nil {
			return nil, err
		}
		l.read = append(l.read, i)
		prev, err := readRecord(i, data)
		if err != nil {
			continue // it is no record that a node would take
		}
		isFollowed := slices.ContainsFunc(later, func(s statement.Signed) bool {
			_, refused := record.Verify(s, prev)
			return refused == nil
		})
		later = slices.Insert(later, 0, prev.Signed()) // the nearest follows most likely
		if isFollowed {
			continue
		}
		if l.state, err = record.Verify(next, prev); err == nil {
			l.before = prev
			return &l, nil
		}
		if why == nil {
			why = err
		}
	}
	if why != nil {
		return nil, why
	}
	var err error
	l.state, err = record.Verify(next, nil)
	return &l, err
}

// readRecord reads the file of a listed record and verifies it by itself. Under a name
// that is not its own it counts for nobody (R-FED-5).
func readRecord(i Item, file []byte) (*record.State, error) {
	signed, err := record.DecodeIntroduction(file)
	if err != nil {
		return nil, err
	}
	s, err := record.Verify(signed, nil)
	if err != nil {
		return nil, err
	}
	return s, i.names(s)
}

// names refuses a record that is not the one which the item names.
func (i Item) names(s *record.State) error {
	if ref := s.Ref(); ref.State != i.State || ref.Sequence != i.Sequence {
		return protocol.Refuse(protocol.WrongRole, "it is record %d of %s", ref.Sequence, ref.State)
	}
	return nil
}

// eachFirst finds the first record of each state as a node that joins does (R-FED-5):
// the lowest listed that is one. It calls got for each that it reads, with nil for those
// that are none.
func (l *Edition) eachFirst(get func(Item) ([]byte, error), got func(Item, *record.State)) error {
	var done protocol.StateID
	for _, i := range l.Items() {
		if i.State == done {
			continue
		}
		data, err := get(i)
		if err != nil {
			return err
		}
		s, err := readRecord(i, data)
		if err != nil {
			got(i, nil)
			continue
		}
		got(i, s)
		done = i.State
	}
	return nil
}

// of returns what is listed of a state, by number.
func (l *Edition) of(id protocol.StateID) []Item {
	return slices.DeleteFunc(l.Items(), func(i Item) bool { return i.State != id })
}
