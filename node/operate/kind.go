package operate

import "slices"

// Kind is one kind of keys of a state that can be replaced, as commands spell it.
type Kind string

// The kinds. Those of an office belong to one authority, the others to the node or
// the state.
const (
	StateKind     Kind = "state"     // the state's offline key
	AuthorityKind Kind = "authority" // an authority's offline key, and the keys that it certified
	ActKind       Kind = "act"
	AttestKind    Kind = "attest"
	AgeKind       Kind = "age" // what parcels to an authority are sealed to
	NodeKind      Kind = "node"
	TLSKind       Kind = "tls"
	WitnessKind   Kind = "witness"
	LogKind       Kind = "log"
)

// Kinds are all of them, in the order in which help lists them.
func Kinds() []Kind {
	return []Kind{ActKind, AttestKind, AgeKind, NodeKind, TLSKind, WitnessKind, LogKind, AuthorityKind, StateKind}
}

// OfOffice reports whether each authority has keys of this kind of its own.
func (k Kind) OfOffice() bool {
	return slices.Contains([]Kind{AuthorityKind, ActKind, AttestKind, AgeKind}, k)
}

// Signs reports whether what the keys made has to be judged by the time since when
// they were stolen. TLS keys and identities sign nothing that anybody keeps.
func (k Kind) Signs() bool { return k != AgeKind && k != TLSKind }
