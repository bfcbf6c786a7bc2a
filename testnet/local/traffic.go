//go:build linux

package local

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"comity/node/control"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/parcel"
)

// Letter is what a test sends: a request with attachments.
type Letter struct {
	To       []*Node
	Files    []string          // paths
	Priority protocol.Priority // empty: routine
	Test     bool
}

func (l Letter) draft() control.Draft {
	d := control.Draft{Kind: parcel.KindRequest, Priority: l.Priority, Test: l.Test}
	if l.Test {
		d.Kind = parcel.KindConformanceTest
	}
	for _, to := range l.To {
		d.To = append(d.To, to.Authority)
	}
	for _, path := range l.Files {
		d.Files = append(d.Files, control.Source{Path: path})
	}
	return d
}

// Send sends a letter. When it returns, the node holds it for good.
func (n *Node) Send(l Letter) protocol.ParcelID {
	n.tb.Helper()
	sent, err := n.Client().Send(context.Background(), l.draft(), nil)
	if err == nil && sent.Delayed != "" {
		err = fmt.Errorf("the gateway did not take it: %s", sent.Delayed)
	}
	if err != nil {
		n.fatalf("send from %s: %v", n.ID, err)
	}
	return sent.Parcel
}

// SendMany sends a letter count times, at most atOnce at a time. each, when not
// nil, is called after every one that the node holds for good, by one goroutine
// at a time. It returns those, and the errors of the others: none, unless the
// node was ended meanwhile.
func (n *Node) SendMany(count, atOnce int, l Letter, each func(protocol.ParcelID)) ([]protocol.ParcelID, []error) {
	n.tb.Helper()
	client := n.Client()
	var mu sync.Mutex
	var held []protocol.ParcelID // guarded by mu
	var errs []error             // guarded by mu
	next := make(chan struct{}, count)
	for range count {
		next <- struct{}{}
	}
	close(next)
	var wg sync.WaitGroup
	for range atOnce {
		wg.Go(func() {
			for range next {
				sent, err := client.Send(context.Background(), l.draft(), nil)
				mu.Lock()
				switch {
				case err != nil:
					errs = append(errs, err)
				case sent.Delayed != "":
					errs = append(errs, fmt.Errorf("the gateway did not take %s: %s", sent.Parcel, sent.Delayed))
				default:
					held = append(held, sent.Parcel)
					if each != nil {
						each(sent.Parcel)
					}
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return held, errs
}

// Await waits until every recipient of the parcel has got it as far as status,
// as the sender can prove. The test's own time limit is the only one.
func (n *Node) Await(id protocol.ParcelID, until exchange.Status) {
	n.tb.Helper()
	out, err := n.Client().Follow(context.Background(), "", string(id), until, nil)
	if err == nil && !out.Reached {
		err = fmt.Errorf("it ended otherwise: %+v", out.Transmissions)
	}
	if err != nil {
		n.fatalf("wait at %s until %s is %s: %v", n.ID, id, until, err)
	}
}

// Events are the events of all evidence that the node holds about a parcel to
// one recipient, in no order.
func (n *Node) Events(id protocol.ParcelID, to *Node) []evidence.Event {
	n.tb.Helper()
	events, _ := n.follow(id, to, "")
	return events
}

func (n *Node) follow(id protocol.ParcelID, to *Node, until exchange.Status) ([]evidence.Event, *control.Outcome) {
	n.tb.Helper()
	var events []evidence.Event
	out, err := n.Client().Follow(context.Background(), "", string(id), until, func(e control.Evidence) error {
		if e.To == to.Authority {
			events = append(events, e.Event)
		}
		return nil
	})
	if err != nil {
		n.fatalf("evidence of %s about %s: %v", n.ID, id, err)
	}
	return events, out
}

// AwaitProof waits, as Await does, and fails the test unless the node then holds
// each of the events, exactly once, about the parcel to one recipient. It may
// hold others.
func (n *Node) AwaitProof(id protocol.ParcelID, to *Node, until exchange.Status, want ...evidence.Event) {
	n.tb.Helper()
	have, out := n.follow(id, to, until)
	if !out.Reached {
		n.fatalf("wait at %s until %s is %s: it ended otherwise: %+v", n.ID, id, until, out.Transmissions)
	}
	n.each(id, to, have, want)
}

// Want fails the test unless the node holds each of these events now, exactly
// once, about a parcel to one recipient.
func (n *Node) Want(id protocol.ParcelID, to *Node, want ...evidence.Event) {
	n.tb.Helper()
	n.each(id, to, n.Events(id, to), want)
}

func (n *Node) each(id protocol.ParcelID, to *Node, have, want []evidence.Event) {
	n.tb.Helper()
	for _, event := range want {
		times := 0
		for _, h := range have {
			if h == event {
				times++
			}
		}
		if times != 1 {
			n.tb.Errorf("parcel %s to %s: %s holds %s %d times, want once; it has %v", id, to.Authority, n.ID, event, times, have)
		}
	}
}

// ToHandover are the events that a sender holds once the recipient's office has
// verified the parcel.
var ToHandover = []evidence.Event{
	evidence.SubmissionAcceptance, evidence.RelayAcceptance, evidence.ContentConsignment, evidence.ContentHandover,
}

// CheckLog computes the node's whole log again and fails the test unless
// everything is in it.
func (n *Node) CheckLog() *control.LogReport {
	n.tb.Helper()
	report, err := n.Client().CheckLog(context.Background())
	if err != nil {
		n.fatalf("log check at %s: %v", n.ID, err)
	}
	if report.ForeignLeaves != report.Foreign || report.Leaves != report.Evidence+report.Foreign+report.Records {
		n.tb.Errorf("log of %s: %d leaves for %d evidences, %d evidences of others (%d with a leaf) and %d records",
			n.ID, report.Leaves, report.Evidence, report.Foreign, report.ForeignLeaves, report.Records)
	}
	return report
}

// SameParcels fails the test unless got are exactly the parcels of want, each
// once.
func (n *Node) SameParcels(what string, got, want []protocol.ParcelID) {
	n.tb.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if slices.Equal(got, want) {
		return
	}
	count := map[protocol.ParcelID]int{}
	for _, id := range got {
		count[id]++
	}
	var faults []string
	for _, id := range want {
		if count[id] != 1 {
			faults = append(faults, fmt.Sprintf("%s %d times", id, count[id]))
		}
		delete(count, id)
	}
	for id := range count {
		faults = append(faults, fmt.Sprintf("%s, which is not expected", id))
	}
	n.tb.Errorf("%s of %s: got %d parcels, want %d, each once; it has %s", what, n.ID, len(got), len(want), strings.Join(faults[:min(len(faults), 10)], "; "))
}

// Inbox are the parcels that a person at the node's office sees.
func (n *Node) Inbox() []protocol.ParcelID {
	n.tb.Helper()
	list, err := n.Client().Inbox(context.Background(), "", false, 0)
	return n.ids("inbox", list, err)
}

// Sent are the parcels that the node's office has sent.
func (n *Node) Sent() []protocol.ParcelID {
	n.tb.Helper()
	list, err := n.Client().Sent(context.Background(), "", 0)
	return n.ids("sent", list, err)
}

func (n *Node) ids(what string, list *control.Parcels, err error) []protocol.ParcelID {
	n.tb.Helper()
	if err == nil && list.More {
		err = fmt.Errorf("more than %d parcels", len(list.Parcels))
	}
	if err != nil {
		n.fatalf("%s of %s: %v", what, n.ID, err)
	}
	ids := make([]protocol.ParcelID, len(list.Parcels))
	for i, p := range list.Parcels {
		ids[i] = p.Parcel
	}
	return ids
}

// Waiting is how many parcels are queued for another node.
func (n *Node) Waiting(other *Node) int64 {
	n.tb.Helper()
	return n.peer(other).Waiting
}

// peer is another node as this one sees it.
func (n *Node) peer(other *Node) control.Peer {
	n.tb.Helper()
	peers, err := n.Client().Peers(context.Background())
	if err != nil {
		n.fatalf("peers of %s: %v", n.ID, err)
	}
	for _, p := range peers {
		if p.Node == other.ID {
			return p
		}
	}
	n.fatalf("%s does not know %s", n.ID, other.ID)
	return control.Peer{}
}

// Acknowledge signs the formal receipt of a parcel that the node received.
func (n *Node) Acknowledge(id protocol.ParcelID) {
	n.tb.Helper()
	if _, err := n.Client().Acknowledge(context.Background(), "", string(id)); err != nil {
		n.fatalf("acknowledge %s at %s: %v", id, n.ID, err)
	}
}

// awaitInbox waits until a parcel is in the inbox.
func (n *Node) awaitInbox(id protocol.ParcelID) {
	n.tb.Helper()
	n.await(fmt.Sprintf("%s is in the inbox", id), func() bool { return slices.Contains(n.Inbox(), id) })
}

// awaitEvent waits until the node holds an evidence about a parcel to one
// recipient, whatever becomes of the others.
func (n *Node) awaitEvent(id protocol.ParcelID, to *Node, event evidence.Event) {
	n.tb.Helper()
	n.await(fmt.Sprintf("%s about %s to %s is there", event, id, to.ID), func() bool {
		return slices.Contains(n.Events(id, to), event)
	})
}

// awaitUnreachable waits until the node has tried in vain to reach another.
func (n *Node) awaitUnreachable(other *Node) {
	n.tb.Helper()
	n.await(string(other.ID)+" was tried in vain", func() bool {
		p := n.peer(other)
		return p.LastError != "" && p.Reachable != nil && !*p.Reachable
	})
}

// await polls until something holds. The bound is against hanging only.
func (n *Node) await(what string, holds func() bool) {
	n.tb.Helper()
	late := time.NewTimer(startWait)
	defer late.Stop()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for !holds() {
		select {
		case <-poll.C:
		case <-late.C:
			n.fatalf("%s: after %s it does not hold that %s", n.ID, startWait, what)
		}
	}
}
