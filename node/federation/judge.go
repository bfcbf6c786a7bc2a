package federation

import (
	"time"

	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/record"
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
// the signatures of those who listed it.
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
		a, refused, err := c.judgeState(items[:n], held, now)
		if err == nil && len(a.Chain) > 0 {
			err = adopt(a)
		}
		if err != nil {
			return nil, err
		}
		refusals = append(refusals, refused...)
		items = items[n:]
	}
	return refusals, nil
}

// judgeState judges the records of one state, given by number. The error is
// trouble with this side's own files.
func (c *Client) judgeState(items []Item, held Held, now time.Time) (a Adoption, refused []Refusal, err error) {
	prev := held.Newest(items[0].State)
	a = Adoption{State: items[0].State, First: prev == nil}
	var chain []*record.State
	for _, i := range items {
		if prev != nil && i.Sequence <= prev.Record().Sequence {
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
		if err != nil && protocol.CodeOf(err) == "" {
			return a, nil, err
		}
		if err != nil {
			refused = append(refused, Refusal{i, err})
		}
	}
	return a, refused, nil
}

// follow verifies a listed record as the one after prev. One that has ended is a
// link of the chain all the same; one of the future is none yet.
func (c *Client) follow(i Item, prev *record.State, now time.Time) (*record.State, error) {
	signed, err := c.folder.record(i, c.edition.files[i])
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
		signed, err := c.folder.record(i, c.edition.files[i])
		if err != nil {
			return err
		}
		digest = signed.Digest()
		c.known[i] = digest
	}
	return held.CheckRef(envelope.RecordRef{State: i.State, Sequence: i.Sequence, Digest: digest})
}
