package bundle

import (
	"strings"

	"comity/crypto/seal"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/statement"
)

const fileKeySize = int64(len(seal.FileKey{}))

// taker goes through the list of members once, in its one order, and hands each
// out. What does not stand where it must is left over and refused.
type taker struct {
	a    *archive
	next int
	err  error
}

// contents sorts the members of an archive by what they are (R-BND-2).
func (a *archive) contents() (*Contents, error) {
	t := &taker{a: a}
	c := &Contents{Language: a.Language, Offset: a.Offset, Envelope: t.signed(envelopeName)}
	for _, event := range evidence.Events() {
		if base := evidenceBase(event); t.has(base + ".json") {
			e := Evidence{Packet: statement.Packet{Signed: t.signed(base + ".json"), Proof: t.must(base + ownProof)}, event: event}
			e.Cosigned, e.Peer = t.may(base+cosignedProof), t.may(base+peerProof)
			c.Evidence = append(c.Evidence, e)
		}
	}
	if t.has(withdrawalName) {
		w := t.signed(withdrawalName)
		c.Withdrawal = &w
	}
	for path := t.path(); strings.HasPrefix(path, "records/") && t.err == nil; path = t.path() {
		c.Records = append(c.Records, t.signed(path))
		c.recordPaths = append(c.recordPaths, path) // what it must be called, its content says
	}
	t.must(coverName)
	if t.has(parcelName) {
		t.next++
		c.Parcel = a.parcel
		if key := t.may(fileKeyName); int64(len(key)) == fileKeySize {
			c.FileKey = (*seal.FileKey)(key)
		} else if key != nil {
			t.refuse(fileKeyName, "%d bytes, want %d", len(key), fileKeySize)
		}
	}
	if path := t.path(); path != "" {
		t.refuse(path, "it has no place there in a bundle")
	}
	return c, t.err
}

func (t *taker) path() string {
	if t.next < len(t.a.Members) {
		return t.a.Members[t.next].Path
	}
	return ""
}

func (t *taker) has(path string) bool { return t.path() == path }

func (t *taker) may(path string) []byte {
	if !t.has(path) {
		return nil
	}
	t.next++
	return t.a.content[path]
}

func (t *taker) must(path string) []byte {
	b := t.may(path)
	if b == nil {
		t.refuse(path, "it is missing, or not in its place")
	}
	return b
}

func (t *taker) signed(path string) statement.Signed {
	return statement.Signed{Document: t.must(path), Signature: t.must(path + signatureSuffix)}
}

// refuse keeps the first complaint.
func (t *taker) refuse(path, format string, args ...any) {
	if t.err == nil {
		t.err = fault(path, protocol.Refuse(protocol.BadContainer, format, args...))
	}
}

// small is one member but the parcel and its key, as it is written.
type small struct {
	path    string
	content []byte
}

// small returns them in their order. The cover sheet is the last.
func (x *examined) small(cover []byte) (all []small) {
	add := func(path string, content []byte) {
		if content != nil {
			all = append(all, small{path, content})
		}
	}
	pair := func(path string, s statement.Signed) {
		add(path, s.Document)
		add(path+signatureSuffix, s.Signature)
	}
	pair(envelopeName, x.Envelope)
	for i, e := range x.Evidence {
		base := evidenceBase(x.facts[i].Event)
		pair(base+".json", e.Signed)
		add(base+ownProof, e.Proof)
		add(base+cosignedProof, e.Cosigned)
		add(base+peerProof, e.Peer)
	}
	if x.Withdrawal != nil {
		pair(withdrawalName, *x.Withdrawal)
	}
	for _, signed := range x.Records {
		r := x.histories.at(signed.Digest()).Record()
		pair(recordMember(r.State, r.Sequence), signed)
	}
	add(coverName, cover)
	return all
}
