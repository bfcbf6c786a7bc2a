package store

import (
	"errors"
	"testing"

	"comity/protocol"
	"comity/protocol/envelope"
)

// directory is a version of the directory with one content or another.
func directory(version int64, content string) envelope.Directory {
	return envelope.Directory{Version: version, Digest: protocol.Sum([]byte(content))}
}

func adopts(version int64, content string) AdoptDirectory {
	return AdoptDirectory{DirectoryVersion{Ref: directory(version, content), Statement: document("adoption", version, content)}}
}

func (n *node) names(peer protocol.NodeID, version int64, content string) bool {
	n.t.Helper()
	differs, err := n.NameDirectory(n.t.Context(), NamedDirectory{Node: peer, Ref: directory(version, content), Envelope: document("envelope of", peer, version, content)})
	if err != nil {
		n.t.Fatal(err)
	}
	return differs
}

func (n *node) differing() (all []NamedDirectory) {
	n.t.Helper()
	all, err := n.DifferingDirectories(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	return all
}

// R-FED-9: each adopted version is a leaf, once; nothing goes back, and nothing takes
// the place of a version.
func TestEveryAdoptedVersionIsALeaf(t *testing.T) {
	n := newNode(t)
	if _, err := n.NewestDirectory(t.Context()); !errors.Is(err, ErrNotFound) {
		t.Errorf("before the first: %v", err)
	}
	first := n.commit(adopts(3, "three"), adopts(5, "five"))
	again := n.commitOne(adopts(3, "three"))
	if !again.Repeat || string(again.Packets[0].Proof) != string(first[0].Packets[0].Proof) {
		t.Errorf("the same once more: %+v", again)
	}
	wantCode(t, "another directory of that version", n.commitOne(adopts(3, "another three")).Err, protocol.Equivocation)
	wantCode(t, "an older version", n.commitOne(adopts(4, "four")).Err, protocol.Expired)
	newest, err := n.NewestDirectory(t.Context())
	if err != nil || newest.Ref != directory(5, "five") {
		t.Errorf("the newest is %+v, %v", newest, err)
	}
	if r, err := n.CheckLog(t.Context(), n.logV.Checkpoint); err != nil || r.Directories != 2 || r.Leaves != 2 {
		t.Errorf("report %+v, %v", r, err)
	}
	n.tamper(`UPDATE directory_version SET leaf = 2 WHERE version = 3`)
	if _, err := n.CheckLog(t.Context(), n.logV.Checkpoint); !errors.Is(err, ErrIntegrity) {
		t.Errorf("a version without its leaf: %v", err)
	}
	n.tamper(`UPDATE directory_version SET leaf = 0 WHERE version = 3`)
}

// R-FED-7: that a peer names another directory of a version is seen whichever of the
// two comes first, and the first envelope that showed it stays.
func TestAnotherDirectoryOfOneVersionIsKept(t *testing.T) {
	n := newNode(t)
	n.commit(adopts(3, "three"))
	for _, c := range []struct {
		peer    protocol.NodeID
		version int64
		content string
		want    bool
	}{
		{"xb", 3, "three", false},
		{"xb", 2, "who knows", false},
		{"xb", 4, "another four", false},
		{"xc", 3, "another three", true},
		{"xc", 3, "a third three", true},
		{"xd", 4, "four", false},
	} {
		if got := n.names(c.peer, c.version, c.content); got != c.want {
			t.Errorf("%s names version %d with %s: differs %v, want %v", c.peer, c.version, c.content, got, c.want)
		}
	}
	if all := n.differing(); len(all) != 1 || all[0].Node != "xc" || all[0].Ref != directory(3, "another three") {
		t.Errorf("differing: %+v, want the first of xc", all)
	}
	n.commit(adopts(4, "four"))
	all := n.differing()
	if len(all) != 2 || all[0].Node != "xb" || all[0].Ref != directory(4, "another four") || all[0].Named.IsZero() {
		t.Errorf("differing: %+v, want what xb had named before", all)
	}
}
