package store

import (
	"strings"
	"testing"
	"time"

	"comity/crypto/merkle"
	"comity/crypto/pgp"
	"comity/protocol"
	"comity/protocol/adoption"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/record"
)

// witnessNode is a state's node with the keys of its log and of its witness.
type witnessNode struct {
	record  Record
	key     *pgp.Secret // of the node
	log     *merkle.Signer
	witness *merkle.Cosigner
}

// newWitnessNode makes a state without authorities.
func newWitnessNode(t *testing.T, state protocol.StateID) *witnessNode {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	id, made := protocol.NodeID(state), time.Unix(1_990_000_000, 0)
	window := protocol.Window{From: protocol.At(made), Until: protocol.At(made.AddDate(1, 0, 0))}
	primary, err := pgp.Generate("State "+string(state), pgp.Ed25519, 0, made, 365*24*time.Hour)
	must(err)
	node, err := pgp.Generate("Node "+string(id), pgp.Ed25519, 1, made, 365*24*time.Hour)
	must(err)
	n := &witnessNode{key: node.Subkeys[0]}
	n.log, err = merkle.GenerateLog("comity/log/" + string(id) + "/1")
	must(err)
	secret, ed, pq, err := merkle.GenerateKeypair("comity/witness/" + string(id))
	must(err)
	n.witness, err = merkle.ParseCosigner(secret)
	must(err)
	logEd, logPQ := n.log.VerifierKeys()
	key := func(role evidence.Role, s *pgp.Secret) record.Key {
		return record.Key{Role: role, Digest: s.Digest(), Valid: window}
	}
	signed, err := record.SignRecord(&record.Record{
		State: state, Name: []record.Name{{Language: "en", Text: "State " + string(state)}}, Sequence: 1, Created: protocol.At(made), Valid: window,
		Versions: []string{protocol.Version}, Certificate: primary.Certificate.Bytes(), Keys: []record.Key{key(evidence.Primary, primary.Primary)},
		Node: record.Node{
			ID: id, Certificate: node.Certificate.Bytes(), Keys: []record.Key{key(evidence.Primary, node.Primary), key(evidence.Node, node.Subkeys[0])},
			TLS: []record.Pin{{SPKI: protocol.Sum([]byte(id)), Valid: window}}, Endpoints: []string{},
			Log:     record.Log{Origin: n.log.Origin(), Keys: record.Keypair{Ed25519: logEd, MLDSA44: logPQ}},
			Witness: record.Keypair{Ed25519: ed, MLDSA44: pq}, Limits: record.Limits{Sealed: 1 << 30},
		},
		Authorities: []record.Entry{},
	}, primary.Primary, made)
	must(err)
	n.record = Record{State: state, Node: id, Sequence: 1, Signed: signed}
	return n
}

// note is a state of the node's log that its keys signed.
func (n *witnessNode) note(t *testing.T, size int64, root string, at time.Time) (note []byte, hash protocol.Digest) {
	t.Helper()
	hash = protocol.Sum([]byte(root))
	note, err := n.log.Checkpoint(size, merkle.Hash(hash), at)
	if err != nil {
		t.Fatal(err)
	}
	return note, hash
}

// witnessing is the store of node xc, which cosigns the log of xd, and whose own
// log xd cosigns.
type witnessing struct {
	*node
	xc, xd *witnessNode
}

func newWitnessing(t *testing.T) *witnessing {
	n := &witnessing{node: newNode(t), xc: newWitnessNode(t, "xc"), xd: newWitnessNode(t, "xd")}
	n.xc.record.Own, n.xc.record.Pinned, n.xd.record.Pinned = true, true, true
	n.commit(AdoptRecord{n.xc.record}, AdoptRecord{n.xd.record})
	at := n.clock.now()
	first, firstRoot := n.xd.note(t, 3, "three leaves", at)
	lines, err := n.xc.witness.Cosign(first, at)
	if err != nil {
		t.Fatal(err)
	}
	address := protocol.Sum([]byte(n.xd.log.Origin()))
	n.insert(`INSERT INTO cosigned (origin, origin_digest, node, size, root, note, lines, cosigned_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		n.xd.log.Origin(), address[:], "xd", 3, firstRoot[:], string(first), string(lines), at.UnixMicro())
	n.insert(`INSERT INTO followed (origin, node, size, root, note, followed_us) VALUES ($1, $2, $3, $4, $5, 1)`,
		n.xd.log.Origin(), "xd", 3, firstRoot[:], string(first))
	second, secondRoot := n.xd.note(t, 5, "five leaves", at)
	n.insert(`INSERT INTO sighting (origin, node, size, root, note, seen_us) VALUES ($1, $2, $3, $4, $5, 1)`,
		n.xd.log.Origin(), "xd", 5, secondRoot[:], string(second))
	other, otherRoot := n.xd.note(t, 3, "three other leaves", at)
	n.insert(`INSERT INTO fork (origin, node, size, root, note, other_size, other_root, other_note, found_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1)`,
		n.xd.log.Origin(), "xd", 3, firstRoot[:], string(first), 3, otherRoot[:], string(other))
	note, err := n.CheckpointAt(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	n.cosign(note, at)
	n.commit(n.xc.adopts(t, 7, at))
	return n
}

// adopts is what the node states of a version of its federation's directory.
func (n *witnessNode) adopts(t *testing.T, version int64, at time.Time) Fact {
	t.Helper()
	some := protocol.Sum([]byte("some file"))
	ref := envelope.Directory{Version: version, Digest: some}
	signed, err := (&adoption.Statement{
		Type: adoption.Type, Node: n.record.Node, Directory: ref, Edition: some, Root: adoption.Root{Version: 1, Digest: some},
		Record: n.record.Signed.Digest(), Created: protocol.At(at),
	}).Sign(n.key, at)
	if err != nil {
		t.Fatal(err)
	}
	return AdoptDirectory{DirectoryVersion{Ref: ref, Statement: signed}}
}

// cosign stores what the witness xd says about a checkpoint of the own log.
func (n *witnessing) cosign(note []byte, at time.Time) {
	n.t.Helper()
	c, err := n.logV.Checkpoint(note)
	if err != nil {
		n.t.Fatal(err)
	}
	lines, err := n.xd.witness.Cosign(note, at)
	if err != nil {
		n.t.Fatal(err)
	}
	n.insert(`INSERT INTO cosignature (size, root, witness, lines, claimed_us, stored_us) VALUES ($1, $2, $3, $4, $5, 1)`,
		c.Size, c.Root[:], "xd", string(lines), at.UnixMicro())
}

func (n *witnessing) insert(query string, args ...any) {
	n.t.Helper()
	n.v.discard()
	if _, err := n.v.writer.Exec(query, args...); err != nil {
		n.t.Fatalf("%s: %v", query, err)
	}
}

// proven stores, beside an evidence of the exchange, its proof from the log of
// its issuer as if xc had cosigned the checkpoint under it: xc is a third state.
func (g *genuine) proven(n *node, xc *witnessNode) {
	g.t.Helper()
	g.commit(n, AdoptRecord{Record{State: "xc", Node: "xc", Sequence: 1, Signed: xc.record.Signed, Pinned: true}})
	e := g.evidence(evidence.RelayAcceptance)
	proof, err := merkle.ParseProof(e.Proof, protocol.MaxProof)
	if err != nil {
		g.t.Fatal(err)
	}
	lines, err := xc.witness.Cosign(proof.Checkpoint, n.clock.now())
	if err == nil {
		proof.Checkpoint, err = merkle.WithCosignatures(proof.Checkpoint, lines)
	}
	if err == nil {
		_, err = n.KeepProofs(g.t.Context(), nodeB, g.envelope.Key(), []PeerProof{{Event: evidence.RelayAcceptance, Proof: proof, Witnesses: 1}})
	}
	if err != nil {
		g.t.Fatal(err)
	}
}

// A witness that cosigned another history of the own log than the one that is
// stored is named: somebody rewrote it here, or signed twice.
func TestAnAuditHoldsTheLogAgainstWhatPeersCosigned(t *testing.T) {
	n := newWitnessing(t)
	rewritten, err := logKeys().Checkpoint(7, merkle.Hash(protocol.Sum([]byte("what was here before"))), n.clock.now())
	if err != nil {
		t.Fatal(err)
	}
	n.cosign(rewritten, n.clock.now())
	r, err := n.Audit(t.Context(), AuditOptions{Own: "xc", Checkpoint: n.logV.Checkpoint})
	if err != nil || len(r.Findings) != 1 || r.Findings[0].Place != "cosignature of xd over 7 leaves, size and root" {
		t.Errorf("%+v, %v; want the cosignature over 7 leaves", r, err)
	}
	if forks, more, err := n.Forks(t.Context(), Period{time.UnixMicro(1), time.UnixMicro(2)}, 10); err != nil || more || len(forks) != 1 || forks[0].Node != "xd" || forks[0].OtherSize != 3 {
		t.Errorf("forked logs: %+v, %v", forks, err)
	}
	// By another witness's keys than those of its name it is no cosignature.
	n.insert(`DELETE FROM cosignature WHERE size = 7`)
	n.insert(`UPDATE cosignature SET witness = 'xc'`)
	r, err = n.Audit(t.Context(), AuditOptions{Own: "xc", Checkpoint: n.logV.Checkpoint})
	if err != nil || len(r.Findings) != 1 || !strings.HasSuffix(r.Findings[0].Place, ", lines") {
		t.Errorf("%+v, %v; want the lines of another witness", r, err)
	}
}
