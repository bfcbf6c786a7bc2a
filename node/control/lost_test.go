package control

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"comity/crypto/merkle"
	"comity/node/operate"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/statement"
	"comity/store"
)

// restored is node xa, which began a new era after an old backup: it has to fetch
// back what it sent and received.
func restored(t *testing.T) (*Client, *operate.Node) {
	t.Helper()
	dir, _ := newNode(t, "xa", "xa/central-authority")
	_, xb := newNode(t, "xb", "xb/prosecution-service")
	before, err := Dial(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	pin(t, before, xb)
	if err := before.Close(); err != nil {
		t.Fatal(err)
	}
	n, err := operate.Open(t.Context(), dir, operate.Options{})
	if err == nil {
		err = n.Gateway.Store.NoteShown(t.Context(), store.Shown{Peer: "xb", Note: []byte("a later state of the log")})
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := operate.NewEra(t.Context(), operate.Amendment{Dir: dir, Offline: filepath.Join(dir, "offline"), Now: time.Now}); err != nil {
		t.Fatal(err)
	}
	return opened(t, dir)
}

// commit stores what a peer gave back, as the gateway does once it has verified it.
func commit(t *testing.T, n *operate.Node, f store.Fact) {
	t.Helper()
	sign := func(size int64, root merkle.Hash) ([]byte, error) {
		return n.Gateway.Log.Checkpoint(size, root, time.Now())
	}
	out, err := n.Gateway.Store.Commit(t.Context(), []store.Fact{f}, sign)
	if err == nil {
		err = out[0].Err
	}
	if err != nil {
		t.Fatal(err)
	}
}

func paper(words string) statement.Signed {
	return statement.Signed{Document: []byte(words), Signature: []byte("signature of " + words)}
}

// What an office had sent and lost with its node is listed as far as it came back,
// and what it had received and lost is announced; neither is called unknown.
func TestWhatWasLostWithTheNodeIsListed(t *testing.T) {
	c, n := restored(t)
	was := time.Now().Add(-time.Hour)
	sealed := envelope.Sealed{Size: 5, Digest: protocol.Sum([]byte("bytes")), Recipients: 1}
	ev := func(e evidence.Event, words string) store.Evidence {
		return store.Evidence{Packet: statement.Packet{Signed: paper(words)}, Event: e, Time: was}
	}
	sent := protocol.Key{From: "xa/central-authority", Parcel: "0193588d-1a2b-7c3d-8e4f-0123456789ab", To: "xb/prosecution-service"}
	commit(t, n, store.RestoreOutbound{Outbound: store.Outbound{
		Key: sent, Peer: "xb", Envelope: paper("envelope"), Sealed: sealed, Priority: protocol.Routine, Created: was, Expires: was.Add(24 * time.Hour),
		Next: time.Now(), Evidence: ev(evidence.SubmissionAcceptance, "submission"),
	}})
	received := protocol.Key{From: "xb/prosecution-service", Parcel: "0193588d-1a2b-7c3d-8e4f-0123456789ac", To: "xa/central-authority"}
	commit(t, n, store.RestoreInbound{
		Inbound: store.Inbound{
			Key: received, Peer: "xb", Envelope: paper("another envelope"), Sealed: sealed, Priority: protocol.Routine, Created: was, Expires: was.Add(24 * time.Hour),
		},
		Evidence: []store.Evidence{ev(evidence.RelayAcceptance, "acceptance")},
	})
	list, err := c.Sent(t.Context(), "", 0)
	if err != nil || len(list.Parcels) != 1 || !list.Parcels[0].Lost || list.Parcels[0].Parcel != sent.Parcel {
		t.Errorf("sent: %+v, %v; want the lost parcel", list, err)
	}
	inbox, err := c.Inbox(t.Context(), "", false, 0)
	if err != nil || len(inbox.Parcels) != 0 || len(inbox.Awaited) != 1 || inbox.Awaited[0].Parcel != received.Parcel {
		t.Errorf("inbox: %+v, %v; want one that is awaited", inbox, err)
	}
	_, err = c.Export(t.Context(), "", string(sent.Parcel), filepath.Join(t.TempDir(), "out"))
	wantCode(t, "export of what is lost", err, NotFound)
	if err != nil && !strings.Contains(err.Error(), "has lost the parcel") {
		t.Errorf("%v; want that it was lost", err)
	}
	_, err = c.Parcel(t.Context(), "", "0193588d-1a2b-7c3d-8e4f-0123456789ad")
	wantCode(t, "an unknown parcel", err, NotFound)
	if err != nil && strings.Contains(err.Error(), "lost") {
		t.Errorf("%v; it was never here", err)
	}
}
