package federation

import (
	"slices"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/record"
)

// tlsKeys says whose TLS keys are listed: of each state's newest record.
type tlsKeys map[protocol.Digest]envelope.RecordRef

// tlsKeys reads whose TLS keys a draft lists so far.
func (r *Repository) tlsKeys(m *metadata.Metadata[metadata.TargetsType]) (tlsKeys, error) {
	listed, err := newEdition(m)
	if err != nil {
		return nil, err
	}
	in, has := tlsKeys{}, map[protocol.StateID]bool{}
	for _, i := range slices.Backward(listed.Items()) {
		if has[i.State] {
			continue // a newer one is noted
		}
		data, err := r.folder.listed(i, listed.files[i])
		if err != nil {
			return nil, err
		}
		if s, err := readRecord(i, data); err == nil { // else no state has signed it
			in.note(s)
			has[i.State] = true
		}
	}
	return in, nil
}

// take refuses a record with a TLS key that another state's has, and notes its keys.
// A node refuses whichever of the two it sees second, so that a false one which came
// to be listed would shut the true one out of the nodes that join later.
func (in tlsKeys) take(s *record.State) error {
	for _, pin := range s.Record().Node.TLS {
		if of, listed := in[pin.SPKI]; listed && of.State != s.Ref().State {
			return protocol.Refuse(protocol.Policy, "record %d of %s has the TLS key %s, which record %d of %s has as its own; ask both states",
				s.Ref().Sequence, s.Ref().State, pin.SPKI.Short(), of.Sequence, of.State)
		}
	}
	in.note(s)
	return nil
}

func (in tlsKeys) note(s *record.State) {
	for _, pin := range s.Record().Node.TLS {
		in[pin.SPKI] = s.Ref()
	}
}
