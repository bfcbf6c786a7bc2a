package federation

import (
	"errors"
	"fmt"
	"time"

	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/record"
	"comity/protocol/statement"
)

// Adoption is what the directory has of one state and the node has not. Adopting
// it, with a leaf for each record, is the node's.
type Adoption struct {
	State protocol.StateID
	// Chain are the records in order, each following from the one before and the
	// first from the newest that is held. The last is valid now; others may have ended.
	Chain []*record.State
	// First says that nothing of this state is held: only the stewards vouch for it,
	// as long as no person has compared its words (R-REC-4).
	First bool
}

// Refusal is a listed record that must not be adopted. The file is kept: it bears
// the signatures of those who listed it. An error without a reason code says that the
// file is damaged here, and nobody is to blame.
type Refusal struct {
	Item Item
	Err  error
}

// judge carries out R-FED-5: whoever signed the edition, a record counts only if
// it follows from those of its state that the node holds (R-REC-3). A bad one does
// not keep the next one, which may follow, from counting; and states do not wait
// for each other. One state's records at a time are in memory.
func (c *Client) judge(held Held, now time.Time, adopt func(Adoption) error) (refusals []Refusal, err error) {
	items := c.edition.Items()
	for len(items) > 0 {
		n := 1
		for n < len(items) && items[n].State == items[0].State {
			n++
		}
		a, refused := c.judgeState(items[:n], held, now)
		if len(a.Chain) > 0 {
			if err := adopt(a); err != nil {
				return nil, err
			}
		}
		refusals = append(refusals, refused...)
		items = items[n:]
	}
	return refusals, nil
}

// judgeState judges the records of one state, given by number. Behind one that is
// damaged here nothing can be judged, and the rest waits.
func (c *Client) judgeState(items []Item, held Held, now time.Time) (a Adoption, refused []Refusal) {
	prev := held.Newest(items[0].State)
	a = Adoption{State: items[0].State, First: prev == nil}
	var chain []*record.State
	for _, i := range items {
		var err error
		isHeld := prev != nil && i.Sequence <= prev.Record().Sequence
		if isHeld {
			err = c.checkHeld(i, held)
		} else {
			var next *record.State
			if next, err = c.follow(i, prev, now); err == nil {
				prev, chain = next, append(chain, next)
				if next.CheckTimes(now) == nil {
					a.Chain = chain
				}
			}
		}
		if err != nil {
			refused = append(refused, Refusal{i, err})
		}
		if errors.Is(err, errDamaged) && !isHeld {
			break
		}
	}
	return a, refused
}

// errDamaged is the fault of this side's disk: the file was whole when it was written.
var errDamaged = errors.New("its file is damaged here, and is fetched again from the next mirror that answers")

// kept reads a listed record.
func (c *Client) kept(i Item) (statement.Signed, error) {
	data, err := c.folder.listed(i, c.edition.files[i])
	if err != nil {
		return statement.Signed{}, fmt.Errorf("%w: %v", errDamaged, err) // %v: it is no refusal of the record
	}
	return record.DecodeIntroduction(data)
}

// follow verifies a listed record as the one after prev. One that has ended is a
// link of the chain all the same; one of the future is none yet.
func (c *Client) follow(i Item, prev *record.State, now time.Time) (*record.State, error) {
	signed, err := c.kept(i)
	if err != nil {
		return nil, err
	}
	next, err := record.Verify(signed, prev)
	if err != nil {
		return nil, err
	}
	if err := i.names(next); err != nil {
		return nil, err
	}
	if err := next.CheckTimes(now); protocol.CodeOf(err) == protocol.ClockSkew {
		return nil, err
	}
	return next, nil
}

// checkHeld compares a listed record with what is held under its number (R-FED-5).
// An older one that was never held is kept in the folder and changes nothing.
func (c *Client) checkHeld(i Item, held Held) error {
	digest, known := c.known[i]
	if !known {
		signed, err := c.kept(i)
		if err != nil {
			return err
		}
		digest = signed.Digest()
		c.known[i] = digest
	}
	return held.CheckRef(envelope.RecordRef{State: i.State, Sequence: i.Sequence, Digest: digest})
}
