package office

import (
	"context"
	"errors"
	"fmt"
	"time"

	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/statement"
	"comity/store"
)

const (
	// recallPause is the least time between two looks at what a gateway has fetched
	// back, at first; doubled up to recallPauseMax, because a peer may stay away.
	recallPause    = time.Second
	recallPauseMax = 5 * time.Minute
)

// ErrRecovering says that an office cannot know yet whether it has signed something
// before: its node was restored from a backup, and has still to fetch that.
var ErrRecovering = errors.New("this node was restored from a backup, and has still to fetch what it signed before")

// mayHaveSigned reports whether this office may have signed something about a parcel
// that it received which is not here: the sender's node has not given it back yet.
func (o *Office) mayHaveSigned(k protocol.Key) bool {
	return o.gateway.Recovering(k.From.State()) || o.gateway.InDoubt(k)
}

// recall takes back what this office signed about a parcel that it received, and has
// lost: its node was restored from a copy that is older, and the gateway has fetched
// the evidence from the sender's node. An office that signed such a thing again would
// contradict itself. answered says that the formal answer stands.
func (o *Office) recall(ctx context.Context, k protocol.Key) (answered bool, err error) {
	all, err := o.gateway.Evidence(ctx, k)
	if err != nil {
		return false, fmt.Errorf("ask the gateway what was signed about %s: %w", k.Parcel, err)
	}
	for _, a := range all {
		event := a.Parsed.Event
		if event.Rule().Role == evidence.Node || a.Parsed.Side() != o.authority {
			continue
		}
		if err := o.keep(ctx, k, statement.Signed{}, a.Packet); err != nil {
			return false, err
		}
		answered = answered || event == evidence.ConsignmentAcceptance || event == evidence.ConsignmentRejection
	}
	return answered, nil
}

// remember has all of that taken back, at the start and while the gateway still
// fetches. On a node that never lost its log there is nothing to do.
func (o *Office) remember(ctx context.Context) error {
	for wait := recallPause; ; wait = min(2*wait, recallPauseMax) {
		changed, over := o.gateway.Changed(), !o.gateway.Recovering("") // before the look, so that nothing slips between
		restored, err := o.restored()
		if err == nil && restored {
			err = o.recallAll(ctx)
		}
		switch {
		case broken(err):
			return err
		case err != nil && ctx.Err() == nil:
			o.log.Warn("cannot see what was signed before the node was restored", "error", err)
		case over || ctx.Err() != nil:
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// restored reports whether the node's log follows one that was lost.
func (o *Office) restored() (bool, error) {
	own, _, err := o.self()
	if err != nil {
		return false, err
	}
	_, era, err := protocol.ParseLogOrigin(own.Record().Node.Log.Origin)
	return era > 1, err
}

// recallAll goes once through the received messages that are not answered here.
func (o *Office) recallAll(ctx context.Context) error {
	filter := store.MessageFilter{Unacknowledged: true}
	for {
		page, err := o.store.Inbox(ctx, filter)
		if err != nil || len(page) == 0 {
			return err
		}
		for i := range page {
			_, err := o.recall(ctx, keyTo(page[i].Name, o.authority))
			switch {
			case protocol.CodeOf(err) != "": // of this parcel alone
				o.log.Error("what this office signed before its node was restored contradicts what it has", "parcel", string(page[i].Name.Parcel), "error", err)
			case err != nil:
				return err
			}
			filter.Before = page[i].Ordinal
		}
	}
}
