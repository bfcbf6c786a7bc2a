package federation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/record"
)

// Kind says what the draft is of.
func (d *Draft) Kind() Kind {
	if d.root != nil {
		return RootKind
	}
	return EditionKind
}

// Number is that of the root or the edition.
func (d *Draft) Number() int64 {
	if d.root != nil {
		return d.root.Signed.Version
	}
	return d.edition.Signed.Version
}

// Name is how people and files call it: "root-1", "edition-12".
func (d *Draft) Name() string { return fmt.Sprintf("%s-%d", d.Kind(), d.Number()) }

// Ends is when it would end.
func (d *Draft) Ends() time.Time {
	if d.root != nil {
		return d.root.Signed.Expires
	}
	return d.edition.Signed.Expires
}

// Council are those who sign it: for a root the new stewards. Former are, for a
// root that follows another, those of the root before, who sign it too.
func (d *Draft) Council() *Council { return d.council }

// Former is described at Council; nil for a first root and for an edition.
func (d *Draft) Former() *Council { return d.former }

// OnlyRenews reports whether a root would say what the one before says, and only end later.
func (d *Draft) OnlyRenews() bool { return d.former != nil && d.council.sameAs(d.former) }

// Added are the records that an edition adds, by state and number.
func (d *Draft) Added() []Addition { return d.added }

// Before is the edition in force; nil: there is none, or this is a root.
func (d *Draft) Before() *Edition { return d.before }

// InForce is the newest published root; nil: there is none.
func (d *Draft) InForce() *Root {
	held := d.inForce()
	if held == nil {
		return nil
	}
	r, err := rootOf(held)
	if err != nil {
		return nil
	}
	return r
}

// Content is the digest of what the stewards sign, the same whoever has signed.
func (d *Draft) Content() (protocol.Digest, error) {
	if d.root != nil {
		return contentDigest(&d.root.Signed)
	}
	return contentDigest(&d.edition.Signed)
}

// CheckTimes refuses a draft that has ended, and one that adds a record which does
// not count now.
func (d *Draft) CheckTimes(now time.Time) error {
	if ends := d.Ends(); !ends.After(now) {
		return protocol.Refuse(protocol.Expired, "%s %d would have ended on %s already: it was left lying too long; let it be drafted again", d.Kind(), d.Number(), protocol.At(ends))
	}
	for _, a := range d.added {
		if err := a.State.CheckTimes(now); err != nil {
			return err
		}
	}
	return nil
}

// HandedOver are the state and those of its authorities, by name, whose offline key
// is another one than before: the one before has signed that it follows (R-REC-12). A
// thief of that key could have, too, so people look at it.
func (a Addition) HandedOver() (all []string) {
	if a.Before == nil {
		return nil
	}
	r := a.State.Record()
	if primaryIn(r.Keys) != primaryIn(a.Before.Record().Keys) {
		all = append(all, "state "+string(r.State))
	}
	for _, m := range a.State.Members() {
		if before, stays := a.Before.Authority(m.ID()); stays && primaryIn(m.Document().Keys) != primaryIn(before.Document().Keys) {
			all = append(all, string(m.ID()))
		}
	}
	return all
}

// primaryIn is the primary key among those of a record or an entry.
func primaryIn(keys []record.Key) protocol.Digest {
	for _, k := range keys {
		if k.Role == evidence.Primary {
			return k.Digest
		}
	}
	return protocol.Digest{}
}

// role is one of those that have to sign a draft.
type role struct {
	root *metadata.Metadata[metadata.RootType] // which says whose keys count
	name string
	of   string // the same for people
	who  *Council
}

// roles are those that have to sign the draft: for a root the stewards before and
// the new ones.
func (d *Draft) roles() []role {
	if d.edition != nil {
		return []role{{d.inForce(), metadata.TARGETS, "the stewards", d.council}}
	}
	if d.former == nil {
		return []role{{d.root, metadata.ROOT, "the stewards", d.council}}
	}
	return []role{
		{d.inForce(), metadata.ROOT, fmt.Sprintf("the stewards of root %d", d.Number()-1), d.former},
		{d.root, metadata.ROOT, fmt.Sprintf("the stewards of root %d", d.Number()), d.council},
	}
}

func (d *Draft) metadata() any {
	if d.root != nil {
		return d.root
	}
	return d.edition
}

// Signers are the names of those whose signatures are in the draft, in order.
func (d *Draft) Signers() []StewardName {
	var all []StewardName
	for _, r := range d.roles() {
		for _, k := range signers(r.root, r.name, d.metadata()) {
			if name, ok := r.who.Holder(k); ok {
				all = append(all, name)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Missing says, in a sentence for each, whose signatures are missing before the
// draft can be published; empty: it can.
func (d *Draft) Missing() (all []string) {
	for _, r := range d.roles() {
		signed := signers(r.root, r.name, d.metadata())
		n := r.who.Threshold - len(signed)
		if n <= 0 {
			continue
		}
		var rest []string
		for _, s := range r.who.Stewards {
			k := s.Edition
			if r.name == metadata.ROOT {
				k = s.Root
			}
			if !slices.Contains(signed, k) {
				rest = append(rest, string(s.Name))
			}
		}
		all = append(all, fmt.Sprintf("%d more of %s: %s", n, r.of, strings.Join(rest, ", ")))
	}
	return all
}

// signers returns the keys of a role whose signature counts, each by itself.
func signers(root *metadata.Metadata[metadata.RootType], name string, m any) (all []PublicKey) {
	for _, id := range root.Signed.Roles[name].KeyIDs {
		key := root.Signed.Keys[id]
		alone := metadata.Root()
		alone.Signed.Keys = map[string]*metadata.Key{id: key}
		alone.Signed.Roles[name] = &metadata.Role{KeyIDs: []string{id}, Threshold: 1}
		var k PublicKey
		if k.UnmarshalText([]byte(key.Value.PublicKey)) == nil && verify(alone, name, m) == nil {
			all = append(all, k)
		}
	}
	return all
}

// counts reports whether a key has to do with the draft.
func (d *Draft) counts(k PublicKey) bool {
	return slices.ContainsFunc(d.roles(), func(r role) bool { return slices.Contains(keysOf(&r.root.Signed, r.name), k) })
}

// Sign adds the signatures of those keys that count, and says how many do. What
// was signed already stays as it is.
func (d *Draft) Sign(keys ...*Key) (counting int, err error) {
	text := d.paper.Draft
	for _, k := range keys {
		if !d.counts(k.Public()) {
			continue
		}
		if text, err = Sign(text, k); err != nil {
			return 0, err
		}
		counting++
	}
	return counting, d.replace(text)
}

// Merge takes over the signatures on another copy of the same draft. It refuses
// another draft, and a signature that is wrong or by a key that does not count:
// whoever hands it in should know.
func (d *Draft) Merge(o *Draft) error {
	own, err := d.Content()
	if err != nil {
		return err
	}
	other, err := o.Content()
	if err != nil {
		return err
	}
	if d.Name() != o.Name() {
		return protocol.Refuse(protocol.Equivocation, "it is a draft of %s, which was never handed out from here; %s was", o.Name(), d.Name())
	}
	if own != other {
		return protocol.Refuse(protocol.Equivocation, "it is a draft of %s with another content (%s) than the one that was handed out (%s)", o.Name(), other.Short(), own.Short())
	}
	for _, s := range o.signatures() {
		if !slices.ContainsFunc(d.roles(), func(r role) bool { return goodSignature(r, o.metadata(), s.KeyID) }) {
			return protocol.Refuse(protocol.BadSignature, "a signature in it, of the key %.12s, is wrong or of nobody who may sign", s.KeyID)
		}
	}
	text, err := Join(d.paper.Draft, o.paper.Draft)
	if err != nil {
		return err
	}
	return d.replace(text)
}

func (d *Draft) signatures() []metadata.Signature {
	if d.root != nil {
		return d.root.Signatures
	}
	return d.edition.Signatures
}

// goodSignature reports whether the key with that id has signed in this role.
func goodSignature(r role, m any, id string) bool {
	key, known := r.root.Signed.Keys[id]
	if !known || !slices.Contains(r.root.Signed.Roles[r.name].KeyIDs, id) {
		return false
	}
	var k PublicKey
	return k.UnmarshalText([]byte(key.Value.PublicKey)) == nil && slices.Contains(signers(r.root, r.name, m), k)
}

// replace puts the same draft with more signatures in the place of the old one.
func (d *Draft) replace(text []byte) (err error) {
	d.paper.Draft = text
	if d.root != nil {
		d.root, err = parseRoot(text)
	} else {
		d.edition, err = parseEdition(text)
	}
	return err
}
