package control

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"comity/node/gateway"
	"comity/protocol"
	"comity/protocol/record"
	"comity/store"
)

// pinRequest carries the introduction and what a person heard: there is no way
// to pin without the comparison, but for a record that follows (R-REC-3).
type pinRequest struct {
	File  string `json:"file"`
	Heard string `json:"heard"`
}

// Pinned says what pinning did.
type Pinned struct {
	State    protocol.StateID `json:"state"`
	Node     protocol.NodeID  `json:"node"`
	Sequence int64            `json:"sequence"`
	// Before is the number of the record that was known before; 0: none.
	Before int64 `json:"before"`
	// Already says that this very record was pinned before, so nothing changed.
	Already bool `json:"already"`
	// Followed says that it follows from the one before by the state's own keys, so
	// that nobody had to compare words.
	Followed bool `json:"followed"`
}

func (s *Service) pin(ctx context.Context, in pinRequest) (*Pinned, error) {
	state, err := readIntroduction([]byte(in.File))
	if err != nil {
		return nil, err
	}
	if in.Heard == "" {
		return s.pinNext(ctx, state)
	}
	if err := compared(state, in.Heard); err != nil {
		return nil, err
	}
	r := state.Record()
	if r.State == s.node.Gateway.OwnState().Record().State {
		return nil, fail(Usage, "give this file to the other side, and pin the one that they give you",
			"this is the introduction of this node's own state %s", r.State)
	}
	if err := state.CheckTimes(s.now()); err != nil {
		return nil, fail(Code(protocol.CodeOf(err)), "ask the other side for a newer introduction, and compare the clocks", "%v", err)
	}
	done := &Pinned{State: r.State, Node: r.Node.ID, Sequence: r.Sequence}
	if held, ok := s.node.Gateway.State(r.State); ok {
		done.Before = held.Record().Sequence
		if err := s.mayFollow(ctx, state, held); err != nil {
			return nil, err
		}
		if held.Ref() == state.Ref() {
			if done.Already, err = s.confirmed(ctx, r.Node.ID); err != nil || done.Already {
				return done, err
			}
		}
	}
	if err := s.node.Gateway.Pin(ctx, state); err != nil {
		return nil, err
	}
	return done, s.notePin(ctx, state, "by its words")
}

// compared refuses what a person heard when it is not what the record says.
func compared(state *record.State, heard string) error {
	wanted := state.Words()
	if words := len(strings.Fields(heard)); words != len(wanted) && strings.ContainsFunc(heard, unicode.IsLetter) {
		return fail(NotEqual, "let the other side read all of them again, and give them in quotes", "a record has %d words, and %d of them were given", len(wanted), words)
	}
	if !confirms(heard, wanted, state.Digits()) {
		return fail(NotEqual, "do not pin it: get the introduction again by another way, and compare the words again by telephone",
			"the words are not those of this record: it is not the record of whom you spoke to, or a word was misheard")
	}
	return nil
}

// mayFollow refuses a record whose words were compared, and that is neither the one which is
// held nor a later one.
func (s *Service) mayFollow(ctx context.Context, state, held *record.State) error {
	is, has := state.Ref(), held.Ref()
	if is == has || is.Sequence > has.Sequence {
		return nil
	}
	word, err := s.onTheirWord(ctx)
	switch {
	case err != nil:
		return err
	case slices.Contains(word, is.State):
		return fail(Code(protocol.Equivocation), fmt.Sprintf("call a steward, and send nothing to %s; a record of the state with a number above %d takes the place of the false one once it is pinned", is.State, has.Sequence),
			"the federation lists record %d of state %s, and nobody has compared its words: if record %d is what the state read to you, stewards have listed a false one", has.Sequence, is.State, is.Sequence)
	case is.Sequence < has.Sequence:
		return fail(Usage, fmt.Sprintf("ask the other side for their newest introduction, which they write with: comity introduce -o FILE. If they made no record %d, %s", has.Sequence, takesItsPlace(has.Sequence)),
			"record %d of state %s is older than record %d, which this node has; nothing changed", is.Sequence, is.State, has.Sequence)
	}
	return fail(Code(protocol.Equivocation), fmt.Sprintf("send nothing to %s: %s", is.State, takesItsPlace(has.Sequence)),
		"this node has another record %d of state %s, which its words say is false: somebody else has the state's offline key; nothing changed", has.Sequence, is.State)
}

// notePin notes that a record is trusted from now on, and why.
func (s *Service) notePin(ctx context.Context, state *record.State, why string) error {
	ref := state.Ref()
	return s.node.Gateway.Store.NoteAct(ctx, store.Act{
		Kind: store.ActPin, Subject: "state " + string(ref.State), Detail: fmt.Sprintf("record %d, SHA-256 %s, %s", ref.Sequence, ref.Digest, why),
	})
}

// confirmed reports whether a person compared the words of a node's record.
func (s *Service) confirmed(ctx context.Context, node protocol.NodeID) (bool, error) {
	known, err := s.node.Gateway.Peers(ctx)
	return slices.ContainsFunc(known, func(k gateway.Peer) bool { return k.Node == node && k.Pinned }), err
}

// followsRequest carries an introduction.
type followsRequest struct {
	File string `json:"file"`
}

// Follows says whether a record follows from the one that is held.
type Follows struct {
	Before int64 `json:"before"` // number of that one; 0: it does not
}

func (s *Service) follows(ctx context.Context, in followsRequest) (*Follows, error) {
	next, err := readIntroduction([]byte(in.File))
	if err != nil {
		return nil, err
	}
	held, err := s.followed(ctx, next)
	if err != nil || held == nil {
		return &Follows{}, err
	}
	return &Follows{Before: held.Record().Sequence}, nil
}

// followed returns the record from which one follows that somebody brought; nil: words
// have to be compared. They have to be also where a state rests on stewards alone, as
// nobody has compared any yet, and where it tells of a theft, or a thief may speak.
func (s *Service) followed(ctx context.Context, next *record.State) (*record.State, error) {
	r := next.Record()
	held, known := s.node.Gateway.State(r.State)
	if !known || r.State == s.node.Gateway.OwnState().Record().State || r.Sequence <= held.Record().Sequence {
		return nil, nil
	}
	word, err := s.onTheirWord(ctx)
	if err != nil || slices.Contains(word, r.State) {
		return nil, err
	}
	if _, err := record.Verify(next.Signed(), held); err != nil || wantsWords(next, held) {
		return nil, nil
	}
	return held, nil
}

// pinNext adopts a record without words, as a contact with its node would (R-REC-9).
func (s *Service) pinNext(ctx context.Context, next *record.State) (*Pinned, error) {
	r := next.Record()
	held, err := s.followed(ctx, next)
	if err != nil {
		return nil, err
	}
	if held == nil {
		return nil, fail(NotEqual, "let the other side read the words of its record to you", "record %d of state %s does not follow from one that is trusted here, so its words have to be compared", r.Sequence, r.State)
	}
	if err := s.node.Gateway.AdoptNext(ctx, next.Signed(), held); err != nil {
		return nil, err
	}
	done := &Pinned{State: r.State, Node: r.Node.ID, Sequence: r.Sequence, Before: held.Record().Sequence, Followed: true}
	return done, s.notePin(ctx, next, fmt.Sprintf("as it follows record %d", done.Before))
}

// Pin trusts the record of an introduction from now on. heard is what the
// person on the telephone read out: words or digits. NotEqual when they are not
// those of the record. Without it, a record counts that Follows from the one held.
func (c *Client) Pin(ctx context.Context, file []byte, heard string) (*Pinned, error) {
	return call[*Pinned](ctx, c, "/v1/pin", pinRequest{File: string(file), Heard: heard})
}

// Follows asks whether the record of an introduction follows from the one that is held
// of its state, by the state's own keys, names no other offline key and tells of no
// theft: then nobody has to compare words.
func (c *Client) Follows(ctx context.Context, file []byte) (*Follows, error) {
	return call[*Follows](ctx, c, "/v1/pin/follows", followsRequest{File: string(file)})
}
