package store

import (
	"sync"

	"comity/protocol/statement"
)

// keptProofs is how many proofs are kept in memory, about 5 KiB each. Every
// evidence goes out with its proof a moment after its commit, in an answer or in
// a feed, and to build it again takes more queries than to read the evidence.
const keptProofs = 512

// proofs keeps the proofs of the newest committed leaves. It only saves work: a
// proof is built from the rows with the same bytes (R-LOG-3).
type proofs struct {
	mu   sync.Mutex
	ring [keptProofs]provenLeaf // guarded by mu; a leaf stands at its index modulo the size
}

type provenLeaf struct {
	leaf  int64
	ref   statement.Ref
	proof []byte // nil: no leaf stands here yet
}

func (p *proofs) get(leaf int64) (proof []byte, ref statement.Ref, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := &p.ring[leaf%keptProofs]
	return e.proof, e.ref, e.proof != nil && e.leaf == leaf
}

// forget drops all: the log is another one.
func (p *proofs) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ring = [keptProofs]provenLeaf{}
}

// put keeps proofs of leaves that are committed.
func (p *proofs) put(made []provenLeaf) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range made {
		p.ring[e.leaf%keptProofs] = e
	}
}
