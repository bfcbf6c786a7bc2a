package record

import (
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/statement"
)

// Parse reads a record and checks every rule that needs neither a signature nor
// another document: sizes, counts, names, addresses, windows. Every error is a
// *protocol.Refusal. Nothing in the result may be believed before Verify.
func Parse(doc []byte) (*Record, error) {
	r := new(Record)
	if err := statement.Decode(doc, Type, protocol.MaxRecord, r); err != nil {
		return nil, err
	}
	if err := r.validate(); err != nil {
		return nil, err
	}
	return r, nil
}

// ParseAuthority reads one authority's entry, of either type, as Parse reads a
// record.
func ParseAuthority(doc []byte) (*Authority, error) {
	a, err := decodeAuthority(doc)
	if err != nil {
		return nil, err
	}
	if err := a.validate(); err != nil {
		return nil, err
	}
	return a, nil
}

func (r *Record) validate() error {
	c := checks{subject: "record of " + string(r.State)}
	// The versions come first: a record of a newer program may break any later
	// rule, and its owner needs to hear about the version.
	c.versions(r.Versions)
	c.require(r.Sequence >= 1, "sequence %d; the first is 1", r.Sequence)
	c.require((r.Previous == nil) == (r.Sequence == 1), "sequence %d with previous %v; only the first has none", r.Sequence, r.Previous)
	c.require(r.Previous == nil || !r.Previous.IsZero(), "the digest of the record before is zero")
	c.names(r.Name)
	c.window("validity", r.Valid)
	c.require(r.Created.Before(r.Valid.Until.Time), "created %s, after its own end %s", r.Created, r.Valid.Until)
	c.require(r.Node.ID.State() == r.State, "node %s belongs to another state", r.Node.ID) // R-REC-5
	c.keys(r.Keys, r.Created, evidence.Primary)
	c.formers(r.Former, r.Keys, r.Created, evidence.Primary)
	c.require(len(r.Authorities) <= protocol.MaxAuthorities, "%d authorities, at most %d allowed", len(r.Authorities), protocol.MaxAuthorities)
	if c.err != nil {
		return c.err
	}
	c.subject = "node " + string(r.Node.ID)
	c.node(&r.Node, r.Created)
	return c.err
}

func (c *checks) node(n *Node, created protocol.Time) {
	c.keys(n.Keys, created, evidence.Primary, evidence.Node)
	c.require(len(n.TLS) > 0, "no TLS key: nobody could know it on the wire")
	c.require(len(n.TLS) <= protocol.MaxKeys, "%d TLS keys, at most %d allowed", len(n.TLS), protocol.MaxKeys)
	pins := make(map[protocol.Digest]bool)
	for _, p := range n.TLS {
		c.require(!p.SPKI.IsZero(), "the digest of a TLS key is zero")
		c.require(!pins[p.SPKI], "TLS key %s is listed twice", p.SPKI.Short())
		pins[p.SPKI] = true
		c.window("TLS key "+p.SPKI.Short(), p.Valid)
	}
	c.endpoints(n.Endpoints)
	of, _, err := protocol.ParseLogOrigin(n.Log.Origin)
	c.require(err == nil && of == n.ID, "log origin %s: want comity/log/%s/ and the era's number", quote(n.Log.Origin), n.ID)
	c.require(n.Limits.Sealed >= 1 && n.Limits.Sealed <= protocol.MaxSealed, "takes parcels of up to %d bytes; the format allows 1 to %d", n.Limits.Sealed, int64(protocol.MaxSealed))
	c.marks(n.Compromised, created)
}

func (a *Authority) validate() error {
	c := checks{subject: "authority " + string(a.ID)}
	c.names(a.Name)
	c.require(a.Sequence >= 1, "sequence %d; the first is 1", a.Sequence)
	c.require(a.Host.State() == a.ID.State(), "host %s belongs to another state", a.Host) // R-REC-5
	c.keys(a.Keys, a.Created, evidence.Primary, evidence.Act, evidence.Attest)
	c.formers(a.Former, a.Keys, a.Created, evidence.Primary, evidence.Act, evidence.Attest)
	c.require(len(a.Recipients) > 0, "no recipient key: nobody could seal a parcel to it")
	c.require(len(a.Recipients) <= protocol.MaxKeys, "%d recipient keys, at most %d allowed", len(a.Recipients), protocol.MaxKeys)
	for i, r := range a.Recipients {
		c.require(len(r.Recipient) <= protocol.MaxString, "recipient key %d is too long", i+1)
		c.window("recipient key", r.Valid)
	}
	if a.Particulars != nil {
		// R-DIR-1: nobody can have confirmed later than they signed.
		c.require(!a.Confirmed.After(a.Created.Add(protocol.MaxSkew)), "confirmed on %s, after the entry was made on %s", a.Confirmed, a.Created)
		c.particulars(a.Particulars)
	}
	return c.err
}

// compromised checks the times of a mark, if there is one.
func (c *checks) compromised(of string, m *Compromised, created protocol.Time) {
	if m != nil {
		c.require(!m.Announced.Before(m.Since.Time), "%s: compromise announced before it happened", of)
		c.require(!m.Announced.After(created.Add(protocol.MaxSkew)), "%s: compromise announced after the document that announces it", of)
	}
}

// keys checks a list of keys as far as it goes without the certificate: only
// the roles given, exactly one primary (R-REC-7), at least one key of every
// role, none twice.
func (c *checks) keys(keys []Key, created protocol.Time, roles ...evidence.Role) {
	c.require(len(keys) <= protocol.MaxKeys, "%d keys, at most %d allowed", len(keys), protocol.MaxKeys)
	count := make(map[evidence.Role]int)
	seen := make(map[protocol.Digest]bool)
	for _, k := range keys {
		count[k.Role]++
		c.require(!seen[k.Digest], "key %s is listed twice; a key has one role for life", k.Digest.Short())
		seen[k.Digest] = true
		c.window("key "+k.Digest.Short(), k.Valid)
		c.compromised("key "+k.Digest.Short(), k.Compromised, created)
	}
	for _, role := range roles {
		c.require(count[role] > 0, "no key has the role %s", role)
		c.require(role != evidence.Primary || count[role] == 1, "more than one key has the role %s", role)
		delete(count, role)
	}
	for role := range count {
		c.refuse(protocol.WrongRole, "has a key in the role %s, which it cannot have", role)
	}
}
