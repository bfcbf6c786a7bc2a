package store

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"comity/crypto/seal"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/parcel"
	"comity/protocol/record"
	"comity/protocol/statement"
)

// These tests store the transmission of protocol/vectors/exchange, whose
// documents are genuine, on both sides.
const exchanged = "../protocol/vectors/exchange/"

func file(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.FromSlash(name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func signedFile(t *testing.T, name string) statement.Signed {
	t.Helper()
	return statement.Signed{Document: file(t, name), Signature: file(t, name+".asc")}
}

// genuine is the exchange as the stores take it.
type genuine struct {
	t        *testing.T
	age      []byte
	signed   statement.Signed
	envelope *envelope.Envelope
	xa, xb   Record
}

func newGenuine(t *testing.T) *genuine {
	t.Helper()
	g := &genuine{t: t, age: file(t, exchanged+"parcel.age"), signed: signedFile(t, exchanged+"envelope.json")}
	var err error
	if g.envelope, err = envelope.Parse(g.signed.Document); err != nil {
		t.Fatal(err)
	}
	g.xa, g.xb = g.record("xa", nodeA), g.record("xb", nodeB)
	return g
}

func (g *genuine) record(state protocol.StateID, node protocol.NodeID) Record {
	g.t.Helper()
	signed, err := record.DecodeIntroduction(file(g.t, exchanged+"introduction-"+string(state)+".json"))
	if err != nil {
		g.t.Fatal(err)
	}
	return Record{State: state, Node: node, Sequence: 1, Signed: signed}
}

func (g *genuine) evidence(e evidence.Event) Evidence {
	g.t.Helper()
	name := exchanged + "evidence-" + string(e)
	p := statement.Packet{Signed: signedFile(g.t, name+".json"), Proof: file(g.t, name+".tlog-proof")}
	is, err := evidence.Parse(p.Document)
	if err != nil {
		g.t.Fatal(err)
	}
	return Evidence{Packet: p, Event: e, Time: is.Time.Time}
}

// own is evidence that the store itself gives a leaf.
func (g *genuine) own(e evidence.Event) Evidence {
	ev := g.evidence(e)
	ev.Proof = nil
	return ev
}

func (g *genuine) sealed() envelope.Sealed { return g.envelope.Sealed }

// commit stores facts one by one; the proofs that come back are of other logs too.
func (g *genuine) commit(n *node, facts ...Fact) {
	g.t.Helper()
	for _, f := range facts {
		if o := n.commitOne(f); o.Err != nil {
			g.t.Fatalf("%T: %v", f, o.Err)
		}
	}
}

// sender is the store of node xa after the exchange.
func (g *genuine) sender() *node {
	n := newNode(g.t)
	own, peer := g.xa, g.xb
	own.Own, own.Pinned, peer.Pinned = true, true, true
	g.commit(n, AdoptRecord{own}, AdoptRecord{peer})
	k := g.envelope.Key()
	g.commit(n, Submit{Spool: n.spool(g.age), Out: []Outbound{{
		Key: k, Peer: nodeB, Envelope: g.signed, Sealed: g.sealed(), Priority: g.envelope.Priority, Test: g.envelope.Test,
		Created: g.envelope.Created.Time, Expires: g.envelope.Expires.Time, Evidence: g.own(evidence.SubmissionAcceptance),
	}}})
	g.commit(n, Attempt{Key: k, Offered: true, Attempts: 1, Failed: true, BrokeOff: true, Error: "it broke off"})
	for _, e := range []evidence.Event{evidence.RelayAcceptance, evidence.ContentConsignment, evidence.ContentHandover, evidence.ContentAccessTracking, evidence.ConsignmentAcceptance} {
		g.commit(n, TakeEvidence{Key: k, Evidence: g.evidence(e), Peer: nodeB})
	}
	g.withdraw(n, "outbound", ", withdrawn_us = 1")
	g.proven(n, newWitnessNode(g.t, "xc"))
	return n
}

// receiver is the store of node xb, with an upload that was not tidied up.
func (g *genuine) receiver() *node {
	n := newNode(g.t)
	own, peer := g.xb, g.xa
	own.Own, own.Pinned, peer.Pinned = true, true, true
	g.commit(n, AdoptRecord{own}, AdoptRecord{peer})
	k := g.envelope.Key()
	g.commit(n, AcceptRelay{
		Inbound: Inbound{
			Key: k, Peer: nodeA, Envelope: g.signed, Sealed: g.sealed(), Priority: g.envelope.Priority, Test: g.envelope.Test,
			Created: g.envelope.Created.Time, Expires: g.envelope.Expires.Time,
		},
		Spool: n.spool(g.age), Submission: g.evidence(evidence.SubmissionAcceptance), Evidence: g.own(evidence.RelayAcceptance),
	})
	for _, e := range []evidence.Event{evidence.ContentConsignment, evidence.ContentHandover, evidence.ContentAccessTracking, evidence.ConsignmentAcceptance} {
		g.commit(n, FileEvidence{Key: k, Evidence: g.own(e), Feed: nodeA})
	}
	test := signedFile(g.t, "../protocol/vectors/envelope/test.json")
	named, err := envelope.Parse(test.Document)
	if err != nil {
		g.t.Fatal(err)
	}
	if _, err := n.NameDirectory(g.t.Context(), NamedDirectory{Node: nodeA, Ref: *named.Directory, Envelope: test}); err != nil {
		g.t.Fatal(err)
	}
	hello, err := exchange.DecodeHello(file(g.t, exchanged+"wire/hello-xa.json"))
	if err != nil {
		g.t.Fatal(err)
	}
	state, err := record.Verify(g.xa.Signed, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	c, err := state.LogVerifier().Checkpoint([]byte(*hello.Checkpoint))
	if err == nil {
		err = n.SetPeerCheckpoint(g.t.Context(), nodeA, c, []byte(*hello.Checkpoint))
	}
	if err == nil {
		err = n.NoteClock(g.t.Context(), nodeA, 0, 0, 0)
	}
	if err == nil {
		err = n.NoteAct(g.t.Context(), Act{Kind: ActStart})
	}
	if err == nil {
		err = n.ImportListings(g.t.Context(), []Listing{{Authority: "xd/court", Document: []byte("{}\n")}}, false)
	}
	if err != nil {
		g.t.Fatal(err)
	}
	packets, err := statement.EncodePackets([]statement.Packet{{Signed: g.signed}, g.evidence(evidence.SubmissionAcceptance).Packet})
	if err == nil {
		err = n.v.putUpload(g.t.Context(), &Standing{
			Announced: Announced{Envelope: g.signed.Digest(), Peer: nodeA, Packets: packets, Size: g.sealed().Size, Expires: g.envelope.Expires.Time},
			Offset:    2, state: []byte("a hash under way"),
		}, false)
	}
	if err != nil {
		g.t.Fatal(err)
	}
	g.withdraw(n, "inbound", "")
	return n
}

// withdraw puts the example's withdrawal, which is about this very envelope,
// beside a row: it came too late.
func (g *genuine) withdraw(n *node, table, more string) {
	g.t.Helper()
	w := signedFile(g.t, "../protocol/vectors/withdrawal/valid.json")
	n.v.discard()
	if _, err := n.v.writer.Exec(`UPDATE `+table+` SET withdrawal = $1, withdrawal_signature = $2`+more, string(w.Document), string(w.Signature)); err != nil {
		g.t.Fatal(err)
	}
}

// office is the store of the office of xb that took the parcel in.
func (g *genuine) office() *desk {
	d := newDesk(g.t)
	identity, err := seal.ParseIdentity(string(file(g.t, exchanged+"identity.txt")))
	if err != nil {
		g.t.Fatal(err)
	}
	key, err := seal.ReadFileKey(bytes.NewReader(g.age), seal.Identities{identity})
	if err != nil {
		g.t.Fatal(err)
	}
	plain, size, err := seal.Open(bytes.NewReader(g.age), int64(len(g.age)), key)
	if err != nil {
		g.t.Fatal(err)
	}
	c, err := parcel.Read(plain, size)
	if err != nil {
		g.t.Fatal(err)
	}
	m := &Message{
		Name: Name{g.envelope.From, g.envelope.Parcel}, Case: c.Manifest.Case, Sequence: c.Manifest.Sequence, Kind: c.Manifest.Kind, Manifest: c.Signed,
		Files: c.Manifest.Files, Sealed: g.sealed(), Slip: []byte("slip"), Priority: g.envelope.Priority, Created: c.Manifest.Created.Time,
		Transmissions: []Transmission{{To: g.envelope.To, RecipientKey: g.envelope.RecipientKey, Envelope: g.signed, State: exchange.Consigned}},
	}
	for _, a := range c.Approvals {
		m.Approvals = append(m.Approvals, a.Signed)
	}
	ctx, k := g.t.Context(), g.envelope.Key()
	handover := g.own(evidence.ContentHandover)
	if added, err := d.TakeIn(ctx, m, d.spool(g.age), &handover, entry("took in")); err != nil || !added {
		g.t.Fatal(added, err)
	}
	opened := g.own(evidence.ContentAccessTracking)
	if _, err := d.SetOpened(ctx, m.Name, &opened, entry("opened")); err != nil {
		g.t.Fatal(err)
	}
	if _, err := d.SetAcknowledged(ctx, m.Name, g.own(evidence.ConsignmentAcceptance), entry("acknowledged")); err != nil {
		g.t.Fatal(err)
	}
	for _, e := range []evidence.Event{evidence.SubmissionAcceptance, evidence.RelayAcceptance, evidence.ContentConsignment, evidence.ContentHandover} {
		if _, err := d.Take(ctx, k, statement.Signed{}, g.evidence(e)); err != nil {
			g.t.Fatal(err)
		}
	}
	if err := d.v.write(ctx, func(ctx context.Context, t *tx) error { return contest(ctx, t, m) }); err != nil {
		g.t.Fatal(err)
	}
	w := signedFile(g.t, "../protocol/vectors/withdrawal/valid.json")
	d.v.discard()
	if _, err := d.v.writer.Exec(`UPDATE transmission SET withdrawal = $1, withdrawal_signature = $2, withdrawn_us = 1, withdrawal_taken_us = 2`, string(w.Document), string(w.Signature)); err != nil {
		g.t.Fatal(err)
	}
	return d
}

// audited is one store under audit.
type audited struct {
	name  string
	v     *vault
	audit func() (*AuditReport, error)
}

func (g *genuine) all() []audited {
	gateway := func(name string, own protocol.StateID, n *node) audited {
		return audited{name, n.v, func() (*AuditReport, error) {
			return n.Audit(context.Background(), AuditOptions{Own: own, Checkpoint: n.logV.Checkpoint, Bodies: true})
		}}
	}
	d := g.office()
	return []audited{gateway("sender", "xa", g.sender()), gateway("receiver", "xb", g.receiver()), gateway("witness", "xc", newWitnessing(g.t).node), {"office", d.v, func() (*AuditReport, error) {
		return d.Office.Audit(context.Background(), []Record{g.xa, g.xb}, AuditOptions{Own: "xb", Bodies: true})
	}}}
}

// A store whose documents are genuine and whose rows say what they say is in order.
func TestAnAuditFindsGenuineStoresInOrder(t *testing.T) {
	for _, s := range newGenuine(t).all() {
		r, err := s.audit()
		if witness := s.name == "witness"; err != nil || len(r.Findings) > 0 || !witness && (r.Evidence < 6 || r.Withdrawals != 1 || r.Bodies != 1) ||
			witness && (r.Cosignatures != 1 || r.Cosigned != 1 || r.Followed != 2 || r.Forks != 1) {
			t.Errorf("%s: %+v, %v", s.name, r, err)
		}
	}
}

// unattested are the columns that say what no document says, with the reason:
// nothing could show that they were changed.
var unattested = map[string]string{
	"outbound.stored_us": "when", "inbound.stored_us": "when", "evidence.stored_us": "when", "evidence.taken_us": "when",
	"sealed.stored_us": "when", "record.adopted_us": "when", "peer.seen_us": "when", "upload.begun_us": "when", "upload.advanced_us": "when",
	"message.stored_us": "when", "transmission.updated_us": "when", "transmission.opened_us": "when", "transmission.acknowledged_us": "when",
	"transmission.withdrawn_us": "when", "cosignature.stored_us": "when", "followed.followed_us": "when",
	"sighting.seen_us": "when", "witnessed.stored_us": "when", "fork.found_us": "when", "transmission.withdrawal_taken_us": "when", "contested.stored_us": "when", "outbound.withdrawn_us": "when",
	"outbound.last_error": "what went wrong", "outbound.last_error_us": "when", "outbound.attempts": "how often it was tried",
	"outbound.breaks": "how often it was tried", "outbound.keeps": "released on purpose when it is settled", "inbound.keeps": "likewise",
	"outbound.ordinal": "the order of lists", "inbound.ordinal": "likewise", "evidence.ordinal": "the order of lists and feeds",
	"contested.ordinal":            "the order of lists",
	"record.listed":                "how it came, which counts for the first record of a state alone",
	"directory_version.adopted_us": "when", "directory_named.named_us": "when",
	"peer.received_cursor": "how far this node has read", "peer.sent_cursor": "likewise", "peer.recovering": "whether it reads",
	"peer.feed_cursor": "how far this node has read", "message.priority": "the officer's wish, which the envelope has", "message.slip": "the office's own file key, sealed",

	"peer_clock.node": "a note", "peer_clock.day": "a note", "peer_clock.least_us": "a note", "peer_clock.most_us": "a note", "peer_clock.last_us": "a note",
	"listing.authority": "nobody signed it", "listing.document": "nobody signed it", "listing.imported_us": "nobody signed it",
	"peer_clock.noted_us": "a note", "act.ordinal": "a note", "act.at_us": "a note", "act.kind": "a note", "act.subject": "a note", "act.detail": "a note",
}

// valueless are columns that no row of the stores in order has.
var valueless = map[string]string{
	"sealed.released_us": "the bodies are kept", "message.expires_us": "of sent messages", "peer.shown": "a finding by itself", "peer.shown_us": "likewise",
	"peer.shown_record": "likewise", "peer.shown_record_signature": "likewise",
	"outbound.next_us": "nothing is left to send",
	"era.number":       "of nodes that lost a log", "era.document": "likewise", "era.signature": "likewise", "era.leaf": "likewise", "era.begun_us": "likewise", "era.shown_by": "likewise",
	"marked_witness.start": "no record marks keys of a witness", "marked_witness.node": "likewise", "marked_witness.marked_us": "likewise",
	"doubt.peer": "of nodes that lost a log", "doubt.sender": "likewise", "doubt.parcel": "likewise", "doubt.recipient": "likewise",
	"doubt.sent": "likewise", "doubt.place": "likewise", "doubt.noted_us": "likewise",
}

// Of every column of every table one bit is flipped: an audit names the table, or
// the database refuses it, or the column is one that no document speaks of.
func TestAnAuditFindsEveryFlippedBit(t *testing.T) {
	places := map[string]string{
		"log_leaf": "log", "log_hash": "log", "checkpoint": "log", "evidence.leaf": "log", "evidence.own": "log", "record.leaf": "log", "directory_version.leaf": "log", // CheckLog names the leaf
		"directory_version": "version ", "directory_named": "named directory", "cosigned": "cosigned state", "cosignature": "cosignature of", "followed": "followed state", "sighting": "sighting state",
		"file": "message ", "approval": "message ", "sealed": "sealed bytes",
	}
	seen, known := map[string]bool{}, map[string]bool{}
	found := 0
	for _, s := range newGenuine(t).all() {
		for _, column := range columnsOf(t, s.v) {
			table, name, _ := strings.Cut(column, ".")
			if table == "goose_db_version" || strings.HasPrefix(table, "sqlite_") || column == "office.one" || column == "office.authority" {
				continue // the open of the store checks them
			}
			known[column] = true
			before := backup(t, s.v, table)
			value, flipped := flip(t, s.v, table, name)
			seen[column] = seen[column] || value
			if !flipped {
				before()
				continue
			}
			r, err := s.audit()
			before()
			if reason := unattested[column]; reason != "" {
				if err == nil && len(r.Findings) > 0 {
					t.Errorf("%s: %s is called unattested (%s), and was found: %+v", s.name, column, reason, r.Findings)
				}
				continue
			}
			place := cmp.Or(places[column], places[table], table)
			if err != nil || !slices.ContainsFunc(r.Findings, func(f Finding) bool { return strings.Contains(f.Place, place) || strings.Contains(f.Place, table) }) {
				t.Errorf("%s: %s is not named: %+v, %v", s.name, column, r, err)
				continue
			}
			found++
		}
		if r, err := s.audit(); err != nil || len(r.Findings) > 0 {
			t.Fatalf("%s was not restored: %+v, %v", s.name, r, err)
		}
	}
	for column := range known {
		if reason := valueless[column]; seen[column] == (reason != "") {
			t.Errorf("%s: some row has a value: %v; called valueless: %q", column, seen[column], reason)
		}
	}
	for column := range unattested {
		if !known[column] {
			t.Errorf("%s is called unattested, and there is no such column", column)
		}
	}
	if found < 90 {
		t.Errorf("only %d columns were found changed", found)
	}
	t.Logf("%d columns were found changed, %d are unattested", found, len(unattested))
}

// columnsOf lists table.column of a database.
func columnsOf(t *testing.T, v *vault) (all []string) {
	t.Helper()
	query := `SELECT m.name || '.' || c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' ORDER BY 1`
	if testEngine == onPostgres {
		query = `SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = current_schema() ORDER BY 1`
	}
	rows, err := v.reader.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var one string
		if err := rows.Scan(&one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	if err := rows.Err(); err != nil || len(all) < 50 {
		t.Fatal(len(all), err)
	}
	return all
}

// loose runs statements while nobody looks after references.
func loose(t *testing.T, v *vault, statements ...string) {
	t.Helper()
	v.discard()
	first := "PRAGMA foreign_keys = 0"
	if testEngine == onPostgres {
		first = "SET session_replication_role = replica"
	}
	for _, q := range append([]string{first}, statements...) {
		if _, err := v.writer.Exec(q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
}

// backup keeps a table and returns what restores it.
func backup(t *testing.T, v *vault, table string) func() {
	t.Helper()
	loose(t, v, "DROP TABLE IF EXISTS backup", "CREATE TABLE backup AS SELECT * FROM "+table)
	return func() {
		t.Helper()
		loose(t, v, "DELETE FROM "+table, "INSERT INTO "+table+" SELECT * FROM backup", "DROP TABLE backup")
	}
}

// flip flips one bit of a column in the first row that has a value, a high one of
// times. It reports whether there was one, and whether the database let it pass.
func flip(t *testing.T, v *vault, table, column string) (value, flipped bool) {
	t.Helper()
	row := "rowid"
	if testEngine == onPostgres {
		row = "ctid"
	}
	var old any
	where := fmt.Sprintf("%s = (SELECT min(%s) FROM %s WHERE %s IS NOT NULL)", row, row, table, column)
	if err := v.reader.QueryRow(fmt.Sprintf("SELECT %s FROM %s WHERE %s", column, table, where)).Scan(&old); err != nil {
		return false, false
	}
	for _, bit := range []int64{1, 1 << 20} { // where the first would meet another row, or a check
		v.discard()
		loose(t, v)
		_, err := v.writer.Exec(fmt.Sprintf("UPDATE %s SET %s = $1 WHERE %s", table, column, where), changed(t, old, column, bit))
		if err == nil {
			return true, true
		}
		t.Logf("%s.%s: the database refuses it: %v", table, column, err)
	}
	return true, false
}

// changed is a value with one bit flipped; of a time a bit of twelve days.
func changed(t *testing.T, old any, column string, bit int64) any {
	t.Helper()
	switch old := old.(type) {
	case int64:
		if strings.HasSuffix(column, "_us") {
			bit = 1 << 40
		}
		return old ^ bit
	case string:
		return flipped(old)
	case []byte:
		b := bytes.Clone(old)
		b[len(b)/2] ^= 1
		return b
	}
	t.Fatalf("%s is a %T", column, old)
	return nil
}

// flipped changes one bit of a letter in the middle of a text.
func flipped(text string) string {
	b := []byte(text)
	for i := len(b) / 2; i < len(b); i++ {
		if c := b[i]; c > '0' && c < 'z' && c != '\\' && c != ']' {
			b[i] ^= 1
			return string(b)
		}
	}
	return text + "x"
}

// An audit beside a node that runs sees each row and what belongs to it at one
// moment, and takes no change for damage.
func TestAnAuditBesideANodeThatRuns(t *testing.T) {
	g := newGenuine(t)
	n := newNode(t)
	own, peer := g.xa, g.xb
	own.Own, own.Pinned, peer.Pinned = true, true, true
	g.commit(n, AdoptRecord{own}, AdoptRecord{peer})
	k := g.envelope.Key()
	facts := []Fact{
		Submit{Spool: n.spool(g.age), Out: []Outbound{{
			Key: k, Peer: nodeB, Envelope: g.signed, Sealed: g.sealed(), Priority: g.envelope.Priority, Test: g.envelope.Test,
			Created: g.envelope.Created.Time, Expires: g.envelope.Expires.Time, Evidence: g.own(evidence.SubmissionAcceptance),
		}}},
		Attempt{Key: k, Offered: true, Attempts: 1},
	}
	for _, e := range []evidence.Event{evidence.RelayAcceptance, evidence.ContentConsignment, evidence.ContentHandover, evidence.ContentAccessTracking, evidence.ConsignmentAcceptance} {
		facts = append(facts, TakeEvidence{Key: k, Evidence: g.evidence(e), Peer: nodeB})
	}
	running := make(chan error, 1)
	go func() {
		for _, f := range facts {
			out, err := n.Commit(context.Background(), []Fact{f}, n.sign)
			if err == nil {
				err = out[0].Err
			}
			if err != nil {
				running <- err
				return
			}
		}
		running <- nil
	}()
	for done := false; !done; {
		select {
		case err := <-running:
			if err != nil {
				t.Fatal(err)
			}
			done = true // and once more
		default:
		}
		if r, err := n.Audit(t.Context(), AuditOptions{Own: "xa", Checkpoint: n.logV.Checkpoint}); err != nil || len(r.Findings) > 0 {
			t.Fatalf("%+v, %v", r, err)
		}
	}
}
