package bundle_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"comity/crypto/merkle"
	"comity/crypto/pgp"
	"comity/protocol"
	"comity/protocol/bundle"
	"comity/protocol/evidence"
	"comity/protocol/record"
	"comity/protocol/statement"
)

// TestAttacks: what somebody could put together who may rewrite the whole file,
// its list and its cover sheet, and in some cases holds a key (R-BND-4, R-BND-5,
// R-BND-6, R-BND-8).
func TestAttacks(t *testing.T) {
	anchors := func(w *world) *bundle.Trust { return trust(t, w.xa, w.xb, w.xc) }
	// without is a bundle that counts no cosignature of xc on the RelayAcceptance's
	// own log, says so, and is judged without it.
	without := func(t *testing.T, w *world, c *bundle.Contents) {
		t.Helper()
		const member = "evidence-RelayAcceptance.cosigned.tlog-proof"
		r, err := verify(written(t, c), anchors(w))
		if err != nil {
			t.Fatal(err)
		}
		for _, seen := range r.Evidence[1].Logs[1].Cosignatures {
			if seen.Node == "xc" {
				t.Errorf("it counts: %+v", seen)
			}
		}
		if !slices.ContainsFunc(r.NotProven, func(s string) bool { return strings.Contains(s, "xc") && strings.Contains(s, member) }) {
			t.Errorf("nothing is said of it: %q", r.NotProven)
		}
		c.Evidence[1].Peer = nil // nothing else of xc is there
		_, err = verify(written(t, c), anchors(w), bundle.Options{RequirePQ: true})
		refused(t, "with a third party's cosignature required", err, protocol.Policy, member)
	}
	// wrong is a bundle that Write itself refuses; so would Verify, which does the same.
	wrong := func(t *testing.T, c *bundle.Contents, code protocol.Code, member string) {
		t.Helper()
		refused(t, "written", bundle.Write(new(bytes.Buffer), c), code, member)
	}

	t.Run("say two things that exclude each other", func(t *testing.T) {
		negative := func(e *evidence.Evidence) *pgp.Secret {
			if e.Event.Rule().Negative {
				e.Reason = evidence.NewReason(protocol.Policy, "no")
			}
			return nil
		}
		for _, also := range []evidence.Event{evidence.RelayRejection, evidence.ConsignmentRejection} {
			w := newWorld()
			w.sign = negative
			w.steps = slices.Clone(positive)
			at := slices.Index(evidence.Events(), also)
			after := slices.IndexFunc(w.steps, func(s step) bool { return slices.Index(evidence.Events(), s.event) > at })
			if after < 0 {
				after = len(w.steps)
			}
			w.steps = slices.Insert(w.steps, after, step{also, 3 * time.Hour})
			wrong(t, w.contents(), protocol.Equivocation, "evidence-"+string(also)+".json")
		}
	})
	t.Run("swap evidence between two bundles", func(t *testing.T) {
		w := newWorld()
		file, other := written(t, w.contents()), written(t, w.contents())
		members, order := unpack(t, file)
		theirs, _ := unpack(t, other)
		for _, name := range order {
			if strings.HasPrefix(name, "evidence-ConsignmentAcceptance") {
				members[name] = theirs[name]
			}
		}
		_, err := verify(relist(t, file, members, order), anchors(w))
		refused(t, "relisted", err, protocol.WrongParcel, "evidence-ConsignmentAcceptance.json")
	})
	t.Run("drop one line of a cosignature", func(t *testing.T) {
		for _, kind := range []int{0, 1} {
			w := newWorld()
			c := w.contents()
			c.Evidence[1].Cosigned = withoutLine(c.Evidence[1].Cosigned, "comity/witness/xc", kind)
			without(t, w, c)
		}
	})
	t.Run("drop a whole cosignature", func(t *testing.T) {
		w := newWorld()
		c := w.contents()
		for i := range c.Evidence {
			for _, p := range []*[]byte{&c.Evidence[i].Cosigned, &c.Evidence[i].Peer} {
				*p = withoutLine(withoutLine(*p, "comity/witness/xc", 0), "comity/witness/xc", 0)
			}
		}
		file := written(t, c)
		r, err := verify(file, anchors(w))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range r.Evidence {
			if e.Latest != nil || e.RestsOn != "rests on xa and xb only" {
				t.Errorf("%s: latest %v, %q", e.Event, e.Latest, e.RestsOn)
			}
		}
		_, err = verify(file, anchors(w), bundle.Options{RequirePQ: true})
		refused(t, "with a third party's cosignature required", err, protocol.Policy, "evidence-SubmissionAcceptance.cosigned.tlog-proof")
	})
	t.Run("forge a cosignature", func(t *testing.T) {
		w := newWorld()
		c := w.contents()
		at := bytes.Index(c.Evidence[1].Cosigned, []byte("— comity/witness/xc")) + 60
		c.Evidence[1].Cosigned = bytes.Clone(c.Evidence[1].Cosigned)
		other := byte('A') // another letter of base64: a note that cannot be read is another attack
		if c.Evidence[1].Cosigned[at] == other {
			other = 'B'
		}
		c.Evidence[1].Cosigned[at] = other
		without(t, w, c)
	})
	t.Run("make one's own evidence unfit for a bundle", func(t *testing.T) {
		w := newWorld()
		c := w.contents()
		// Nodes take a checkpoint with lines that they do not know (R-LOG-2), so a peer
		// may add one in another's name to that of its commit.
		for line := range bytes.Lines(c.Evidence[1].Cosigned) {
			if bytes.HasPrefix(line, []byte("— comity/witness/xc ")) {
				c.Evidence[1].Proof = append(bytes.Clone(c.Evidence[1].Proof), line...)
			}
		}
		r, err := verify(written(t, c), anchors(w))
		if err != nil || r.ExitCode() != 0 || r.Evidence[1].Latest == nil {
			t.Errorf("got %v, %+v", err, r)
		}
		if !strings.Contains(r.Text(), "evidence-RelayAcceptance.tlog-proof") {
			t.Errorf("nothing is said of it:\n%s", r.Text())
		}
	})
	t.Run("roll back a log", func(t *testing.T) {
		w := newWorld()
		w.send("019cadfd-8900-7e4d-8a55-3d5e0c2f9a01")
		size, leaves := w.xb.size, append(hashes(nil), w.xb.leaves...)
		c := w.contents()
		// Node xb puts back an old copy and signs the last event again into the place
		// of another leaf.
		w.xb.leaves, w.xb.size = leaves, size
		e := c.Evidence[5]
		at := w.xb.take(e.Signed)
		c.Evidence[5].Proof = at.under(w.xb.note(day.Add(4 * time.Hour)))
		wrong(t, c, protocol.Equivocation, "evidence-ConsignmentAcceptance.tlog-proof")
	})
	t.Run("put a leaf into another log than the evidence names", func(t *testing.T) {
		// Whoever has a key of node xb and none of its log finds a log that takes it.
		for _, of := range []func(*world) *country{func(w *world) *country { return w.xa }, func(w *world) *country { return w.xc }} {
			w := newWorld()
			c := w.contents()
			e := &c.Evidence[1]
			other := of(w)
			e.Proof, e.Cosigned, e.Peer = other.take(e.Signed).under(other.note(day.Add(4*time.Hour))), nil, nil
			wrong(t, c, protocol.Malformed, "evidence-RelayAcceptance.tlog-proof")
		}
	})
	t.Run("put a leaf into a log that was given up", func(t *testing.T) {
		w := newWorld()
		old := *w.xb
		w.xb.newEra(2, day.Add(-time.Hour))
		c := w.contents()
		e := &c.Evidence[1]
		e.Proof, e.Cosigned = old.take(e.Signed).under(old.note(day.Add(4*time.Hour))), nil
		wrong(t, c, protocol.Malformed, "evidence-RelayAcceptance.tlog-proof")
	})
	t.Run("fork a log towards two peers", func(t *testing.T) {
		w := newWorld()
		w.witnesses = func(*country) []*country { return []*country{w.xc} }
		c := w.contents()
		// To xa, node xb shows a log of the same size with another last leaf.
		forked := *w.xb
		forked.leaves, forked.size = append(hashes(nil), w.xb.leaves[:len(w.xb.leaves)-1-bitsBelow(w.xb.size)]...), w.xb.size-1
		at := forked.take(w.envelope)
		at.log = &forked
		note := forked.note(day.Add(3*time.Hour+time.Minute), w.xa)
		proof := statementProof(t, &forked, c.Evidence[1].Cosigned, note)
		c.Evidence[1].Cosigned = proof
		wrong(t, c, protocol.Equivocation, "evidence-RelayAcceptance.cosigned.tlog-proof")
	})
	t.Run("fork a log, and show it at another size", func(t *testing.T) {
		w := newWorld()
		c := w.contents()
		// What xa was shown lacks the leaf beside that of the RelayAcceptance, and has
		// another one there.
		forked := *w.xb
		forked.leaves, forked.size = nil, 0
		fresh := newCountry("xd", "xd/court")
		for range 3 {
			forked.take(fresh.records[0])
		}
		e := c.Evidence[1]
		p, err := merkle.ParseProof(e.Proof, protocol.MaxProof)
		if err != nil {
			t.Fatal(err)
		}
		if p.Index != 3 {
			t.Fatalf("the leaf has the index %d", p.Index)
		}
		forked.leaves = append(forked.leaves, must(merkle.StoredHashes(3, p.Leaf(), forked.leaves))...)
		forked.size++
		e.Proof = statementProof(t, &forked, e.Proof, forked.note(day.Add(2310*time.Millisecond)))
		c.Evidence[1] = e
		err = bundle.Write(new(bytes.Buffer), c)
		if protocol.CodeOf(err) != protocol.Equivocation {
			t.Errorf("got %v", err)
		}
	})
	t.Run("backdate with an expired key", func(t *testing.T) {
		w := newWorld()
		// The key counted for a day after it was made. Whoever found it dates the
		// evidence back into that day, and the log takes it now.
		w.sign = func(e *evidence.Evidence) *pgp.Secret {
			if e.Event != evidence.RelayAcceptance {
				return nil
			}
			return w.xb.node.Subkeys[expiredKey]
		}
		c := w.contents()
		// Dated today it is refused at once.
		wrong(t, c, protocol.KeyExpired, "evidence-RelayAcceptance.json")
		wrong(t, w.backdated(made.Add(time.Hour), day), protocol.KeyExpired, "evidence-RelayAcceptance.tlog-proof")
	})
	t.Run("replay an envelope under another recipient", func(t *testing.T) {
		w := newWorld()
		w.sign = func(e *evidence.Evidence) *pgp.Secret {
			if e.Event == evidence.RelayAcceptance {
				e.To, e.Issuer.Name, e.Log, e.Record = "xc/court", "xc", w.xc.log.Origin(), w.xc.state.Ref()
				return w.xc.node.Subkeys[nodeKey]
			}
			return nil
		}
		wrong(t, w.contents(), protocol.WrongParcel, "evidence-RelayAcceptance.json")
	})
	t.Run("replay an envelope in another bundle's list", func(t *testing.T) {
		w := newWorld()
		file := written(t, w.contents())
		file = bytes.Replace(file, []byte(`"to": "xb/prosecution-service"`), []byte(`"to": "xc/prosecution-service"`), 1)
		_, err := verify(file, anchors(w))
		refused(t, "another recipient in the list", err, protocol.BadContainer, "bundle.json")
	})
	t.Run("evidence by the wrong role", func(t *testing.T) {
		w := newWorld()
		w.sign = func(e *evidence.Evidence) *pgp.Secret {
			if e.Event == evidence.ConsignmentAcceptance {
				return w.xb.office.Subkeys[attest] // unattended, where a person must act
			}
			return nil
		}
		wrong(t, w.contents(), protocol.WrongRole, "evidence-ConsignmentAcceptance.json")
	})
	t.Run("evidence by the other side", func(t *testing.T) {
		w := newWorld()
		w.sign = func(e *evidence.Evidence) *pgp.Secret {
			if e.Event == evidence.RelayAcceptance {
				e.Issuer.Name, e.Log, e.Record = "xa", w.xa.log.Origin(), w.xa.state.Ref()
				return w.xa.node.Subkeys[nodeKey]
			}
			return nil
		}
		wrong(t, w.contents(), protocol.WrongRole, "evidence 2")
	})
	t.Run("a bundle that brings its own trust", func(t *testing.T) {
		w, real := newWorld(), newWorld()
		file := written(t, w.contents()) // whole, by states that someone made up
		r, err := verify(file, nil)
		if err != nil || r.Trusted || r.ExitCode() != 4 || len(r.Strangers) != 3 {
			t.Errorf("without anchors: %v, %+v", err, r)
		}
		_, err = verify(file, trust(t, real.xa, real.xb, real.xc))
		if faulted(err) != "records/xa-1.json" && faulted(err) != "records/xb-1.json" && faulted(err) != "records/xc-1.json" {
			t.Errorf("with anchors of the real states: %v", err)
		}
		_, err = verify(file, trust(t, real.xb))
		refused(t, "with an anchor of one", err, protocol.Equivocation, "records/xb-1.json")
		r, err = verify(file, trust(t, w.xa))
		if err != nil || r.Trusted || r.ExitCode() != 4 {
			t.Errorf("with one of two parties: %v, %+v", err, r)
		}
	})
	t.Run("a record of another chain", func(t *testing.T) {
		w, real := newWorld(), newWorld()
		w.xb.next(day.Add(-time.Hour), func(*record.Record, *record.Authority) {})
		c := w.contents()
		// Only the second record is in the bundle: no number meets the anchor's.
		c.Records = append(append([]statement.Signed(nil), w.xa.records...), append(w.xb.records[1:], w.xc.records...)...)
		file := written(t, c)
		if _, err := verify(file, trust(t, w.xa, w.xb, w.xc)); err != nil {
			t.Errorf("by its own anchor: %v", err)
		}
		_, err := verify(file, trust(t, w.xa, real.xb))
		if faulted(err) != "records/xb-2.json" {
			t.Errorf("by the anchor of the real xb: %v", err)
		}
	})
}

// backdated is the whole transmission at a time at which the expired key counted,
// RelayAcceptance taken by the log only at logged.
func (w *world) backdated(at, logged time.Time) *bundle.Contents {
	old := day
	day = at
	defer func() { day = old }()
	w.delay = logged.Sub(at)
	return w.contents()
}

// withoutLine removes the n-th signature line of a name.
func withoutLine(proof []byte, name string, n int) []byte {
	var out []byte
	for line := range bytes.Lines(proof) {
		if bytes.HasPrefix(line, []byte("— "+name+" ")) {
			if n == 0 {
				n--
				continue
			}
			n--
		}
		out = append(out, line...)
	}
	return out
}

// bitsBelow is how many stored hashes the last leaf of a log of this size
// completed beside its own.
func bitsBelow(size int64) (n int) {
	for ; size%2 == 0; size /= 2 {
		n++
	}
	return n
}

// statementProof makes the proof of the same leaf anew under another note.
func statementProof(t *testing.T, log *country, proof, note []byte) []byte {
	t.Helper()
	p, err := merkle.ParseProof(proof, protocol.MaxProof)
	if err != nil {
		t.Fatal(err)
	}
	p.Hashes, p.Checkpoint = must(merkle.Prove(log.size, p.Index, log.leaves)), note
	return p.Marshal()
}
