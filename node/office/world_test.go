package office

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"time"

	"comity/crypto/merkle"
	"comity/crypto/pgp"
	"comity/crypto/seal"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/record"
	"comity/store"
)

// start is when every key of the tests begins; the tests themselves happen a
// day later, so that keys can have ended or been stolen before.
var (
	start = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	today = start.Add(24 * time.Hour)
	stole = start.Add(2 * time.Hour) // when the stolen key was stolen
)

const year = 365 * 24 * time.Hour

// The three authorities of the tests, each of its own state.
const (
	central     = protocol.AuthorityID("xa/central-authority")
	prosecution = protocol.AuthorityID("xb/prosecution-service")
	ministry    = protocol.AuthorityID("xc/ministry-of-justice")
)

// Subkeys of every authority, by their place in its certificate.
const (
	actKey = iota
	attestKey
	secondActKey // of a second person
	endedActKey  // its time ended long before today
	stolenActKey // marked compromised
	unlistedKey  // in the certificate, not yet in the record
	subkeys
)

// state is one state with its node, its authority and all their keys.
type state struct {
	id         protocol.StateID
	authority  protocol.AuthorityID
	holder     *pgp.Generated // the authority
	node       *pgp.Generated
	log        *merkle.Signer
	identities seal.Identities
	record     *record.State
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// states are made once, because keys take time. They are read-only.
var states = sync.OnceValue(func() map[protocol.StateID]*state {
	all := map[protocol.StateID]*state{}
	for _, a := range []protocol.AuthorityID{central, prosecution, ministry} {
		all[a.State()] = newState(a)
	}
	return all
})

func stateOf(a protocol.AuthorityID) *state { return states()[a.State()] }

func during(from time.Time, d time.Duration) protocol.Window {
	return protocol.Window{From: protocol.At(from), Until: protocol.At(from.Add(d))}
}

func newState(a protocol.AuthorityID) *state {
	s := &state{
		id: a.State(), authority: a,
		holder: must(pgp.Generate("Authority of "+string(a.State()), pgp.Ed25519, subkeys, start, year)),
		node:   must(pgp.Generate("Node of "+string(a.State()), pgp.Ed25519, 1, start, year)),
		log:    must(merkle.GenerateLog(protocol.LogOrigin(protocol.NodeID(a.State()), 1))),
	}
	for range 2 { // the second one is listed too, and older
		s.identities = append(s.identities, must(seal.GenerateIdentity()))
	}
	root := must(pgp.Generate("State "+string(a.State()), pgp.Ed25519, 0, start, year))
	created := start.Add(4 * time.Hour)
	primary := func(g *pgp.Generated) record.Key {
		return record.Key{Role: evidence.Primary, Digest: g.Primary.Digest(), Valid: during(start, 20*year)}
	}
	key := func(role evidence.Role, s *pgp.Secret, d time.Duration) record.Key {
		return record.Key{Role: role, Digest: s.Digest(), Valid: during(start, d)}
	}
	authority := &record.Authority{
		ID: a, Name: []record.Name{{Language: "en", Text: "Authority"}}, Sequence: 1, Created: protocol.At(created),
		Host: protocol.NodeID(s.id), Certificate: s.holder.Certificate.Bytes(),
		Keys: []record.Key{
			primary(s.holder),
			key(evidence.Act, s.holder.Subkeys[actKey], year), key(evidence.Attest, s.holder.Subkeys[attestKey], year),
			key(evidence.Act, s.holder.Subkeys[secondActKey], year), key(evidence.Act, s.holder.Subkeys[endedActKey], time.Hour),
			key(evidence.Act, s.holder.Subkeys[stolenActKey], year),
		},
		Recipients: []record.Recipient{
			{Recipient: s.identities[0].Recipient().String(), Valid: during(start.Add(time.Hour), year/2)},
			{Recipient: s.identities[1].Recipient().String(), Valid: during(start, year/2)},
		},
	}
	authority.Keys[5].Compromised = &record.Compromised{Since: protocol.At(stole), Announced: protocol.At(stole.Add(time.Hour))}
	entry := must(record.SignAuthority(authority, s.holder.Primary, created))
	ed, pq := s.log.VerifierKeys()
	_, witnessEd, witnessPQ, err := merkle.GenerateKeypair("comity/witness/" + string(s.id))
	signed := must(record.SignRecord(&record.Record{
		State: s.id, Name: []record.Name{{Language: "en", Text: "State"}}, Sequence: 1, Created: protocol.At(created),
		Valid: during(start, 2*year), Versions: []string{protocol.Version}, Certificate: root.Certificate.Bytes(), Keys: []record.Key{primary(root)},
		Node: record.Node{
			ID: protocol.NodeID(s.id), Certificate: s.node.Certificate.Bytes(),
			Keys:    []record.Key{primary(s.node), key(evidence.Node, s.node.Subkeys[0], year)},
			TLS:     []record.Pin{{SPKI: protocol.Sum([]byte(s.id)), Valid: during(start, year)}},
			Log:     record.Log{Origin: s.log.Origin(), Keys: record.Keypair{Ed25519: ed, MLDSA44: pq}},
			Witness: record.Keypair{Ed25519: witnessEd, MLDSA44: must(witnessPQ, err)},
			Limits:  record.Limits{Sealed: 8 << 20},
		},
		Authorities: []record.Entry{entry},
	}, root.Primary, created))
	s.record = must(record.Verify(signed, nil))
	return s
}

// clock is a wall clock that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time // guarded by mu
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// world is the three authorities with their offices, real stores, and for each
// office the node beside it (see node_test.go).
type world struct {
	t       *testing.T
	clock   *clock
	nodes   map[protocol.StateID]*node
	offices map[protocol.AuthorityID]*Office
	dirs    map[protocol.AuthorityID]string
	mu      sync.Mutex // of all nodes
}

func newWorld(t *testing.T) *world {
	w := &world{
		t: t, clock: &clock{at: today}, nodes: map[protocol.StateID]*node{},
		offices: map[protocol.AuthorityID]*Office{}, dirs: map[protocol.AuthorityID]string{},
	}
	for id, s := range states() {
		w.nodes[id] = newNode(w, s)
	}
	return w
}

// office returns an authority's office, made when it is first asked for.
func (w *world) office(a protocol.AuthorityID) *Office {
	w.t.Helper()
	if o, ok := w.offices[a]; ok {
		return o
	}
	w.dirs[a] = w.t.TempDir()
	if err := store.CreateOffice(w.t.Context(), w.storeConfig(a), a); err != nil {
		w.t.Fatal(err)
	}
	return w.open(a)
}

func (w *world) storeConfig(a protocol.AuthorityID) store.Config {
	return store.Config{Dir: w.dirs[a], Now: w.clock.now}
}

// open opens an office on its store, as after a restart.
func (w *world) open(a protocol.AuthorityID) *Office {
	w.t.Helper()
	s := stateOf(a)
	db, err := store.OpenOffice(context.WithoutCancel(w.t.Context()), w.storeConfig(a), a)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := db.Close(); err != nil {
			w.t.Error(err)
		}
	})
	o, err := New(w.config(s, db))
	if err != nil {
		w.t.Fatal(err)
	}
	w.offices[a] = o
	return o
}

func (w *world) config(s *state, db *store.Office) Config {
	return Config{
		Authority: s.authority, Store: db, Gateway: w.nodes[s.id], Act: s.holder.Subkeys[actKey], Attest: s.holder.Subkeys[attestKey],
		Identities: s.identities, ConsigneeKey: protocol.Sum([]byte("office of " + s.authority)), Now: w.clock.now,
	}
}

// takeAll has an office take in everything that waits for it.
func (w *world) takeAll(a protocol.AuthorityID) error {
	w.t.Helper()
	o := w.office(a)
	waiting, err := o.gateway.Consign(w.t.Context(), a, o.consignee, nil, maxQueue)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range waiting {
		if err := o.takeIn(w.t.Context(), c); err != nil {
			return err
		}
	}
	return nil
}

// acts returns the acts of an office's journal, after checking its chain.
func (w *world) acts(a protocol.AuthorityID) (acts []Act) {
	w.t.Helper()
	o := w.office(a)
	if _, err := o.store.CheckJournal(w.t.Context()); err != nil {
		w.t.Error(err)
	}
	entries, err := o.store.Journal(w.t.Context(), 0, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range entries {
		parsed, err := ParseEntry(e.Entry)
		if err != nil {
			w.t.Fatalf("journal entry %s: %v", bytes.TrimSpace(e.Entry), err)
		}
		acts = append(acts, parsed.Act)
	}
	return acts
}
