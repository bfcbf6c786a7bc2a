package gateway

import (
	"bytes"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"comity/protocol"
	"comity/store"
)

// slowWriter takes a piece in a while, and counts.
type slowWriter struct {
	takes time.Duration
	taken *atomic.Int64
}

func (w slowWriter) Write(p []byte) (int, error) {
	time.Sleep(w.takes)
	w.taken.Add(int64(len(p)))
	return len(p), nil
}

// R-XCH-7: what was read ahead of a large body before an emergency came gives way to
// it as well, and nothing starves.
func TestWhatIsReadAheadGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, takes := newFlight(), 10*time.Millisecond
		const size = 40 * pieceSize
		body := &remainder{body: polite{bytes.NewReader(make([]byte, size)), t.Context(), f, protocol.Routine.Rank()}}
		var taken atomic.Int64
		p := newPipeline(politely(slowWriter{takes, &taken}, body), size+1)
		done := make(chan error)
		go func() {
			err := feed(p, nil, body, size)
			if werr := p.close(); err == nil {
				err = werr
			}
			done <- err
		}()
		time.Sleep(10*takes + takes/2)
		order := protocol.Key{Parcel: "order"}
		f.add(t.Context(), order, store.Line{Rank: protocol.Emergency.Rank()})
		before := taken.Load()
		time.Sleep(3*maxGiveWay + maxGiveWay/2)
		if pieces := (taken.Load() - before) / pieceSize; pieces < 1 || pieces > 4 {
			t.Errorf("%d pieces left beside an emergency in three and a half times %s", pieces, maxGiveWay)
		}
		f.remove(order)
		if err := <-done; err != nil || taken.Load() != size {
			t.Errorf("%d bytes of %d were written: %v", taken.Load(), size, err)
		}
	})
}
