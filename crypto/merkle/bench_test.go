package merkle_test

import "testing"

// BenchmarkVerifier measures what a Verifier saves by remembering verified
// notes: "new" is a Verifier that never saw the note, "again" one that did.
func BenchmarkVerifier(b *testing.B) {
	s, tree := newLog(b, origin), newTree(b, 70)
	e := numberedEvidence(9)
	text := mustProve(b, s, 70, 9, tree).Marshal()
	signed := mustSign(b, s, 70, tree)
	warm := newVerifier(b, s)
	b.Run("checkpoint/new", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			v := newVerifier(b, s)
			b.StartTimer()
			if _, err := v.Checkpoint(signed); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("checkpoint/again", func(b *testing.B) {
		for b.Loop() {
			if _, err := warm.Checkpoint(signed); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("proof/again", func(b *testing.B) {
		for b.Loop() {
			if _, _, err := warm.Proof(text, e.document, e.signature); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("sign", func(b *testing.B) {
		root := mustRoot(b, 70, tree)
		for b.Loop() {
			if _, err := s.Checkpoint(70, root, signedAt); err != nil {
				b.Fatal(err)
			}
		}
	})
}
