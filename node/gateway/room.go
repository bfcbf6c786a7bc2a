package gateway

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

// spareRoom is what uploads leave of the disk: evidence and the log must go on
// being written when no more bodies are taken.
const spareRoom = 64 << 20

// room decides whether this node may take more bytes from a peer (R-WIRE-13). It is asked
// before a body may come, so that a body is not refused when most of it is here:
// what was promised to open uploads and has not come yet counts as used.
type room struct {
	free func() (int64, error) // bytes left on the disk

	mu       sync.Mutex
	promised map[address]int64 // guarded by mu; bytes still to come
	total    int64             // guarded by mu; their sum
}

// roomPatience is when a peer may ask again: somebody has to make room first.
const roomPatience = time.Minute

// noRoom refuses for now.
func noRoom(format string, args ...any) error {
	return &comeBack{http.StatusServiceUnavailable, roomPatience, fmt.Sprintf(format, args...)}
}

func newRoom(free func() (int64, error)) *room {
	return &room{free: free, promised: map[address]int64{}}
}

// reserve keeps room for bytes of one upload until giveBack; an earlier
// reservation of the same upload is replaced. A *comeBack says that there
// is not enough now.
func (r *room) reserve(at address, bytes int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	free, err := r.free()
	if err != nil {
		return err
	}
	others := r.total - r.promised[at]
	if bytes > free-others-spareRoom {
		return noRoom("this node has no room for %d more bytes now; it takes them when there is", bytes)
	}
	r.promised[at], r.total = bytes, others+bytes
	return nil
}

// awaits lowers a reservation to what is still to come: the rest is on the disk
// and no longer free.
func (r *room) awaits(at address, bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if before, ok := r.promised[at]; ok && bytes < before {
		r.promised[at], r.total = bytes, r.total-before+bytes
	}
}

// giveBack ends a reservation.
func (r *room) giveBack(at address) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total -= r.promised[at]
	delete(r.promised, at)
}
