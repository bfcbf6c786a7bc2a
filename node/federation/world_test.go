package federation

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"comity/crypto/merkle"
	"comity/crypto/pgp"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/record"
	"comity/protocol/statement"
)

// day is one day of the tests, which take place in whole days from start.
const day = 24 * time.Hour

var start = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// state is one state with the keys of its record. It hosts no authority: the
// directory looks at records as a whole.
type state struct {
	id       protocol.StateID
	top      *pgp.Generated
	document record.Record
	records  []statement.Signed
}

// newState makes a state with its first record.
func newState(id protocol.StateID) *state {
	const life = 10 * 365 * day
	valid := protocol.Window{From: protocol.At(start), Until: protocol.At(start.Add(life))}
	s := &state{id: id, top: must(pgp.Generate("State "+string(id), pgp.Ed25519, 0, start, life))}
	node := must(pgp.Generate("Node "+string(id), pgp.Ed25519, 1, start, life))
	log := must(merkle.GenerateLog("comity/log/" + string(id) + "/1"))
	logEd, logPQ := log.VerifierKeys()
	_, ed, pq, err := merkle.GenerateKeypair("comity/witness/" + string(id))
	must(ed, err)
	key := func(role evidence.Role, k *pgp.Secret) record.Key {
		return record.Key{Role: role, Digest: k.Digest(), Valid: valid}
	}
	s.document = record.Record{
		State: id, Name: []record.Name{{Language: "en", Text: "State " + string(id)}}, Sequence: 1, Created: protocol.At(start), Valid: valid,
		Versions: []string{protocol.Version}, Certificate: s.top.Certificate.Bytes(), Keys: []record.Key{key(evidence.Primary, s.top.Primary)},
		Node: record.Node{
			ID: protocol.NodeID(id), Certificate: node.Certificate.Bytes(),
			Keys: []record.Key{key(evidence.Primary, node.Primary), key(evidence.Node, node.Subkeys[0])},
			TLS:  []record.Pin{{SPKI: protocol.Sum([]byte(id)), Valid: valid}},
			Log:  record.Log{Origin: log.Origin(), Keys: record.Keypair{Ed25519: logEd, MLDSA44: logPQ}}, Witness: record.Keypair{Ed25519: ed, MLDSA44: pq},
			Limits: record.Limits{Sealed: 1 << 30},
		},
	}
	s.records = []statement.Signed{must(record.SignRecord(&s.document, s.top.Primary, start))}
	return s
}

// next makes the state's next record, with this address.
func (s *state) next(endpoint string) statement.Signed {
	s.document = s.successor(endpoint)
	signed := must(record.SignRecord(&s.document, s.top.Primary, s.document.Created.Time))
	s.records = append(s.records, signed)
	return signed
}

// successor is the document that follows the newest one.
func (s *state) successor(endpoint string) record.Record {
	r := s.document
	previous := s.records[len(s.records)-1].Digest()
	r.Sequence, r.Previous, r.Created = r.Sequence+1, &previous, protocol.At(start.Add(time.Duration(r.Sequence)*time.Hour))
	r.Node.Endpoints = []string{endpoint}
	return r
}

// impostor signs, with keys of its own, a record that would follow the state's.
func (s *state) impostor(endpoint string) statement.Signed {
	r, thief := s.successor(endpoint), newState(s.id)
	r.Certificate, r.Keys = thief.document.Certificate, thief.document.Keys
	return must(record.SignRecord(&r, thief.top.Primary, r.Created.Time))
}

// atlas holds the states of all tests as they begin; making keys is slow.
var atlas = sync.OnceValue(func() map[protocol.StateID]*state {
	all := map[protocol.StateID]*state{}
	for _, id := range []protocol.StateID{"xa", "xb", "xc"} {
		all[id] = newState(id)
	}
	return all
})

// stateOf returns a state of which a test may make further records.
func stateOf(id protocol.StateID) *state {
	s := *atlas()[id]
	s.records = slices.Clone(s.records)
	return &s
}

// world is a federation with three stewards of whom two must sign, and the machine
// with the online key.
type world struct {
	t             *testing.T
	dir           string
	root, edition []*Key
	online        *Key
	repository    *Repository
	now           time.Time
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, dir: filepath.Join(t.TempDir(), "directory"), online: must(GenerateKey()), now: start.Add(day)}
	for range 3 {
		w.root, w.edition = append(w.root, must(GenerateKey())), append(w.edition, must(GenerateKey()))
	}
	w.repository = must(NewRepository(w.dir))
	w.publishRoot(w.root[:2]...)
	return w
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func public(all []*Key) (list []PublicKey) {
	for _, k := range all {
		list = append(list, k.Public())
	}
	return list
}

func (w *world) charter() Charter {
	return Charter{Root: Stewards{public(w.root), 2}, Edition: Stewards{public(w.edition), 2}, Online: w.online.Public()}
}

// signedBy has each key sign its own copy, as stewards do, and joins the copies.
func signedBy(draft []byte, by ...*Key) []byte {
	var copies [][]byte
	for _, k := range by {
		copies = append(copies, must(Sign(draft, k)))
	}
	return must(Join(copies...))
}

func (w *world) publishRoot(by ...*Key) {
	w.t.Helper()
	w.check(w.repository.PublishRoot(signedBy(must(w.repository.DraftRoot(w.charter(), w.now)), by...), w.now))
}

// publish lists records more, with the signatures of two stewards and a stamp.
func (w *world) publish(records ...statement.Signed) {
	w.t.Helper()
	w.check(w.repository.PublishEdition(signedBy(must(w.repository.DraftEdition(records, w.now)), w.edition[:2]...), w.now))
	w.stamp()
}

func (w *world) stamp() { w.t.Helper(); w.check(w.repository.Stamp(w.online, w.now)) }

// copied is a copy of the repository as it is, in the hands of whoever asks for it.
func (w *world) copied() *world {
	w.t.Helper()
	other := *w
	other.dir = filepath.Join(w.t.TempDir(), "directory")
	w.check(os.CopyFS(other.dir, os.DirFS(w.dir)))
	w.check(filepath.WalkDir(other.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = os.Chmod(path, 0o700) // #nosec G302 -- a folder, which has to be entered
		}
		return err
	}))
	other.repository = must(NewRepository(other.dir))
	return &other
}

// mirror serves a folder on the loopback.
func (w *world) mirror() string { return serve(w.t, w.dir) }

// reader is a node that follows the federation: a client, the records that it
// holds, and its clock.
type reader struct {
	*Client
	t       *testing.T
	held    record.History
	now     time.Time
	adopted []Adoption // in the last refresh
}

// newReader trusts the federation's first root and holds these records.
func newReader(w *world, held ...statement.Signed) *reader {
	w.t.Helper()
	r := &reader{t: w.t, now: w.now}
	for _, s := range held {
		r.held.Add(must(record.Verify(s, nil)))
	}
	r.open(filepath.Join(w.t.TempDir(), "reader"), must(os.ReadFile(filepath.Join(w.dir, "1.root.json"))))
	return r
}

func (r *reader) open(dir string, root []byte) {
	r.t.Helper()
	c, err := Open(Config{Dir: dir, Root: root, Now: func() time.Time { return r.now }})
	if err != nil {
		r.t.Fatal(err)
	}
	r.Client = c
}

// refresh asks these mirrors and adopts what follows, as a node would.
func (r *reader) refresh(mirrors ...string) *Report {
	r.t.Helper()
	r.cfg.Mirrors = mirrors
	r.adopted = nil
	report, err := r.Refresh(r.t.Context(), &r.held, func(a Adoption) error {
		r.adopted = append(r.adopted, a)
		for _, s := range a.Chain {
			r.held.Add(s)
		}
		return nil
	})
	if err != nil {
		r.t.Fatalf("refresh: %v", err)
	}
	return report
}

// trusts fails unless the reader holds this number of the state's records.
func (r *reader) trusts(id protocol.StateID, want statement.Signed) {
	r.t.Helper()
	newest := r.held.Newest(id)
	if newest == nil || newest.Ref().Digest != want.Digest() {
		r.t.Errorf("the node holds another record of %s than %s", id, want.Digest().Short())
	}
}

// quiet fails unless all went well.
func quiet(t *testing.T, report *Report) {
	t.Helper()
	if len(report.Trouble) > 0 || len(report.Refusals) > 0 || report.Stale != nil {
		t.Errorf("trouble %v, refusals %v, stale %v; want none", report.Trouble, report.Refusals, report.Stale)
	}
}

// caught fails unless the one mirror was refused with this code and a sentence
// that has these words in it.
func caught(t *testing.T, report *Report, code protocol.Code, words string) {
	t.Helper()
	if len(report.Trouble) != 1 {
		t.Fatalf("trouble with %d mirrors, want one: %v", len(report.Trouble), report.Trouble)
	}
	wantRefusal(t, report.Trouble[0].Err, code, words)
}

func wantRefusal(t *testing.T, err error, code protocol.Code, words string) {
	t.Helper()
	if protocol.CodeOf(err) != code || err == nil || !strings.Contains(err.Error(), words) {
		t.Errorf("got %v, want a refusal %q that says %q", err, code, words)
	}
}

// only is the handler of a mirror that changes its answers to some paths.
func (w *world) only(answer func(path string, out http.ResponseWriter) bool) string {
	honest := Mirror(w.dir)
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
		if !answer(in.URL.Path, out) {
			honest.ServeHTTP(out, in)
		}
	}))
	w.t.Cleanup(server.Close)
	return server.URL
}

func serve(t *testing.T, dir string) string {
	server := httptest.NewServer(Mirror(dir))
	t.Cleanup(server.Close)
	return server.URL
}

func status(t *testing.T, address string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
	return resp.StatusCode
}
