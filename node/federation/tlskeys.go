package federation

import (
	"slices"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/record"
)

// tlsKeys says which states list a TLS key: each by its newest record.
type tlsKeys map[protocol.Digest][]envelope.RecordRef

// tlsKeys reads whose TLS keys a draft lists so far.
func (r *Repository) tlsKeys(m *metadata.Metadata[metadata.TargetsType]) (tlsKeys, error) {
	listed, err := newEdition(m)
	if err != nil {
		return nil, err
	}
	in, newest := tlsKeys{}, map[protocol.StateID]*record.State{}
	for _, i := range listed.Items() {
		data, err := r.folder.listed(i, listed.files[i])
		if err != nil {
			return nil, err
		}
		// As a node does that joins now: what does not follow counts for nobody (R-FED-5).
		if signed, err := record.DecodeIntroduction(data); err == nil {
			if s, err := record.Verify(signed, newest[i.State]); err == nil && i.names(s) == nil {
				newest[i.State] = s
			}
		}
	}
	for _, s := range newest {
		in.note(s)
	}
	return in, nil
}

// take refuses a record with a TLS key that another state's has, and notes its keys. A
// state keeps the key that it has listed, whatever was listed as another's since.
// A node refuses whichever of the two it sees second, so that a false one which came
// to be listed would shut the true one out of the nodes that join later.
func (in tlsKeys) take(s *record.State) error {
	own := s.Ref()
	for _, pin := range s.Record().Node.TLS {
		of := in[pin.SPKI]
		if len(of) > 0 && !slices.ContainsFunc(of, func(r envelope.RecordRef) bool { return r.State == own.State }) {
			return protocol.Refuse(protocol.Policy, "record %d of %s has the TLS key %s, which record %d of %s has as its own; ask both states",
				own.Sequence, own.State, pin.SPKI.Short(), of[0].Sequence, of[0].State)
		}
	}
	in.note(s)
	return nil
}

func (in tlsKeys) note(s *record.State) {
	for _, pin := range s.Record().Node.TLS {
		in[pin.SPKI] = append(in[pin.SPKI], s.Ref())
	}
}
