package operate

import (
	"errors"
	"slices"
	"strings"

	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/record"
)

// ErrAnnounced says that a theft was announced before, and that its keys have
// successors. Typed once more, as after an interruption, the announcement would mark
// those, which nobody can take back.
var ErrAnnounced = errors.New("this theft was announced already, and other keys took the place of those")

// isAnnounced reports whether keys of a kind bear a mark since this very time: then
// every present one was made afterwards, however often they were replaced.
func (r *rotation) isAnnounced(k Kind, authorities []protocol.AuthorityID) bool {
	if r.since == nil {
		return false
	}
	of := func(role evidence.Role) bool {
		return slices.ContainsFunc(authorities, func(a protocol.AuthorityID) bool {
			m, ok := r.Gateway.Own.Authority(a)
			return ok && r.isMarked(m.Document().EveryKey(), role)
		})
	}
	n := &r.record.Node
	switch k {
	case ActKind:
		return of(evidence.Act)
	case AttestKind:
		return of(evidence.Attest)
	case AuthorityKind:
		return of(evidence.Primary)
	case StateKind:
		return r.isMarked(r.record.EveryKey(), evidence.Primary)
	case NodeKind:
		return r.isMarked(n.Keys, evidence.Node)
	case WitnessKind, LogKind:
		return slices.ContainsFunc(n.Compromised, func(m record.Mark) bool {
			return strings.HasPrefix(m.Keys.Ed25519, "comity/"+string(k)+"/") && m.Since == protocol.At(*r.since)
		})
	case AgeKind, TLSKind: // they sign nothing, and bear no marks
	}
	return false
}

// isMarked reports whether a key of a role was announced as stolen since this time.
func (r *rotation) isMarked(all []record.Key, role evidence.Role) bool {
	return slices.ContainsFunc(all, func(k record.Key) bool {
		return k.Role == role && k.Compromised != nil && k.Compromised.Since == protocol.At(*r.since)
	})
}
