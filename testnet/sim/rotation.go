package sim

import (
	"os"
	"path/filepath"
	"time"

	"comity/node/office"
	"comity/node/operate"
	"comity/protocol"
	"comity/protocol/bundle"
	"comity/protocol/record"
	"comity/store"
)

// Rotate is what an operator does who replaces keys: stop, rotate, start. since is
// when they were stolen; nil: they were not.
func (h *Host) Rotate(since *time.Time, kinds ...operate.Kind) {
	w := h.world
	w.T.Helper()
	h.Stop()
	made, err := operate.Rotate(w.T.Context(), operate.RotatePlan{
		Amendment: operate.Amendment{Dir: h.dir, Offline: filepath.Join(h.dir, "offline"), Now: time.Now},
		Kinds:     kinds, Authorities: []protocol.AuthorityID{h.Office}, Since: since,
	})
	w.must(err, "rotate %s at %s", kinds, h.Node)
	w.must(made.Broken, "record %d of %s does not follow", made.State.Record().Sequence, h.Node)
	h.Start()
}

// bundle writes what a host can show an auditor about a letter of its own.
func (h *Host) bundle(k protocol.Key) (path string) {
	h.world.T.Helper()
	path = filepath.Join(h.world.T.TempDir(), "bundle.tar")
	_, err := h.office().Bundle(h.world.T.Context(), store.Name{From: k.From, Parcel: k.Parcel}, k.To, path, office.BundleOptions{Language: "en", Offset: bundle.UTC})
	h.world.must(err, "bundle of %s at %s", k, h.Node)
	return path
}

// anchors are the introductions that an auditor holds who asks every state now.
func (w *World) anchors() *bundle.Trust {
	w.T.Helper()
	files := map[string][]byte{}
	for _, h := range w.Hosts {
		s, err := operate.ReadRecord(operate.Layout{Dir: h.dir})
		w.must(err, "read the record of %s", h.Node)
		file, err := record.EncodeIntroduction(s.Signed())
		w.must(err, "introduce %s", h.Node)
		files[string(s.Record().State)+".json"] = file
	}
	trust, err := bundle.ParseTrust(files)
	w.must(err, "hold anchors")
	return trust
}

// verify is what the auditor finds.
func (w *World) verify(path string, trust *bundle.Trust) *bundle.Report {
	w.T.Helper()
	f, err := os.Open(path)
	w.must(err, "open a bundle")
	defer f.Close()
	info, err := f.Stat()
	w.must(err, "look at a bundle")
	report, err := bundle.Verify(f, info.Size(), trust, bundle.Options{})
	w.must(err, "verify a bundle")
	return report
}
