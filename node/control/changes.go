package control

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"comity/protocol"
	"comity/protocol/record"
	"comity/store"
)

// changesOf tells what an adopted record changed of the one before, key by key,
// for people. Both were verified when they were adopted. In the report of one authority
// (only) another one of its own state is not told of; none is left when the record is
// about such a one alone.
func changesOf(a store.Adoption, only protocol.AuthorityID) ([]string, error) {
	now, err := record.Parse(a.Signed.Document)
	if err != nil {
		return nil, fmt.Errorf("%w: record %d of %s: %w", store.ErrIntegrity, a.Sequence, a.State, err)
	}
	if len(a.Before.Document) == 0 {
		return []string{"the first record of this state here"}, nil
	}
	before, err := record.Parse(a.Before.Document)
	if err != nil {
		return nil, fmt.Errorf("%w: the record before %d of %s: %w", store.ErrIntegrity, a.Sequence, a.State, err)
	}
	c := &changes{}
	if a.Own {
		c.only = only
	}
	c.names("state "+string(now.State), before.Name, now.Name)
	c.keys("state "+string(now.State), before.EveryKey(), now.EveryKey())
	c.keys("node "+string(now.Node.ID), before.Node.Keys, now.Node.Keys)
	c.pins(before.Node.TLS, now.Node.TLS)
	c.when(before.Node.ID != now.Node.ID, "the node is %s, was %s", now.Node.ID, before.Node.ID)
	c.when(before.Node.Log != now.Node.Log, "the log is %s, was %s", now.Node.Log.Origin, before.Node.Log.Origin)
	c.when(before.Node.Witness != now.Node.Witness, "other witness keys")
	c.marks(&before.Node, &now.Node)
	c.when(!slices.Equal(before.Node.Endpoints, now.Node.Endpoints), "the addresses are %q, were %q", now.Node.Endpoints, before.Node.Endpoints)
	c.when(!slices.Equal(before.Versions, now.Versions), "the node speaks %q, spoke %q", now.Versions, before.Versions)
	c.when(before.Node.Limits != now.Node.Limits, "another limit of sealed bytes")
	c.when(before.Valid != now.Valid, "valid until %s, was %s", now.Valid.Until, before.Valid.Until)
	if err := c.authorities(before.Authorities, now.Authorities); err != nil {
		return nil, fmt.Errorf("%w: record %d of %s: %w", store.ErrIntegrity, a.Sequence, a.State, err)
	}
	if len(c.list) == 0 && !c.silent {
		c.list = []string{"nothing about names, keys, addresses or authorities"}
	}
	return c.list, nil
}

type changes struct {
	list   []string
	only   protocol.AuthorityID // the one authority that is told of; empty: all
	silent bool                 // something of another one was left out
}

func (c *changes) when(changed bool, format string, args ...any) {
	if changed {
		c.list = append(c.list, fmt.Sprintf(format, args...))
	}
}

// names tells of another name, with both: they are foreign text, so they are quoted.
func (c *changes) names(owner string, before, now []record.Name) {
	quoted := func(names []record.Name) string {
		texts := make([]string, len(names))
		for i, n := range names {
			texts[i] = fmt.Sprintf("%q (%s)", n.Text, n.Language)
		}
		return strings.Join(texts, ", ")
	}
	c.when(!slices.Equal(before, now), "%s is called %s, was %s", owner, quoted(now), quoted(before))
}

// keys tells which keys came, went, got another end or were marked.
func (c *changes) keys(owner string, before, now []record.Key) {
	had := make(map[protocol.Digest]record.Key, len(before))
	for _, k := range before {
		had[k.Digest] = k
	}
	for _, k := range now {
		was, known := had[k.Digest]
		delete(had, k.Digest)
		name := fmt.Sprintf("%s: %s key %s", owner, k.Role, k.Digest.Short())
		c.when(!known, "%s is new, valid until %s", name, k.Valid.Until)
		c.when(known && was.Valid != k.Valid, "%s is valid until %s, was until %s", name, k.Valid.Until, was.Valid.Until)
		if k.Compromised != nil && (was.Compromised == nil || *was.Compromised != *k.Compromised) {
			c.when(true, "%s is marked compromised since %s, announced %s", name, k.Compromised.Since, k.Compromised.Announced)
		}
		c.when(k.Compromised == nil && was.Compromised != nil, "%s is no longer marked compromised", name)
	}
	for _, k := range before {
		if _, gone := had[k.Digest]; gone {
			c.when(true, "%s: %s key %s is gone", owner, k.Role, k.Digest.Short())
		}
	}
}

// marks tells of keys of logs and witnesses that are marked compromised. No record
// takes a mark back (R-REC-11).
func (c *changes) marks(before, now *record.Node) {
	for _, m := range now.Compromised {
		name, _, _ := strings.Cut(m.Keys.Ed25519, "+")
		was := before.Marked(m.Keys)
		c.when(was == nil || *was != m.Compromised, "the keys of %s are marked compromised since %s, announced %s", name, m.Since, m.Announced)
	}
}

func (c *changes) pins(before, now []record.Pin) {
	had := make(map[protocol.Digest]bool, len(before))
	for _, p := range before {
		had[p.SPKI] = true
	}
	for _, p := range now {
		c.when(!had[p.SPKI], "the node's TLS key %s is new", p.SPKI.Short())
		delete(had, p.SPKI)
	}
	for _, p := range before {
		c.when(had[p.SPKI], "the node's TLS key %s is gone", p.SPKI.Short())
	}
}

// authorities compares the entries of those that stay and names the others.
func (c *changes) authorities(before, now []record.Entry) error {
	had, err := entriesOf(before)
	if err != nil {
		return err
	}
	has, err := entriesOf(now)
	if err != nil {
		return err
	}
	c.between(had, has)
	return nil
}

// between compares the entries of before with those of now.
func (c *changes) between(had, has map[protocol.AuthorityID]*record.Authority) {
	for id := range had {
		if c.only != "" && id != c.only {
			c.silent = c.silent || !reflect.DeepEqual(had[id], has[id])
			delete(had, id)
			delete(has, id)
		}
	}
	for id := range has { // those that are new
		if c.only != "" && id != c.only {
			c.silent = true
			delete(has, id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(has)) {
		is, was := has[id], had[id]
		if was == nil {
			c.when(true, "authority %s is new", id)
			continue
		}
		c.keys(string(id), was.EveryKey(), is.EveryKey())
		c.recipients(id, was.Recipients, is.Recipients)
		c.names(string(id), was.Name, is.Name)
		c.when(was.Host != is.Host, "%s is hosted by node %s, was by %s", id, is.Host, was.Host)
		c.when(is.Particulars != nil && !reflect.DeepEqual(was.Particulars, is.Particulars), "%s says other things of itself", id)
		c.when(is.Particulars == nil && was.Particulars != nil, "%s says nothing more of itself", id)
		c.when(!is.Confirmed.Equal(was.Confirmed.Time) && !is.Confirmed.IsZero(), "%s confirmed what it says of itself on %s", id, is.Confirmed)
	}
	for _, id := range slices.Sorted(maps.Keys(had)) {
		c.when(has[id] == nil, "authority %s is gone", id)
	}
}

func (c *changes) recipients(id protocol.AuthorityID, before, now []record.Recipient) {
	had := make(map[string]bool, len(before))
	for _, r := range before {
		had[r.Recipient] = true
	}
	added := 0
	for _, r := range now {
		if !had[r.Recipient] {
			added++
		}
		delete(had, r.Recipient)
	}
	c.when(added > 0, "%s: new keys to seal to: %d", id, added)
	c.when(len(had) > 0, "%s: keys to seal to that are gone: %d", id, len(had))
}

func entriesOf(list []record.Entry) (map[protocol.AuthorityID]*record.Authority, error) {
	all := make(map[protocol.AuthorityID]*record.Authority, len(list))
	for _, e := range list {
		a, err := record.ParseAuthority([]byte(e.Document))
		if err != nil {
			return nil, err
		}
		all[a.ID] = a
	}
	return all, nil
}
