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
	i, err := ReadIntroduction([]byte(in.File))
	if err != nil {
		return nil, err
	}
	if in.Heard == "" {
		return s.pinNext(ctx, in, i)
	}
	if words := len(strings.Fields(in.Heard)); words != len(i.Words) && strings.ContainsFunc(in.Heard, unicode.IsLetter) {
		return nil, fail(NotEqual, "let the other side read all of them again, and give them in quotes", "a record has %d words, and %d of them were given", len(i.Words), words)
	}
	if !i.Confirms(in.Heard) {
		return nil, fail(NotEqual, "do not pin it: get the introduction again by another way, and compare the words again by telephone",
			"the words are not those of this record: it is not the record of whom you spoke to, or a word was misheard")
	}
	signed, err := record.DecodeIntroduction([]byte(in.File))
	if err != nil {
		return nil, err
	}
	state, err := record.Verify(signed, nil)
	if err != nil {
		return nil, err
	}
	if i.State == s.node.Gateway.OwnState().Record().State {
		return nil, fail(Usage, "give this file to the other side, and pin the one that they give you",
			"this is the introduction of this node's own state %s", i.State)
	}
	if err := state.CheckTimes(s.now()); err != nil {
		return nil, fail(Code(protocol.CodeOf(err)), "ask the other side for a newer introduction, and compare the clocks", "%v", err)
	}
	done := &Pinned{State: i.State, Node: i.Node, Sequence: i.Sequence}
	if held, ok := s.node.Gateway.State(i.State); ok {
		done.Before = held.Record().Sequence
		word, err := s.onTheirWord(ctx)
		if err != nil {
			return nil, err
		}
		if slices.Contains(word, i.State) && (i.Sequence < done.Before || i.Sequence == done.Before && held.Ref().Digest != i.Digest) {
			return nil, fail(Code(protocol.Equivocation), fmt.Sprintf("call a steward, and send nothing to %s; a record of the state with a number above %d takes the place of the false one once it is pinned", i.State, done.Before),
				"the federation lists record %d of state %s, and nobody has compared its words: if record %d is what the state read to you, stewards have listed a false one", done.Before, i.State, i.Sequence)
		}
		if i.Sequence < done.Before {
			return nil, fail(Usage, fmt.Sprintf("ask the other side for their newest introduction, which they write with: comity introduce -o FILE. If they made no record %d, %s", done.Before, takesItsPlace(done.Before)),
				"record %d of state %s is older than record %d, which this node has; nothing changed", i.Sequence, i.State, done.Before)
		}
		if i.Sequence == done.Before && held.Ref().Digest != i.Digest {
			return nil, fail(Code(protocol.Equivocation), fmt.Sprintf("send nothing to %s: %s", i.State, takesItsPlace(done.Before)),
				"this node has another record %d of state %s, which its words say is false: somebody else has the state's offline key; nothing changed", done.Before, i.State)
		}
		if held.Ref().Digest == state.Ref().Digest {
			if done.Already, err = s.confirmed(ctx, i.Node); err != nil || done.Already {
				return done, err
			}
		}
	}
	if err := s.node.Gateway.Pin(ctx, state); err != nil {
		return nil, err
	}
	return done, s.node.Gateway.Store.NoteAct(ctx, store.Act{
		Kind: store.ActPin, Subject: "state " + string(i.State), Detail: fmt.Sprintf("record %d, SHA-256 %s, by its words", i.Sequence, i.Digest),
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
	i, err := ReadIntroduction([]byte(in.File))
	if err != nil {
		return nil, err
	}
	held, err := s.followed(ctx, i)
	if err != nil || held == nil {
		return &Follows{}, err
	}
	return &Follows{Before: held.Record().Sequence}, nil
}

// followed returns the record from which one follows that somebody brought; nil: words
// have to be compared. They have to be also where a state rests on stewards alone, as
// nobody has compared any yet, and where it tells of a theft, or a thief may speak.
func (s *Service) followed(ctx context.Context, i *Introduction) (*record.State, error) {
	held, known := s.node.Gateway.State(i.State)
	if !known || i.State == s.node.Gateway.OwnState().Record().State || i.Sequence <= held.Record().Sequence {
		return nil, nil
	}
	word, err := s.onTheirWord(ctx)
	if err != nil || slices.Contains(word, i.State) {
		return nil, err
	}
	signed, err := record.DecodeIntroduction([]byte(i.File))
	if err != nil {
		return nil, err
	}
	if next, err := record.Verify(signed, held); err != nil || wantsWords(next, held) {
		return nil, nil
	}
	return held, nil
}

// pinNext adopts a record without words, as a contact with its node would (R-REC-9).
func (s *Service) pinNext(ctx context.Context, in pinRequest, i *Introduction) (*Pinned, error) {
	held, err := s.followed(ctx, i)
	if err != nil {
		return nil, err
	}
	if held == nil {
		return nil, fail(NotEqual, "let the other side read the words of its record to you", "record %d of state %s does not follow from one that is trusted here, so its words have to be compared", i.Sequence, i.State)
	}
	signed, err := record.DecodeIntroduction([]byte(in.File))
	if err != nil {
		return nil, err
	}
	if err := s.node.Gateway.AdoptNext(ctx, signed, held); err != nil {
		return nil, err
	}
	done := &Pinned{State: i.State, Node: i.Node, Sequence: i.Sequence, Before: held.Record().Sequence, Followed: true}
	return done, s.node.Gateway.Store.NoteAct(ctx, store.Act{
		Kind: store.ActPin, Subject: "state " + string(i.State), Detail: fmt.Sprintf("record %d, SHA-256 %s, as it follows record %d", i.Sequence, i.Digest, done.Before),
	})
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
