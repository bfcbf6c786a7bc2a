package operate

import (
	"errors"
	"slices"
	"testing"

	"comity/protocol"
	"comity/protocol/record"
)

// R-REC-3: addresses, names and the limit change by a record that follows; keys and
// terms stay, and what is not in order changes nothing.
func TestChange(t *testing.T) {
	r := newRotating(t)
	p := ChangePlan{
		Amendment: r.amendment(), Endpoints: []string{"gateway.example:7443", "[2001:db8::1]:7443"},
		Name: []record.Name{{Language: "fr", Text: "État xa"}, {Language: "en", Text: "Republic of Xa"}}, Sealed: 1 << 30,
	}
	if _, err := ChangeNode(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	second := own(t, r.dir)
	if _, err := record.Verify(second.Signed(), r.first); err != nil {
		t.Errorf("the record does not follow: %v", err)
	}
	was, is := r.first.Record(), second.Record()
	if !slices.Equal(is.Node.Endpoints, p.Endpoints) || is.Node.Limits.Sealed != 1<<30 || !slices.Equal(is.Name, []record.Name{p.Name[1], p.Name[0]}) {
		t.Errorf("endpoints %q, limit %d, names %v", is.Node.Endpoints, is.Node.Limits.Sealed, is.Name)
	}
	if is.Valid != was.Valid || is.Node.TLS[0] != was.Node.TLS[0] || is.Node.Log != was.Node.Log || is.Authorities[0] != was.Authorities[0] {
		t.Error("more than that was changed")
	}
	if _, err := ChangeNode(t.Context(), p); !errors.Is(err, ErrNoChange) {
		t.Errorf("once more: %v", err)
	}
	p.Endpoints = []string{"http://gateway.example"}
	if _, err := ChangeNode(t.Context(), p); protocol.CodeOf(err) != protocol.Malformed {
		t.Errorf("an address that nobody can dial: %v", err)
	}
	if own(t, r.dir).Ref() != second.Ref() {
		t.Error("what was refused changed the record")
	}
}
