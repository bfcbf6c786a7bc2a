package gateway_test

import (
	"strings"
	"testing"

	"comity/node/gateway"
	"comity/protocol"
	"comity/protocol/adoption"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/record"
)

// knows has the node adopt a version of a directory with some content.
func (n *node) knows(version int64, content string) envelope.Directory {
	n.t.Helper()
	ref := envelope.Directory{Version: version, Digest: digest(content)}
	if err := n.AdoptDirectory(n.t.Context(), ref, digest("edition "+content), adoption.Root{Version: 1, Digest: digest("root")}); err != nil {
		n.t.Fatal(err)
	}
	return ref
}

// sends has a parcel arrive at b, and returns what its envelope names.
func (n *node) sends(b *node) *envelope.Directory {
	n.t.Helper()
	r := n.submit(newLetter(central, 1000, b.party, prosecution))[0]
	n.await(r.Key, evidence.RelayAcceptance)
	return must(envelope.Parse(r.Envelope.Document)).Directory
}

// sees is what the node's operator sees of a peer.
func (n *node) sees(peer protocol.NodeID) gateway.Peer {
	n.t.Helper()
	for _, p := range must(n.Peers(n.t.Context())) {
		if p.Node == peer {
			return p
		}
	}
	n.t.Fatalf("%s does not know %s", n.id, peer)
	return gateway.Peer{}
}

// R-FED-7, R-FED-8. Split view between two peers: stewards have shown each another
// directory of one version.
// Caught at the first envelope, by the version and digest that it names: the parcel
// arrives, the operator is told, and both papers are kept.
func TestPeersWhoKnowAnotherDirectory(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	if named := a.sends(b); named != nil {
		t.Errorf("without a federation the envelope names %+v", named)
	}
	ref := a.knows(3, "what xa was shown")
	b.knows(3, "what xb was shown")
	if named := a.sends(b); named == nil || *named != ref {
		t.Errorf("the envelope names %+v, want %+v", named, ref)
	}
	fault := b.sees("xa").DirectoryFault
	for _, want := range []string{"version 3", ref.Digest.Short(), digest("what xb was shown").Short(), "stewards have signed two"} {
		if !strings.Contains(fault, want) {
			t.Errorf("xb's operator reads %q, without %q", fault, want)
		}
	}
	kept := must(b.db.DifferingDirectories(t.Context()))
	if len(kept) != 1 || kept[0].Ref != ref {
		t.Fatalf("kept: %+v, want the envelope of xa", kept)
	}
	now := b.clock()
	if env, err := a.state.VerifyEnvelope(kept[0].Envelope, now); err != nil || *env.Directory != ref {
		t.Errorf("the kept envelope: %v", err)
	}
	own := must(b.db.Directory(t.Context(), 3))
	if said, err := b.state.VerifyAdoption(own.Statement, now); err != nil || said.Directory == ref || said.Directory.Version != 3 {
		t.Errorf("the kept statement: %v", err)
	}
	if _, err := a.state.VerifyAdoption(own.Statement, now); protocol.CodeOf(err) != protocol.WrongRole {
		t.Errorf("the statement of xb, held for one of xa: %v", err)
	}
	b.restart()
	if b.sees("xa").DirectoryFault != fault {
		t.Errorf("after a restart: %q", b.sees("xa").DirectoryFault)
	}
	a.sends(b)
}

// R-FED-7: what a peer named is remembered until the version is known here, too.
func TestADirectoryThatIsKnownLater(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	a.knows(5, "what xa was shown")
	a.sends(b)
	b.knows(4, "an older one")
	if fault := b.sees("xa").DirectoryFault; fault != "" {
		t.Errorf("of a version that is not known: %q", fault)
	}
	b.knows(5, "what xb was shown")
	if fault := b.sees("xa").DirectoryFault; !strings.Contains(fault, "version 5") {
		t.Errorf("once it is known: %q", fault)
	}
	err := b.AdoptDirectory(t.Context(), envelope.Directory{Version: 5, Digest: digest("a third")}, digest("edition"), adoption.Root{Version: 1, Digest: digest("root")})
	if protocol.CodeOf(err) != protocol.Equivocation {
		t.Errorf("another directory of the version that is held: %v", err)
	}
}

// R-FED-5: a state that a federation lists can be sent to; it rests on the stewards
// until a person confirms its words. A chain is adopted whole, with a leaf for each.
func TestAStateThatIsListed(t *testing.T) {
	t.Parallel()
	a := newNode(t, "xa", []protocol.AuthorityID{central})
	b := newNode(t, "xb", []protocol.AuthorityID{prosecution, court})
	if err := a.AdoptListed(t.Context(), []*record.State{b.state}); err != nil {
		t.Fatal(err)
	}
	if err := b.AdoptListed(t.Context(), []*record.State{a.state}); err != nil {
		t.Fatal(err)
	}
	a.sends(b)
	if p := a.sees("xb"); !p.Listed || p.Pinned {
		t.Errorf("xa sees xb as %+v, want one on the stewards' word", p)
	}
	a.pin(b.party)
	if p := a.sees("xb"); p.Listed || !p.Pinned {
		t.Errorf("after its words were compared: %+v", p)
	}
	if err := a.AdoptListed(t.Context(), []*record.State{a.state}); err == nil {
		t.Error("the node took its own record from a directory")
	}

	// A chain is adopted in one go. Its node is nowhere: a node that meets records of
	// its own state that it does not have stops as an older copy of itself.
	c := newParty("xc", "127.0.0.1:1")
	second := must(record.Verify(c.next(func(*record.Record) {}), c.state))
	before := must(a.db.Size(t.Context()))
	if err := a.AdoptListed(t.Context(), []*record.State{c.state, second}); err != nil {
		t.Fatal(err)
	}
	if after := must(a.db.Size(t.Context())); after < before+2 || a.sees("xc").Record != 2 {
		t.Errorf("%d leaves more, want one for each record; it holds record %d", after-before, a.sees("xc").Record)
	}
	if all := must(a.db.RecordVersions(t.Context(), "xc")); len(all) != 2 || !all[0].Listed {
		t.Errorf("stored: %d records, want both", len(all))
	}
	held := must(a.HeldRecords(t.Context()))
	for name, c := range map[string]struct {
		ref  envelope.RecordRef
		want protocol.Code
	}{
		"as it is": {c.state.Ref(), ""}, "to come": {envelope.RecordRef{State: "xc", Sequence: 3, Digest: digest("x")}, ""},
		"another": {envelope.RecordRef{State: "xc", Sequence: 1, Digest: digest("x")}, protocol.Equivocation},
	} {
		if err := held.CheckRef(c.ref); protocol.CodeOf(err) != c.want {
			t.Errorf("a listed record that is held %s: %v", name, err)
		}
	}
}

// R-FED-5: stewards list a false first record of a state that the node never met. It
// rests on their word alone, and gives way to a later record of the true state once a
// person has compared its words.
func TestAFalseFirstRecordGivesWay(t *testing.T) {
	t.Parallel()
	a := newNode(t, "xa", []protocol.AuthorityID{central})
	impostor, xb := newParty("xb", "127.0.0.1:1", prosecution), newParty("xb", "127.0.0.1:1", prosecution)
	if err := a.AdoptListed(t.Context(), []*record.State{impostor.state}); err != nil {
		t.Fatal(err)
	}
	listed := must(record.Verify(xb.next(func(*record.Record) {}), nil))
	held := must(a.HeldRecords(t.Context()))
	if _, err := record.Verify(listed.Signed(), held.Newest("xb")); protocol.CodeOf(err) == "" {
		t.Error("the true record follows from the false one")
	}
	if err := a.Pin(t.Context(), listed); err != nil {
		t.Fatal(err)
	}
	if p := a.sees("xb"); p.Listed || !p.Pinned || p.Record != 2 {
		t.Errorf("xa sees xb as %+v, want the record that was pinned", p)
	}
	if s, ok := a.State("xb"); !ok || s.Ref() != listed.Ref() {
		t.Error("the false record stands")
	}
}
