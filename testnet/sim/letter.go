package sim

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"comity/node/office"
	"comity/protocol"
	"comity/protocol/parcel"
)

// Letter is what a scenario sends.
type Letter struct {
	To       []*Host
	Size     int // of its one attachment
	Priority protocol.Priority
	Lifetime time.Duration
	Test     bool
}

// Promise is a parcel for which a gateway gave a SubmissionAcceptance.
type Promise struct {
	Key        protocol.Key
	Test       bool
	Attachment protocol.Digest // of what its recipient must be able to open
}

// Send writes a letter at h, and remembers the promise of its SubmissionAcceptance.
func (h *Host) Send(l Letter) protocol.ParcelID {
	h.world.T.Helper()
	sent, err := h.write(l)
	h.world.must(err, "send from %s", h.Node)
	return sent.Name.Parcel
}

// Try does so at a node in trouble: whether the letter is on its way is known
// when the node can be asked again.
func (h *Host) Try(l Letter) {
	h.world.T.Helper()
	if _, err := h.write(l); err != nil && !h.mayRefuse(err) {
		h.world.T.Fatalf("send from %s: %v", h.Node, err)
	}
}

func (h *Host) write(l Letter) (*office.Sent, error) {
	w := h.world
	path := filepath.Join(w.files, fmt.Sprintf("attachment-%d.bin", len(w.attempts)))
	body := make([]byte, l.Size+16) // so that no two are alike
	for i := range body {
		body[i] = byte(w.Rand.Uint32())
	}
	w.must(os.WriteFile(path, body, 0o600), "write an attachment")
	draft := office.Draft{
		Kind: parcel.KindRequest, Priority: l.Priority, Test: l.Test, Lifetime: l.Lifetime,
		Files: []office.Source{{Path: path, Role: parcel.Document}},
	}
	if draft.Priority == "" {
		draft.Priority = protocol.Routine
	}
	if l.Test {
		draft.Kind = parcel.KindConformanceTest
	}
	for _, to := range l.To {
		draft.To = append(draft.To, to.Office)
	}
	attachment := protocol.Sum(body)
	w.attempts[attachment] = l.To
	sent, err := h.office().Send(w.T.Context(), draft, nil)
	if h.disk.isDead() {
		return sent, errors.Join(err, errDead) // nobody heard what it said last
	}
	if err != nil {
		return sent, err
	}
	for _, r := range sent.Receipts {
		w.promise(Promise{Key: r.Key, Test: l.Test, Attachment: attachment})
	}
	return sent, nil
}

// promise remembers what must not be lost from now on.
func (w *World) promise(p Promise) {
	for _, known := range w.sent {
		if known.Key == p.Key {
			return
		}
	}
	w.sent = append(w.sent, p)
}
