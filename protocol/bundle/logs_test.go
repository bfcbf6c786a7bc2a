package bundle_test

import (
	"io"
	"testing"
	"time"

	"comity/protocol"
	"comity/protocol/bundle"
)

// R-BND-4, R-OLD-5: after its log was lost, a node puts its old evidence into the
// log of the new era, and an auditor finds it there.
func TestEvidenceStandsInTheLogOfALaterEra(t *testing.T) {
	w := newWorld()
	c := w.contents()
	w.xb.newEra(2, day.Add(5*time.Hour))
	e := &c.Evidence[1]
	e.Proof, e.Cosigned, e.Peer = w.xb.take(e.Signed).under(w.xb.note(day.Add(6*time.Hour))), nil, nil
	c.Records = append(append(append(c.Records[:0:0], w.xa.records...), w.xb.records...), w.xc.records...)
	r, err := verify(written(t, c), trust(t, w.xa, w.xb, w.xc))
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Evidence[1].Logs[0].Origin; got != "comity/log/xb/2" {
		t.Errorf("its leaf is in %s", got)
	}
}

// R-BND-4: a log that was begun years later took old evidence anew. When it was
// taken first, and so while its key counted, the log of the other side shows.
func TestALaterLogTookEvidenceAfterItsKeyHadEnded(t *testing.T) {
	w := newWorld()
	c := w.contents()
	w.xb.newEra(2, day.Add(300*24*time.Hour))
	e := &c.Evidence[1]
	e.Proof, e.Cosigned = w.xb.take(e.Signed).under(w.xb.note(day.Add(400*24*time.Hour))), nil
	e.Peer = w.xa.take(e.Signed).under(w.xa.note(day.Add(time.Hour)))
	c.Records = append(append(append(c.Records[:0:0], w.xa.records...), w.xb.records...), w.xc.records...)
	if _, err := verify(written(t, c), trust(t, w.xa, w.xb, w.xc)); err != nil {
		t.Errorf("with the proof of the other side: %v", err)
	}
	e.Peer = nil
	if err := bundle.Write(io.Discard, c); protocol.CodeOf(err) != protocol.KeyExpired {
		t.Errorf("without it: %v", err)
	}
}

// R-OLD-5: who held the proof of the commit before the log was lost holds the
// cosigned one of the log that followed.
func TestACosignedProofFromTheLogOfALaterEra(t *testing.T) {
	w := newWorld()
	c := w.contents()
	w.xb.newEra(2, day.Add(5*time.Hour))
	e := &c.Evidence[1]
	e.Cosigned, e.Peer = w.xb.take(e.Signed).under(w.xb.note(day.Add(6*time.Hour), w.xa, w.xc)), nil
	c.Records = append(append(append(c.Records[:0:0], w.xa.records...), w.xb.records...), w.xc.records...)
	r, err := verify(written(t, c), trust(t, w.xa, w.xb, w.xc))
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Evidence[1].Logs; len(got) != 2 || got[0].Origin != "comity/log/xb/1" || got[1].Origin != "comity/log/xb/2" {
		t.Errorf("its leaves are in %+v", got)
	}
}

// R-TIME-3, R-BND-6: a node whose clock was set back signs a larger state of its
// log with an earlier date. That is no rollback.
func TestALogWhoseClockWasSetBackIsNoFault(t *testing.T) {
	w := newWorld()
	c := w.contents()
	last := &c.Evidence[5]
	w.xb.take(w.envelope)                    // something of another transmission
	at := day.Add(3*time.Hour - time.Second) // a second before the checkpoint of its commit
	last.Cosigned = statementProof(t, w.xb, last.Cosigned, w.xb.note(at, w.xa, w.xc))
	if r, err := verify(written(t, c), trust(t, w.xa, w.xb, w.xc)); err != nil || r.ExitCode() != 0 {
		t.Errorf("got %v, %+v", err, r)
	}
}
