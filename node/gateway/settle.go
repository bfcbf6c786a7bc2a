package gateway

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"comity/protocol"
	"comity/store"
)

// minGain is how many bytes an append must have brought when it breaks off for
// them to be kept: making them durable costs more than to send them again.
const minGain = 16 << 10

// receivePart receives an append and, unless it brought the body to its end,
// makes what has arrived durable.
func (g *Gateway) receivePart(ctx context.Context, o *offer, p piece, body *patientBody, up *store.Upload) error {
	ctx = context.WithoutCancel(ctx) // a peer that went away is the reason to keep its bytes
	l := g.link(o.peer)
	settle := func(m store.Mark) error {
		err := up.Settle(ctx, m)
		if err != nil {
			l.aloud().Warn("cannot make a body under way durable", "parcel", o.env.Parcel, "offset", m.Offset, "error", err)
			return err
		}
		g.uploads.room.settled(address{o.peer, o.signed.Digest()}, o.env.To, m.Offset, o.env.Sealed.Size-m.Offset)
		return nil
	}
	s := &settler{up: up, settle: settle, marked: up.Offset(), last: time.Now()}
	err := g.receive(o, p, body, s)
	s.work.Wait()
	if err == nil && p.last || protocol.CodeOf(err) != "" {
		return err
	}
	stands, broke := p.offset, errors.Is(err, errBrokeOff)
	if up.Offset()-p.offset >= minGain {
		m, failed := up.Mark()
		if failed == nil {
			failed = settle(m)
		}
		if failed == nil {
			stands = m.Offset
		} else if err == nil || broke {
			return diskFull(failed)
		}
	}
	if broke {
		l.aloud().Info("a body broke off", "parcel", o.env.Parcel, "offset", stands, "size", o.env.Sealed.Size)
		return &standstill{http.StatusBadRequest, stands, "the body broke off; go on with it"}
	}
	return diskFull(err)
}

// diskFull turns a full disk into the answer that the peer is to come back.
func diskFull(err error) error {
	if store.IsFull(err) {
		return noRoom("the disk of this node is full; it goes on with this body when there is room")
	}
	return err
}

// blame decides what it means that a whole body has another digest than its
// envelope says. The peer is refused for good only when what is on the disk has
// the digest that was computed while it came: otherwise this side is at fault,
// and its faults must never end in signed evidence against the other.
func (g *Gateway) blame(ctx context.Context, o *offer, up *store.Upload) error {
	// To read a body again may take minutes, and the peer only another call.
	if wait := g.link(o.peer).rejections.wait(); wait > 0 {
		return tooMany(wait, "parcels")
	}
	again, err := up.Reread(ctx)
	if err != nil {
		return err
	}
	if again == up.Digest() {
		return wrongDigest(again, o.env.Sealed.Digest)
	}
	return errors.Join(errors.New("what was stored of a body is not what came; it begins anew"), g.dropUpload(ctx, address{o.peer, o.signed.Digest()}))
}

// settleAfter is how long at most what comes over a slow line waits to be durable.
const settleAfter = 5 * time.Second

// settler writes to an upload and makes it durable every MaxUnsettled bytes, or
// after settleAfter, in another goroutine: the body flows on while the disk
// works, and waits only when the disk is a whole part behind. Wait for work before
// anything else is done with the upload.
type settler struct {
	up     *store.Upload
	settle func(store.Mark) error
	marked int64     // the last place to be settled
	last   time.Time // when that was
	busy   atomic.Bool
	work   sync.WaitGroup
}

func (s *settler) Write(p []byte) (int, error) {
	n, err := s.up.Write(p)
	full := s.up.Offset()-s.marked > protocol.MaxUnsettled-pieceSize
	if err != nil || !full && time.Since(s.last) < settleAfter {
		return n, err
	}
	if full {
		s.work.Wait() // no more than the part before it and this one are unsettled
	}
	if s.busy.CompareAndSwap(false, true) {
		m, err := s.up.Mark()
		if err != nil {
			return n, err
		}
		s.marked, s.last = m.Offset, time.Now()
		s.work.Go(func() {
			defer s.busy.Store(false)
			_ = s.settle(m) // logged; Write learns what is for good
		})
	}
	return n, nil
}
