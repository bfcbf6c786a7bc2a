package record

import (
	"testing"
	"time"

	"comity/crypto/merkle"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/statement"
)

// empty is a log without leaves.
type empty struct{}

func (empty) ReadHashes(at []int64) ([]merkle.Hash, error) { return make([]merkle.Hash, len(at)), nil }

// proofIn makes a document the only leaf of a log, and proves it.
func proofIn(t *testing.T, log *merkle.Signer, sg statement.Signed, at time.Time) []byte {
	t.Helper()
	ref := sg.Ref()
	salt := [merkle.SaltSize]byte{1}
	hashes, err := merkle.StoredHashes(0, merkle.NewLeaf(salt, ref.Document, ref.Signature), empty{})
	if err != nil {
		t.Fatal(err)
	}
	note, err := log.Checkpoint(1, hashes[0], at)
	if err != nil {
		t.Fatal(err)
	}
	return merkle.Proof{Checkpoint: note, Salt: salt, Document: ref.Document, Signature: ref.Signature}.Marshal()
}

// R-OLD-5: evidence names the log of its time, and its leaf may stand in the log
// that followed when that one was lost; never in an earlier one, or another node's.
func TestEvidenceStandsInItsLogOrInOneOfALaterEra(t *testing.T) {
	k := keys()
	first := newDraft()
	older := verified(t, first)
	second := next(older)
	log, err := newLog("xa", 2)
	if err != nil {
		t.Fatal(err)
	}
	second.record.Node.Log = logOf(log)
	newer, err := second.verify(older)
	if err != nil {
		t.Fatal(err)
	}
	strange, err := newLog("xb", 2)
	if err != nil {
		t.Fatal(err)
	}
	var both, onlyNewer History
	both.Add(older)
	both.Add(newer)
	onlyNewer.Add(newer)
	now := start.Add(48 * time.Hour)
	for name, c := range map[string]struct {
		of   *State
		in   *merkle.Signer
		held *History
		want protocol.Code
	}{
		"in its own log":                           {older, k.log, &both, ""},
		"in the log that followed":                 {older, log, &both, ""},
		"in a log that was lost before":            {newer, k.log, &both, protocol.BadSignature},
		"in another node's log":                    {older, strange, &both, protocol.BadSignature},
		"of a log whose record is not at hand":     {older, log, &onlyNewer, protocol.Malformed},
		"of the later log, by the later record":    {newer, log, &onlyNewer, ""},
		"of the later log, with both records here": {newer, log, &both, ""},
	} {
		e := newEvidence(c.of, evidence.RelayAcceptance)
		e.Issuer.Key = k.node.subkeys[0].Digest()
		sg, err := statement.Sign(e, protocol.MaxEvidence, k.node.subkeys[0], e.Time.Time)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = c.held.VerifyEvidence(statement.Packet{Signed: sg, Proof: proofIn(t, c.in, sg, e.Time.Time)}, now)
		if failed := err != nil; failed != (c.want != "") || c.want == protocol.Malformed && protocol.CodeOf(err) != c.want {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if !both.Former("comity/log/xa/1") || both.Former("comity/log/xa/2") || both.Former("comity/log/xb/1") || both.Former("elsewhere") {
		t.Error("a log is lost when a record names one of a later era of the same node, and else not")
	}
	if both.Log("comity/log/xa/1") != older || both.Log("comity/log/xa/2") != newer || both.Log("comity/log/xa/3") != nil {
		t.Error("the record of a log is the newest that names it")
	}
}

// A pair of witness keys counts until another takes its place: who finds old keys
// later cosigns nothing with them.
func TestWitnessKeysCountUntilTheyAreReplaced(t *testing.T) {
	older := verified(t, newDraft())
	same := next(older)
	middle, err := same.verify(older)
	if err != nil {
		t.Fatal(err)
	}
	changed := next(middle)
	changed.at = start.Add(72 * time.Hour)
	changed.record.Created = protocol.At(changed.at)
	changed.record.Node.Witness = witnessOf("xa")
	newest, err := changed.verify(middle)
	if err != nil {
		t.Fatal(err)
	}
	var h History
	for _, s := range []*State{newest, older, middle} {
		h.Add(s)
	}
	all := h.Witnesses()
	if len(all) != 2 {
		t.Fatalf("%d pairs; want the old one and the new one", len(all))
	}
	if got, want := all[0].Until, newest.record.Valid.Until.Time; !got.Equal(want) {
		t.Errorf("the new pair counts until %s, want %s, when its record ends", got, want)
	}
	if got := all[1].Until; !got.Equal(changed.at) {
		t.Errorf("the old pair counts until %s, want %s, when another took its place", got, changed.at)
	}
}

// A reference to another document under an adopted number is equivocation, whichever
// version it is; of a number that was never adopted nothing is known.
func TestHistoryKnowsEveryNumber(t *testing.T) {
	first := verified(t, newDraft())
	second, err := next(first).verify(first)
	if err != nil {
		t.Fatal(err)
	}
	var h History
	h.Add(second)
	h.Add(first)
	for name, c := range map[string]struct {
		ref  envelope.RecordRef
		want protocol.Code
	}{
		"the newest":             {second.Ref(), ""},
		"an older one":           {first.Ref(), ""},
		"another newest":         {envelope.RecordRef{State: "xa", Sequence: 2, Digest: first.Ref().Digest}, protocol.Equivocation},
		"another older one":      {envelope.RecordRef{State: "xa", Sequence: 1, Digest: second.Ref().Digest}, protocol.Equivocation},
		"a number to come":       {envelope.RecordRef{State: "xa", Sequence: 3, Digest: first.Ref().Digest}, ""},
		"of a state never heard": {envelope.RecordRef{State: "xb", Sequence: 1, Digest: first.Ref().Digest}, ""},
	} {
		if err := h.CheckRef(c.ref); protocol.CodeOf(err) != c.want {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
