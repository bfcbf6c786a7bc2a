package bundle

import (
	"fmt"
	"slices"

	"comity/crypto/merkle"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/record"
	"comity/protocol/statement"
)

// history is the versions of one state's record that are at hand, the oldest
// first, each following from the one before (R-REC-3).
type history []*record.State

// histories are those of all states at hand.
type histories map[protocol.StateID]history

// readRecords verifies the records of a bundle and that each follows from the
// one before. The first of each state is consistent with itself and no more.
func readRecords(c *Contents) (histories, error) {
	records := c.Records
	if len(records) > protocol.MaxBundleRecords {
		return nil, fault(indexName, protocol.Refuse(protocol.TooLarge, "%d records, at most %d allowed", len(records), protocol.MaxBundleRecords))
	}
	all := histories{}
	last := ""
	for i, signed := range records {
		name := "records/"
		if c.recordPaths != nil {
			name = c.recordPaths[i]
		}
		r, err := record.Parse(signed.Document)
		if err == nil && c.recordPaths != nil && name != recordMember(r.State, r.Sequence) {
			err = protocol.Refuse(protocol.BadContainer, "it is record %d of %s and has another name", r.Sequence, r.State)
		}
		if err != nil {
			return nil, fault(name, err)
		}
		name = recordMember(r.State, r.Sequence)
		var prev *record.State
		if h := all[r.State]; len(h) > 0 {
			prev = h[len(h)-1]
		}
		s, err := record.Verify(signed, prev)
		if err != nil {
			return nil, fault(name, err)
		}
		if prev == s || string(r.State) < last {
			return nil, fault(name, protocol.Refuse(protocol.BadContainer, "records stand in the order of states and numbers, each once"))
		}
		last = string(r.State)
		all[r.State] = append(all[r.State], s)
	}
	return all, nil
}

// named returns the version that a document names.
func (all histories) named(ref envelope.RecordRef) (*record.State, error) {
	for _, s := range all[ref.State] {
		if s.Record().Sequence != ref.Sequence {
			continue
		}
		return s, s.CheckRef(ref)
	}
	return nil, protocol.Refuse(protocol.Malformed, "it names record %d of %s, which the bundle does not hold", ref.Sequence, ref.State)
}

// log returns the verifier of a log by its origin. A log keeps its keys from one
// record to the next, so any version that has it will do.
func (all histories) log(origin string) (*merkle.Verifier, error) {
	node, _, err := protocol.ParseLogOrigin(origin)
	if err != nil {
		return nil, err
	}
	for _, s := range all[node.State()] {
		if s.Record().Node.Log.Origin == origin {
			return s.LogVerifier(), nil
		}
	}
	return nil, protocol.Refuse(protocol.BadSignature, "the log %s is in no record of the bundle", origin)
}

// witness is one pair of keys with their verifier.
type witness struct {
	*merkle.Witness
	keys record.Keypair
}

// witnesses returns the verifiers of every pair of witness keys in the versions,
// the newest last.
func (h history) witnesses() (list []witness) {
	var seen []record.Keypair
	for _, s := range h {
		keys := s.Record().Node.Witness
		if slices.Contains(seen, keys) {
			continue
		}
		seen = append(seen, keys)
		list = append(list, witness{s.Witness(), keys})
	}
	return list
}

// compromised returns the mark on a key in the newest version that marks it.
// Who shows an old record cannot hide a mark that the verifier's anchor has.
func (h history) compromised(digest protocol.Digest) *record.Compromised {
	for _, s := range slices.Backward(h) {
		lists := [][]record.Key{s.Record().Node.Keys}
		for _, m := range s.Members() {
			lists = append(lists, m.Document().EveryKey())
		}
		for _, keys := range lists {
			for i := range keys {
				if keys[i].Digest == digest && keys[i].Compromised != nil {
					return keys[i].Compromised
				}
			}
		}
	}
	return nil
}

// marked returns the mark on keys of a log or a witness, in the newest version that
// marks them (R-REC-11).
func (h history) marked(keys record.Keypair) *record.Compromised {
	for _, s := range slices.Backward(h) {
		if m := s.Record().Node.Marked(keys); m != nil {
			return m
		}
	}
	return nil
}

// keyOf returns what a version says of the issuer's key.
func keyOf(s *record.State, e *evidence.Evidence) *record.Key {
	keys := s.Record().Node.Keys
	if m, ok := s.Authority(e.To); ok && e.Issuer.Role != evidence.Node {
		keys = m.Document().EveryKey()
	}
	for i := range keys {
		if keys[i].Digest == e.Issuer.Key {
			return &keys[i]
		}
	}
	return nil
}

// join puts an anchor into the versions and verifies the whole chain anew: what
// is older must lead to the anchor, and what is newer must follow from it. A
// version beside the anchor, of one number and other bytes, is refused: it is
// somebody else's record, or the state has shown two.
func (h history) join(anchor *record.State) (history, error) {
	var whole history
	signed := make([]statement.Signed, 0, len(h)+1)
	for _, s := range h {
		signed = append(signed, s.Signed())
	}
	sequence := anchor.Record().Sequence
	i := slices.IndexFunc(h, func(s *record.State) bool { return s.Record().Sequence >= sequence })
	if i < 0 {
		i = len(h)
	}
	if i == len(h) || h[i].Record().Sequence != sequence {
		signed = slices.Insert(signed, i, anchor.Signed())
	} else if h[i].Ref() != anchor.Ref() {
		return nil, fault(recordMember(anchor.Record().State, sequence), protocol.Refuse(protocol.Equivocation,
			"it is not the record %d of %s that you hold as an anchor: its digest is %s, yours is %s", sequence, anchor.Record().State, h[i].Ref().Digest.Short(), anchor.Ref().Digest.Short()))
	}
	var prev *record.State
	for _, s := range signed {
		next, err := record.Verify(s, prev)
		if err != nil {
			at := sequence
			if r, parsed := record.Parse(s.Document); parsed == nil {
				at = r.Sequence
			}
			return nil, fault(recordMember(anchor.Record().State, at), fmt.Errorf("it does not lead to the anchor that you hold: %w", err))
		}
		whole, prev = append(whole, next), next
	}
	return whole, nil
}
