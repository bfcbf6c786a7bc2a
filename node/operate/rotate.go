package operate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"comity/crypto/merkle"
	"comity/crypto/pgp"
	"comity/node/gateway"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/record"
	"comity/protocol/statement"
)

// overlap is how long a key that was replaced still counts: for what was signed in
// the second of the change, or by a clock that was a little ahead.
const overlap = protocol.MaxSkew

// RotatePlan says which keys get successors.
type RotatePlan struct {
	Amendment
	Kinds []Kind
	// Authorities are those whose keys are replaced, for kinds of an office.
	Authorities []protocol.AuthorityID
	// Since is when the keys may have come into other hands; nil: they have not.
	Since *time.Time
}

// ErrNotYet says that a theft is dated in the future.
var ErrNotYet = errors.New("it cannot have happened yet")

// Rotated is what a change of keys made.
type Rotated struct {
	State *record.State
	// Broken is why the record does not follow from the one before: peers adopt it
	// only when a person has compared its words. nil: they adopt it by themselves.
	Broken error
}

// Rotate gives keys of a state their successors. The state's next record names the
// new ones, the authorities sign their own entries, and what ends by itself, the
// record's term and the windows of the offline keys that sign, is extended to a year
// from now. The node must not run.
//
// The old keys stay listed, so that nothing in flight fails: those that sign count
// until now, what they signed verifies as before, identities go on opening, and the
// node shows its old TLS key to whoever knows no other. The log gives way to one of
// the next era. With Since, the old keys are marked compromised instead, and those
// that sign nothing are left out (R-REC-8, R-REC-11).
//
// If the power goes: before the commit nothing has changed; after it the files are
// put in their places when the node is opened next.
func Rotate(ctx context.Context, p RotatePlan) (_ *Rotated, err error) {
	c, err := p.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if p.Since != nil && p.Since.After(c.at) {
		return nil, fmt.Errorf("%w: since %s, and here it is %s", ErrNotYet, protocol.At(*p.Since), protocol.At(c.at))
	}
	if refusal := c.Gateway.Standing().Refusal; errors.Is(refusal, gateway.ErrOlderCopy) {
		return nil, refusal // what it has lost comes back with "comity log new-era" alone
	}
	r := &rotation{amendment: c, since: p.Since, record: *c.Gateway.Own.Record(), entries: map[protocol.AuthorityID]*entryDraft{}, files: map[string][]byte{}, medium: map[string][]byte{}}
	for _, k := range p.Kinds {
		if r.isAnnounced(k, p.Authorities) {
			return nil, fmt.Errorf("%w (%s, since %s)", ErrAnnounced, k, protocol.At(*p.Since))
		}
		if err := r.replace(k, p.Authorities); err != nil {
			return nil, fmt.Errorf("make new keys (%s): %w", k, err)
		}
	}
	return r.publish(ctx)
}

// Renew gives every key of a node that ends by itself a successor, and the record
// another year: what has to be done once a year.
func Renew(ctx context.Context, a Amendment) (*Rotated, error) {
	config, err := ReadConfig(Layout{a.Dir}.Config())
	if err != nil {
		return nil, err
	}
	return Rotate(ctx, RotatePlan{Amendment: a, Kinds: []Kind{NodeKind, TLSKind, ActKind, AttestKind, AgeKind}, Authorities: config.Authorities})
}

// rotation is the next record while it is made.
type rotation struct {
	*amendment
	since   *time.Time
	record  record.Record // the next one
	entries map[protocol.AuthorityID]*entryDraft
	files   map[string][]byte // by the place that each will have
	log     *merkle.Signer    // of the next era; nil: the log stays
	medium  map[string][]byte // files of new offline keys, by the place that each will have
}

// entryDraft is the next entry of one authority, with the key that is to sign it.
type entryDraft struct {
	record.Authority
	primary *pgp.Secret
}

func (r *rotation) replace(k Kind, authorities []protocol.AuthorityID) error {
	each := func(replace func(*entryDraft) error) error {
		for _, a := range authorities {
			e, err := r.entry(a)
			if err == nil {
				err = replace(e)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	switch k {
	case ActKind:
		return each(func(e *entryDraft) error { return r.officeKey(e, evidence.Act, ActHolder(e.ID), actKeyFile) })
	case AttestKind:
		return each(func(e *entryDraft) error { return r.officeKey(e, evidence.Attest, OfficeHolder(e.ID), attestKeyFile) })
	case AgeKind:
		return each(r.identity)
	case NodeKind:
		return r.nodeKey()
	case TLSKind:
		return r.tlsKey()
	case WitnessKind:
		return r.witnessKeys()
	case LogKind:
		return r.logKeys()
	case AuthorityKind:
		return each(r.authorityKeys)
	case StateKind:
		return r.stateKey()
	}
	return fmt.Errorf("there are no keys of the kind %q", k)
}

// entry is the next entry of an authority, begun once.
func (r *rotation) entry(a protocol.AuthorityID) (*entryDraft, error) {
	if e := r.entries[a]; e != nil {
		return e, nil
	}
	m, ok := r.Gateway.Own.Authority(a)
	if !ok {
		return nil, protocol.Refuse(protocol.UnknownSender, "the record of this node does not list %s", a)
	}
	primary, err := readSecret(r.keys, primaryKey(r.offline, a), r.Layout.OfficeFile(a, certificateFile))
	if err != nil {
		return nil, err
	}
	e := &entryDraft{Authority: *m.Document(), primary: primary}
	e.Sequence, e.Created = e.Sequence+1, protocol.At(r.at)
	e.Keys, e.Recipients = r.extended(e.Keys), slices.Clone(e.Recipients)
	r.entries[a] = e
	return e, nil
}

// extended gives primary keys another year.
func (r *rotation) extended(list []record.Key) []record.Key {
	list = slices.Clone(list)
	for i := range list {
		if end := protocol.At(r.at.Add(keyLifetime)); list[i].Role == evidence.Primary && end.After(list[i].Valid.Until.Time) {
			list[i].Valid.Until = end
		}
	}
	return list
}

// succeed lists a key after those of its role, which count no longer than now. Those
// that counted since keys were stolen are marked.
func (r *rotation) succeed(list []record.Key, role evidence.Role, key protocol.Digest) []record.Key {
	list = slices.Clone(list)
	for i := range list {
		if list[i].Role != role {
			continue
		}
		if r.stolen(list[i]) {
			list[i].Compromised = r.mark() // its window stays: to have ended would hide the theft
			continue
		}
		if end := protocol.At(r.at.Add(overlap)); end.Before(list[i].Valid.Until.Time) {
			list[i].Valid.Until = end
		}
	}
	return append(list, record.Key{Role: role, Digest: key, Valid: protocol.Window{From: protocol.At(r.at), Until: protocol.At(r.at.Add(keyLifetime))}})
}

// stolen reports whether a key counted when keys were stolen, and is not marked yet.
func (r *rotation) stolen(k record.Key) bool {
	return r.since != nil && k.Compromised == nil && k.Valid.Until.After(*r.since)
}

// markFormer marks the keys of a role in certificates that gave way since they were
// stolen.
func (r *rotation) markFormer(list []record.Former, role evidence.Role) []record.Former {
	list = slices.Clone(list)
	for i := range list {
		list[i].Keys = slices.Clone(list[i].Keys)
		for j, k := range list[i].Keys {
			if k.Role == role && r.stolen(k) {
				list[i].Keys[j].Compromised = r.mark()
			}
		}
	}
	return list
}

func (r *rotation) mark() *record.Compromised {
	return &record.Compromised{Since: protocol.At(*r.since), Announced: protocol.At(r.at)}
}

// publish signs what was made and makes it the node's own.
func (r *rotation) publish(ctx context.Context) (*Rotated, error) {
	r.record.Valid = protocol.Window{From: protocol.At(r.at.Add(-protocol.MaxSkew)), Until: protocol.At(r.at.Add(recordLifetime))}
	r.record.Keys, r.record.Node.Keys = r.extended(r.record.Keys), r.extended(r.record.Node.Keys)
	if err := r.signEntries(); err != nil {
		return nil, err
	}
	made := &Rotated{}
	signed, state, err := r.next(r.Gateway.Own, func(n *record.Record) {
		sequence, previous, created := n.Sequence, n.Previous, n.Created
		*n = r.record
		n.Sequence, n.Previous, n.Created = sequence, previous, created
	})
	if protocol.CodeOf(err) == protocol.KeyExpired { // an offline key had its time: that it is still the right one only a person can say
		made.Broken = err
		state, err = record.Verify(signed, nil)
	}
	if made.State = state; err != nil {
		return nil, err
	}
	if err := r.writeMedium(state.Ref().Digest); err != nil {
		return nil, err
	}
	if err := r.commit(ctx, signed, state); err != nil {
		return nil, err
	}
	return made, settleMedium(ctx, r.offline, r.Gateway.Store)
}

func (r *rotation) commit(ctx context.Context, signed statement.Signed, state *record.State) error {
	if r.log != nil {
		return r.beginLog(ctx, r.log, signed, r.Gateway.Own, state, nil, r.files)
	}
	return r.amendment.publish(ctx, signed, state, r.files)
}

func (r *rotation) signEntries() error {
	r.record.Authorities = slices.Clone(r.record.Authorities)
	for i, m := range r.Gateway.Own.Members() {
		e := r.entries[m.ID()]
		if e == nil {
			continue
		}
		signed, err := record.SignAuthority(&e.Authority, e.primary, r.at)
		if err != nil {
			return err
		}
		r.record.Authorities[i] = signed
	}
	return nil
}

// keep puts a new key file in the place of one of a holder, protected as that is.
func (r *rotation) keep(h Holder, path string, secret []byte) error {
	secret, err := r.protectAlike(h, path, secret)
	if err == nil {
		r.files[path] = secret
	}
	return err
}

// grow adds a subkey to a certificate, and keeps both.
func (r *rotation) grow(primary *pgp.Secret, h Holder, certificate, key string) (*pgp.Generated, error) {
	g, err := pgp.Grow(primary, r.at, keyLifetime)
	if err != nil {
		return nil, err
	}
	secret, err := g.Subkeys[0].Marshal()
	if err != nil {
		return nil, err
	}
	maps.Copy(r.files, map[string][]byte{certificate: g.Certificate.Bytes()})
	return g, r.keep(h, key, secret)
}
