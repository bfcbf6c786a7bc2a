//go:build linux

package local

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"comity/protocol/evidence"
	"comity/protocol/exchange"
)

// R-WIRE-6: a node behind a firewall that admits no new flow from outside sends
// and receives, and gets every evidence, on its own connections. The firewall is
// the kernel's own; testnet/sim has the same story under simulated time.
func TestBehindAFirewall(t *testing.T) {
	needNamespaces(t)
	inside, outside := Cable(t)
	inside.Wall(t)
	// The wall must be one before anything is said about who stands behind it.
	outside.Knock(t, inside, port)
	if dropped := inside.Dropped(t); dropped != 1 {
		t.Fatalf("the firewall dropped %d packets when one knocked", dropped)
	}

	w := New(t)
	a, b := w.CreateIn("xa", inside), w.CreateIn("xb", outside)
	w.Introduce(a, b)
	b.Start()
	b.awaitUnreachable(a) // b tries, and is not let in, also to the port where a will serve
	if dropped := inside.Dropped(t); dropped < 2 {
		t.Fatalf("%s could not reach %s, but the firewall dropped only %d packets", b.ID, a.ID, dropped)
	}
	a.Start()

	out := a.Send(Letter{To: []*Node{b}, Files: []string{w.File("request.pdf", 300<<10)}})
	a.Await(out, exchange.StatusDelivered)
	b.Acknowledge(out)
	a.AwaitProof(out, b, exchange.StatusAcknowledged, append(ToHandover, evidence.ConsignmentAcceptance)...)

	// The other way round the parcel itself comes in through the wall.
	back := b.Send(Letter{To: []*Node{a}, Files: []string{w.File("reply.pdf", 300<<10)}})
	b.AwaitProof(back, a, exchange.StatusDelivered, ToHandover...)

	if inside.Answered(t) == 0 {
		t.Error("nothing came in through the firewall, so it was not in the way")
	}
	dropped := inside.Dropped(t)
	outside.Knock(t, inside, port)
	if after := inside.Dropped(t); after <= dropped {
		t.Error("at the end the firewall lets a new flow in")
	}
	a.CheckLog()
	b.CheckLog()
}

// needNamespaces skips, loudly, on a desk where no namespace can be made. It
// never does where CI is set.
func needNamespaces(t *testing.T) {
	t.Helper()
	var lacks []string
	if os.Geteuid() != 0 {
		lacks = append(lacks, "to be root")
	}
	for _, name := range []string{"ip", "tc", "nft", "bash"} {
		if _, err := exec.LookPath(tool(name)); err != nil {
			lacks = append(lacks, name)
		}
	}
	switch {
	case len(lacks) == 0:
	case os.Getenv("CI") != "":
		t.Fatalf("this test makes network namespaces and needs %s", strings.Join(lacks, ", "))
	default:
		t.Skipf("SKIPPED, SO NOTHING WAS TESTED: this test makes network namespaces and needs %s", strings.Join(lacks, ", "))
	}
}
