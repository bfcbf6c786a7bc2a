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

// isAnnounced reports whether the present keys of a kind were made when keys were
// announced as stolen since this very time.
func (r *rotation) isAnnounced(k Kind, authorities []protocol.AuthorityID) bool {
	if r.since == nil {
		return false
	}
	of := func(role evidence.Role) bool {
		return slices.ContainsFunc(authorities, func(a protocol.AuthorityID) bool {
			m, ok := r.Gateway.Own.Authority(a)
			return ok && r.tookPlace(m.Document().EveryKey(), m.Document().Keys, role)
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
		return r.tookPlace(r.record.EveryKey(), r.record.Keys, evidence.Primary)
	case NodeKind:
		return r.tookPlace(n.Keys, n.Keys, evidence.Node)
	case WitnessKind, LogKind:
		return slices.ContainsFunc(n.Compromised, func(m record.Mark) bool {
			return strings.HasPrefix(m.Keys.Ed25519, "comity/"+string(k)+"/") && m.Since == protocol.At(*r.since)
		})
	case AgeKind, TLSKind: // they sign nothing, and bear no marks
	}
	return false
}

// tookPlace reports whether the newest of the present keys of a role was made in the
// second in which another of all of them was announced as stolen since this time.
func (r *rotation) tookPlace(all, present []record.Key, role evidence.Role) bool {
	i := len(present) - 1
	for i >= 0 && present[i].Role != role {
		i--
	}
	return i >= 0 && slices.ContainsFunc(all, func(k record.Key) bool {
		return k.Role == role && k.Compromised != nil && k.Compromised.Since == protocol.At(*r.since) && k.Compromised.Announced == present[i].Valid.From
	})
}
