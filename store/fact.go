package store

import (
	"context"
	"time"

	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/statement"
)

// Fact is one thing that happened and must be remembered as a whole. The types
// below are all there are. Commit takes many at once.
type Fact interface {
	// apply runs inside its own savepoint.
	apply(ctx context.Context, b *batch) (*answer, error)
}

// Evidence is one evidence as exact bytes, with the two things about it that
// queries need. The caller has verified the bytes, or has just signed them.
type Evidence struct {
	statement.Packet // Proof is ignored on own evidence: the commit makes it
	Event            evidence.Event
	Time             time.Time // event time, as the document says
	// Own and Stored are filled when read: whether it was issued on this side,
	// and when the row was written.
	Own    bool
	Stored time.Time
}

// Submit takes a parcel from an office into the queue (event A.1): per
// recipient one row, one SubmissionAcceptance with its leaf.
//
// A repeat is told by key and sealed digest, not by envelope: the gateway would
// sign another envelope for the same submission, and the stored one stands. A
// recipient already stored answers with its stored bytes, a new one is added;
// Repeat is set when all were stored. Other sealed bytes under a used key are
// Equivocation, and nothing is stored.
type Submit struct {
	// Spool holds the sealed bytes; the caller has called Keep. nil when the
	// bytes are stored already.
	Spool *Spool
	Out   []Outbound // all with the same Sealed
}

// AcceptRelay takes a parcel from a peer (event B.1): row, sealed bytes, the
// sender's SubmissionAcceptance, our RelayAcceptance with its leaf and its place
// in the peer's feed. The same key with the same envelope is a repeat whatever
// the outcome was then; another envelope is Equivocation (R-EVID-5, R-EVID-6).
type AcceptRelay struct {
	Inbound
	Submission Evidence // the sender's, with its proof
	Evidence   Evidence // RelayAcceptance
	Spool      *Spool   // the caller has called Keep; nil when the bytes are stored already
}

// RefuseRelay remembers an authentic envelope that was refused for good (event
// B.2), or withdrawn by its sender: the withdrawal is then in Inbound and kept
// with the row (R-WDR-5). Its key is used up. Submission may be zero.
type RefuseRelay struct {
	Inbound
	Submission Evidence
	Evidence   Evidence // RelayRejection
}

// FileEvidence files evidence issued on this side: by this node
// (ContentConsignment, RelayFailure, SubmissionRejection) or by an office that
// it hosts (ContentHandover and later). It gets a leaf, and the row's state
// follows from the event. A SubmissionRejection needs no row.
//
// The same document is a repeat. Another document of the same event is
// Equivocation, with the stored one in Packets: a node that issued the same
// thing twice at once hands out that one.
type FileEvidence struct {
	Key      protocol.Key
	Evidence Evidence
	Feed     protocol.NodeID  // peer that shall read it in its feed; empty: none
	Expect   []exchange.State // states in which the row may be; empty: any
	Release  bool             // the row needs its sealed bytes no longer
}

// TakeEvidence stores a peer's evidence with the proof that came with it and
// moves the row as protocol/exchange decides. A repeat changes nothing.
type TakeEvidence struct {
	Key      protocol.Key
	Evidence Evidence
	Peer     protocol.NodeID // must be the row's peer, else WrongParcel; empty: not compared
	Expect   []exchange.State
	Release  bool
}

// Attempt stores what a delivery attempt left behind. It is a fact without
// evidence, so it can ride in the same commit as others. It takes no effect on
// a row with nothing left to send (Outcome.Repeat is then set).
type Attempt struct {
	Key      protocol.Key
	Offered  bool // set for good once true
	Attempts int
	Next     time.Time // zero keeps the stored one
	Error    string    // empty keeps the stored one
	// Failed says that the delivery was tried and ended without evidence, BrokeOff
	// that its body broke off on the way. Both are counted over the row's life.
	Failed, BrokeOff bool
	// Withdrawn says that the writer knew of a withdrawal. Without it, the row of a
	// parcel that was withdrawn meanwhile stays due as the withdrawal made it.
	Withdrawn bool
}

// AdvanceFeed moves the cursor in a peer's feed, in the same commit as the
// evidences of the page. A cursor never goes back.
type AdvanceFeed struct {
	Peer   protocol.NodeID
	Cursor int64
}

// AdoptRecord stores a verified record of a state; each version is a leaf. The
// same document is a repeat (Pinned can then still become true), another one
// under the same sequence Equivocation, an older one than the newest is
// refused as Expired.
type AdoptRecord struct {
	Record
}

// spoolOf returns the spool that a fact brings, or nil.
func spoolOf(f Fact) *Spool {
	switch f := f.(type) {
	case Submit:
		return f.Spool
	case *Submit:
		return f.Spool
	case AcceptRelay:
		return f.Spool
	case *AcceptRelay:
		return f.Spool
	case RestoreSealed:
		return f.Spool
	}
	return nil
}
