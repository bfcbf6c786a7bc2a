package gateway

import (
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"comity/protocol"
)

// heldAtMost is how much all peers together may make this node hold: MaxHeld, or
// a quarter of what the Go runtime may have, but not less than MaxHeldOfPeer.
func heldAtMost() int64 {
	limit := debug.SetMemoryLimit(-1) // only asks
	return max(min(protocol.MaxHeld, limit/4), protocol.MaxHeldOfPeer)
}

// inBodies is how much of an amount of memory pieces of bodies may take.
func inBodies(most int64) int64 {
	return most - most*(protocol.MaxHeld-protocol.MaxHeldInBodies)/protocol.MaxHeld
}

func newFaults() *bucket {
	return newBucket(protocol.MaxFaults, 1/protocol.FaultEvery.Seconds())
}

func newRejections() *bucket {
	return newBucket(protocol.MaxRejections, 1/protocol.RejectionEvery.Seconds())
}

func newWithdrawals() *bucket {
	return newBucket(protocol.MaxWithdrawals, 1/protocol.WithdrawalEvery.Seconds())
}

func newRenewals() *bucket {
	return newBucket(protocol.MaxRenewals, 1/protocol.RenewalEvery.Seconds())
}

// errTooManyCalls is the answer to calls beyond maxCalls and maxPolls.
var errTooManyCalls error = &comeBack{http.StatusTooManyRequests, 5 * time.Second, "too many calls at once"}

// tooMany asks a peer to come back when a bucket has something again.
func tooMany(after time.Duration, what string) error {
	return &comeBack{http.StatusTooManyRequests, max(after, time.Second), fmt.Sprintf("too many of your %s were refused", what)}
}

// refuse counts a request of the peer that was refused, and more for a large one.
// What is wrong costs us signature checks, megabytes that have to be received and
// read, and the operator's attention, so there is a limit to it.
func (l *link) refuse(r *http.Request) {
	l.refused.Add(1)
	faults := 1.0
	if body, ok := r.Body.(weighed); ok {
		faults += float64(body.read() / protocol.FaultSize)
	}
	l.faults.spend(faults)
}

// within works on a small call within the peer's share: not when too many of its
// calls were refused just now, and paying for the body as it is read. What was
// refused leaves no trace but a count (R-EVID-7). Of a call that comes too early
// nothing is read, and the answer to a large one takes a while: until then the
// peer's window is full of what it sent.
func (l *link) within(w http.ResponseWriter, r *http.Request, next handler) {
	if wait := l.faults.wait(); wait > 0 {
		if r.ContentLength < 0 || r.ContentLength > protocol.FaultSize {
			pause(r.Context(), min(wait, idleWait))
		}
		l.g.answerError(w, r, l.peer, http.StatusTooManyRequests, tooMany(wait, "requests"))
		return
	}
	held := l.memory.hold()
	defer held.free()
	r.Body = weighed{r.Body, r.Context(), held}
	next(w, r, l)
}

// mayReject reports whether one more parcel of the peer may be refused for good.
// Each costs a row, a leaf and a used key for ever, so beyond the limit the peer
// is asked to come back instead. Parcels that are taken back are counted by
// themselves: they are no fault of anybody.
func (l *link) mayReject(code protocol.Code) error {
	switch {
	case code == protocol.Withdrawn && !l.withdrawals.take():
		return &comeBack{http.StatusTooManyRequests, max(l.withdrawals.wait(), time.Second), "too many of your parcels were taken back"}
	case code != protocol.Withdrawn && !l.rejections.take():
		return tooMany(l.rejections.wait(), "parcels")
	}
	return nil
}
