package sim

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"comity/node/federation"
	"comity/node/operate"
	"comity/protocol/record"
	"comity/protocol/statement"
)

// Federation is stewards, two of whom must sign, with the folder that they publish.
type Federation struct {
	world         *World
	Dir           string
	root, edition []*federation.Key
	online        *federation.Key
	repository    *federation.Repository
}

// Found makes a federation that lists the records of these hosts.
func (w *World) Found(list ...*Host) *Federation {
	w.T.Helper()
	f := &Federation{world: w, Dir: filepath.Join(w.T.TempDir(), "directory"), online: w.steward()}
	f.root, f.edition = []*federation.Key{w.steward(), w.steward()}, []*federation.Key{w.steward(), w.steward()}
	f.open()
	two := func(keys []*federation.Key) federation.Stewards {
		return federation.Stewards{Keys: []federation.PublicKey{keys[0].Public(), keys[1].Public()}, Threshold: 2}
	}
	draft, err := f.repository.DraftRoot(federation.Charter{Root: two(f.root), Edition: two(f.edition), Online: f.online.Public()}, time.Now())
	w.must(err, "draft the root")
	w.must(f.repository.PublishRoot(f.signed(draft, f.root), time.Now()), "publish the root")
	f.Publish(list...)
	return f
}

func (w *World) steward() *federation.Key {
	w.T.Helper()
	k, err := federation.GenerateKey()
	w.must(err, "make a key of the federation")
	return k
}

func (f *Federation) open() {
	var err error
	f.repository, err = federation.NewRepository(f.Dir)
	f.world.must(err, "open the folder of the federation")
}

func (f *Federation) signed(draft []byte, by []*federation.Key) []byte {
	for _, k := range by {
		var err error
		draft, err = federation.Sign(draft, k)
		f.world.must(err, "sign a draft")
	}
	return draft
}

// Publish lists the newest records of hosts more, in a new version.
func (f *Federation) Publish(list ...*Host) {
	f.world.T.Helper()
	var records []statement.Signed
	for _, h := range list {
		s, err := operate.ReadRecord(operate.Layout{Dir: h.dir})
		f.world.must(err, "read the record of %s", h.Node)
		records = append(records, s.Signed())
	}
	draft, err := f.repository.DraftEdition(records, time.Now())
	f.world.must(err, "draft an edition")
	f.world.must(f.repository.PublishEdition(f.signed(draft, f.edition), time.Now()), "publish an edition")
	f.Stamp()
}

// Stamp says with the online key that the edition is the newest.
func (f *Federation) Stamp() {
	f.world.T.Helper()
	f.world.must(f.repository.Stamp(f.online, time.Now()), "stamp")
}

// Twin is the federation as its stewards show it to somebody else from now on: same
// keys, another folder.
func (f *Federation) Twin() *Federation {
	f.world.T.Helper()
	twin := *f
	twin.Dir = filepath.Join(f.world.T.TempDir(), "directory")
	f.world.must(os.CopyFS(twin.Dir, os.DirFS(f.Dir)), "copy the directory")
	f.world.must(os.Chmod(twin.Dir, 0o700), "copy the directory")
	twin.open()
	return &twin
}

// Join has the host follow the federation, whose mirrors it reaches from now on.
func (h *Host) Join(f *Federation) {
	h.world.T.Helper()
	h.mirrors.Show(f)
	root, err := os.ReadFile(filepath.Join(f.Dir, "root.json"))
	h.world.must(err, "read the root")
	h.world.must(h.running.Federation.Join(root, []string{"https://directory.example/"}), "%s joins", h.Node)
	h.Refresh()
}

// Refresh asks the mirrors now.
func (h *Host) Refresh() {
	h.world.T.Helper()
	h.world.must(h.running.Federation.Refresh(h.world.T.Context()), "%s asks the mirrors", h.Node)
}

// Mirrors is the way of one host to the mirrors of a federation. At first it leads
// nowhere.
type Mirrors struct {
	to    atomic.Pointer[Federation]
	Asked atomic.Int64 // requests that were made
}

// Show leads it to a federation; nil: nowhere, as if all mirrors were dead.
func (m *Mirrors) Show(f *Federation) { m.to.Store(f) }

// RoundTrip answers as a mirror does.
func (m *Mirrors) RoundTrip(r *http.Request) (*http.Response, error) {
	m.Asked.Add(1)
	f := m.to.Load()
	if f == nil {
		return nil, errors.New("no route to the mirror")
	}
	answer := httptest.NewRecorder()
	federation.Mirror(f.Dir).ServeHTTP(answer, r)
	return answer.Result(), nil
}

// records is how many versions of a host's record this one has adopted.
func (h *Host) records(of *Host) []*record.State {
	h.world.T.Helper()
	rows, err := h.store().RecordVersions(h.world.T.Context(), of.Node.State())
	h.world.must(err, "records of %s at %s", of.Node, h.Node)
	var all []*record.State
	for _, r := range rows {
		s, err := record.Verify(r.Signed, nil)
		h.world.must(err, "record of %s", of.Node)
		all = append(all, s)
	}
	return all
}
