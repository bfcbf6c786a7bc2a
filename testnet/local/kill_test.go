//go:build linux

package local

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"comity/protocol"
	"comity/protocol/exchange"
)

// I1-I4: either process, or both, are killed with SIGKILL at random instants
// during 200 deliveries and started again each time. Every parcel arrives once,
// no evidence is false, and both logs compute: on either engine.
//
// COMITY_SEED plays the same choices again; the machine's own timing is never
// the same, and the verdict does not depend on it.
func TestKilledAtRandomInstants(t *testing.T) {
	for _, engine := range []struct {
		name   string
		create func(*Network, protocol.NodeID) *Node
	}{
		{"sqlite", (*Network).Create},
		{"postgres", (*Network).CreateOnPostgres},
	} {
		t.Run(engine.name, func(t *testing.T) {
			w := New(t)
			a, b := engine.create(w, "xa"), engine.create(w, "xb")
			w.Introduce(a, b)
			a.Start()
			b.Start()
			killAtRandom(t, w, a, b)
		})
	}
}

func killAtRandom(t *testing.T, w *Network, a, b *Node) {
	const deliveries, kills, atOnce = 200, 24, 6
	chance := newChance(t)
	letters := []Letter{
		{To: []*Node{b}, Files: []string{w.File("small.pdf", 3<<10)}},   // its sealed bytes are a column
		{To: []*Node{b}, Files: []string{w.File("large.pdf", 300<<10)}}, // a file
	}
	var held []protocol.ParcelID // those for which there was a receipt
	for round := 0; len(held) < deliveries || round < kills; round++ {
		var victims []*Node
		if round < kills {
			victims = [][]*Node{{a}, {b}, {b}, {a, b}}[chance.IntN(4)]
		}
		got, errs := sendAndKill(a, 10, atOnce, letters[chance.IntN(len(letters))], victims, chance)
		if len(errs) > 0 && !slices.Contains(victims, a) {
			t.Fatalf("send from %s, which lives: %v", a.ID, errs[0])
		}
		held = append(held, got...)
		for _, v := range victims {
			v.Start()
		}
	}
	t.Logf("%d receipts, %d kills", len(held), kills)

	// A message whose sender died before the receipt was handed out may have been
	// stored: then it was sent, and it arrives as well.
	sent := a.Sent()
	for _, id := range held {
		if !slices.Contains(sent, id) {
			t.Errorf("%s is not among what %s has sent, but there was a receipt for it", id, a.ID)
		}
	}
	for _, id := range sent {
		a.AwaitProof(id, b, exchange.StatusDelivered, ToHandover...)
	}
	b.SameParcels("inbox", b.Inbox(), sent)
	a.CheckLog()
	b.CheckLog()
	a.Stop()
	b.Stop()
	compareStores(t, a, b)
}

// sendAndKill sends letters and ends the victims without warning at some instant
// meanwhile, or shortly after, when what was taken is being delivered.
func sendAndKill(a *Node, count, atOnce int, l Letter, victims []*Node, chance *rand.Rand) (held []protocol.ParcelID, errs []error) {
	after, late := chance.IntN(count+1), time.Duration(chance.Int64N(int64(60*time.Millisecond)))
	now := make(chan struct{}) // closed when the moment has come
	receipts := 0
	if after == 0 {
		close(now)
	}
	dead := make(chan struct{})
	sent := make(chan struct{})
	go func() {
		defer close(dead)
		select {
		case <-now:
		case <-sent: // fewer receipts than that
		}
		time.Sleep(late)
		for _, v := range victims {
			v.process.Kill()
		}
	}()
	held, errs = a.SendMany(count, atOnce, l, func(protocol.ParcelID) {
		if receipts++; receipts == after {
			close(now)
		}
	})
	close(sent)
	<-dead
	return held, errs
}

// newChance makes the choices of a test from a seed that a failure shows.
func newChance(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("COMITY_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("COMITY_SEED=%q is not a number", text)
		}
	}
	t.Logf("COMITY_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, seed))
}
