package hostile

import (
	"bytes"
	"context"
	"net/http"
	"time"

	"comity/crypto/pgp"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/statement"
)

// Forger says what is not so: envelopes and evidence whose signature, signer,
// role or proof is wrong. None may be taken (R-EVID-7).
var Forger = Program{
	Name: "forger", Does: "offers envelopes and pushes evidence with a wrong signature, signer, role or proof",
	Step: func(ctx context.Context, s *Session) error {
		forged, ok := s.kept.([]forgery)
		if !ok {
			var err error
			if forged, err = s.forge(); err != nil {
				return err
			}
			s.kept = forged
		}
		f := forged[s.step%len(forged)]
		a, err := s.call(ctx, f.method, f.path, nil, f.body)
		if err == nil && a.accepted() {
			return untrue("took %s: %d", f.what, a.Status)
		}
		return err
	},
}

// forgery is one request, made beforehand: that costs an attacker nothing later.
type forgery struct {
	what, method, path string
	body               []byte
}

func (p *Peer) forge() ([]forgery, error) {
	other, err := pgp.Generate("Somebody", pgp.Ed25519, 1, time.Now().Add(-time.Hour), 24*time.Hour)
	if err != nil {
		return nil, err
	}
	var all []forgery
	for what, spoil := range map[string]func(*offer){
		"an envelope that another key signed":         func(o *offer) { o.key = other.Subkeys[0] },
		"an envelope that the authority's key signed": func(o *offer) { o.key = p.act },
		"an envelope of another state's authority":    func(o *offer) { o.env.From = p.Other },
		"an envelope changed after its signature": func(o *offer) {
			o.packets = func(all []statement.Packet) {
				all[0].Document = bytes.Replace(all[0].Document, []byte(`"routine"`), []byte(`"urgent"`), 1)
			}
		},
		"a submission that is a receipt": func(o *offer) {
			o.submission = func(ev *evidence.Evidence) { ev.Event = evidence.RelayAcceptance }
		},
		"a submission about other bytes": func(o *offer) {
			o.submission = func(ev *evidence.Evidence) { ev.Sealed = protocol.Sum([]byte("other bytes")) }
		},
		"a submission with the proof of another": func(o *offer) {
			o.packets = func(all []statement.Packet) {
				all[1].Proof = bytes.Replace(all[1].Proof, []byte("\n1\n"), []byte("\n2\n"), 1)
			}
		},
	} {
		m, err := p.offered([]byte("nothing"), spoil)
		if err != nil {
			return nil, err
		}
		all = append(all, forgery{what, http.MethodPut, m.path, m.put})
	}
	pushed, err := p.push()
	return append(all, forgery{"evidence about a parcel that nobody sent", http.MethodPost, "/v1/evidence", pushed}), err
}

// push is a receipt, authentic in itself, for a parcel that the target never sent.
func (p *Peer) push() ([]byte, error) {
	o, err := p.offer([]byte("nothing"))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	ref := statement.Ref{Document: protocol.Sum([]byte("an envelope")), Signature: protocol.Sum([]byte("its signature"))}
	signed, err := statement.Sign(&evidence.Evidence{
		Type: evidence.Type, Event: evidence.RelayAcceptance, Parcel: o.env.Parcel, From: p.to, To: p.from,
		Envelope: &ref, Sealed: o.env.Sealed.Digest, Time: protocol.At(now), Log: p.log.Origin(), Record: p.own.Ref(),
		Issuer: evidence.Issuer{Name: string(p.own.Record().Node.ID), Role: evidence.Node, Key: p.node.Digest()},
	}, protocol.MaxEvidence, p.node, now)
	if err != nil {
		return nil, err
	}
	packet, err := p.prove(signed, now)
	if err != nil {
		return nil, err
	}
	return statement.EncodePackets([]statement.Packet{packet})
}
