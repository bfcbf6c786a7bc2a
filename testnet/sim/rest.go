package sim

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"comity/protocol"
	"comity/store"
)

// What a busy node may keep that an idle one did not have: connections that came
// up later, each with its streams and timers.
const (
	spareGoroutines = 24 // for each pair of hosts
	restAfter       = 3 * time.Hour
)

// settle lets the nodes meet, and notes what they need when nothing happens.
func (w *World) settle() {
	w.Pass(time.Minute)
	w.idle = runtime.NumGoroutine()
}

// checkRest is the last word of the oracle about bounds (I7, I9), when all was
// delivered and every node runs: after some hours of rest a node has no more
// goroutines than before the first letter, no unfinished file, and no sealed
// bytes that no row needs.
func (w *World) checkRest() {
	w.T.Helper()
	for _, h := range w.Hosts {
		if h.running == nil {
			return
		}
	}
	for _, p := range w.sent {
		if !Delivered(w.Status(p.Key)) && !w.tookBack(p.Key) {
			return
		}
	}
	w.Net.Calm()
	w.Pass(restAfter)
	pairs := len(w.Hosts) * (len(w.Hosts) - 1)
	if n := runtime.NumGoroutine(); n > w.idle+pairs*spareGoroutines {
		w.T.Errorf("oracle: I7: %d goroutines at rest, %d before the first letter", n, w.idle)
	}
	for _, h := range w.Hosts {
		if err := h.checkFiles(); err != nil {
			w.T.Errorf("oracle: I7: %s at rest: %v", h.Node, err)
		}
	}
}

// checkFiles looks for files that nobody will ever remove.
func (h *Host) checkFiles() error {
	var all []error
	err := filepath.WalkDir(h.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		folder := filepath.Base(filepath.Dir(path))
		if folder == "tmp" {
			all = append(all, errors.New("an unfinished file is left: "+path))
		}
		digest, err := protocol.ParseDigest(e.Name())
		if err != nil {
			return nil // not sealed bytes
		}
		var sealed *store.Sealed
		if slices.Contains([]string{"sealed"}, filepath.Base(filepath.Dir(filepath.Dir(path)))) {
			sealed, err = h.store().Sealed(h.world.T.Context(), digest)
		} else {
			_, err = os.Stat(path) // the office keeps what it can open
		}
		if err != nil {
			all = append(all, err)
		} else if sealed != nil {
			sealed.Close()
		}
		return nil
	})
	return errors.Join(err, errors.Join(all...))
}
