package bundle

import (
	"maps"
	"slices"
	"strings"

	"comity/protocol"
	"comity/protocol/record"
)

// Trust is what a verifier holds itself: one record of each state that it knows,
// whose words it has compared (R-REC-4). It is immutable.
type Trust struct {
	anchors map[protocol.StateID]*record.State
	policy  *policy // nil: none
}

// ParseTrust reads a folder of anchors by the names of its files: STATE.json is
// an introduction of that state, which parties and witnesses alike need, and
// policy, if it is there, says in the words of C2SP tlog-policy which witnesses
// must have cosigned all evidence. Errors name the file.
func ParseTrust(files map[string][]byte) (*Trust, error) {
	t := &Trust{anchors: map[protocol.StateID]*record.State{}}
	for name, data := range files {
		if name == policyName {
			var err error
			if t.policy, err = parsePolicy(string(data)); err != nil {
				return nil, &Fault{Member: name, Err: err, advice: "mend that line, or take the file away"}
			}
			continue
		}
		var state protocol.StateID
		base, ok := strings.CutSuffix(name, ".json")
		if !ok || state.UnmarshalText([]byte(base)) != nil {
			return nil, &Fault{
				Member: name, Err: protocol.Refuse(protocol.Malformed, "an anchor is called after its state, like xa.json"),
				advice: "call it so, or take it out of the folder of your anchors",
			}
		}
		signed, err := record.DecodeIntroduction(data)
		const again = "ask that state for its introduction once more: this is not the file as it was written"
		if err != nil {
			return nil, &Fault{Member: name, Err: err, advice: again}
		}
		s, err := record.Verify(signed, nil)
		if err == nil && s.Record().State != state {
			err = protocol.Refuse(protocol.Malformed, "it is the record of %s", s.Record().State)
		}
		if err != nil {
			return nil, &Fault{Member: name, Err: err, advice: again}
		}
		t.anchors[state] = s
	}
	return t, nil
}

// holds reports whether there is an anchor of the state.
func (t *Trust) holds(s protocol.StateID) bool { return t != nil && t.anchors[s] != nil }

// join returns the histories with the anchors in them. Records of states without
// an anchor stay as the bundle has them. A bundle that brings its own trust, that
// is records that do not lead to the anchors, is refused (R-BND-5).
func (t *Trust) join(all histories) (histories, error) {
	joined := histories{}
	for _, state := range slices.Sorted(maps.Keys(all)) { // in order, so that one bundle has one fault
		h := all[state]
		joined[state] = h
		if !t.holds(state) {
			continue
		}
		whole, err := h.join(t.anchors[state])
		if err != nil {
			return nil, err
		}
		joined[state] = whole
	}
	return joined, nil
}
