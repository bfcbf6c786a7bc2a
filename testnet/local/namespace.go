//go:build linux

package local

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Namespace is a machine's own network: its interfaces, addresses and firewall.
// It needs root.
type Namespace struct {
	name    string
	Address string // its address on the cable
}

// namespacePrefix begins the names of all namespaces of this package; the id of
// the process that made one follows.
const namespacePrefix = "comity-test-"

// Cable makes two namespaces joined by one cable. They are removed at the end of
// the test, and those of test runs that were killed are removed now.
func Cable(tb testing.TB) (a, b *Namespace) {
	tb.Helper()
	removeOrphans(tb)
	ends := [2]*Namespace{}
	for i, letter := range []string{"a", "b"} {
		n := &Namespace{
			name:    fmt.Sprintf("%s%d-%s", namespacePrefix, os.Getpid(), letter),
			Address: fmt.Sprintf("10.77.0.%d", i+1),
		}
		run(tb, "", "ip", "netns", "add", n.name)
		tb.Cleanup(func() { run(tb, "", "ip", "netns", "delete", n.name) })
		ends[i] = n
	}
	// Both ends are born inside, so nothing of the machine's own network changes;
	// they go with their namespaces.
	run(tb, "", "ip", "-n", ends[0].name, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", ends[1].name)
	for _, n := range ends {
		run(tb, "", "ip", "-n", n.name, "address", "add", n.Address+"/24", "dev", "cable")
		run(tb, "", "ip", "-n", n.name, "link", "set", "lo", "up")
		run(tb, "", "ip", "-n", n.name, "link", "set", "cable", "up")
	}
	return ends[0], ends[1]
}

// removeOrphans removes what a test run left that was killed before its end.
func removeOrphans(tb testing.TB) {
	tb.Helper()
	left, err := filepath.Glob("/run/netns/" + namespacePrefix + "*")
	if err != nil {
		tb.Fatal(err)
	}
	for _, path := range left {
		name := filepath.Base(path)
		maker, _, _ := strings.Cut(strings.TrimPrefix(name, namespacePrefix), "-")
		id, err := strconv.Atoi(maker)
		if err == nil && id != os.Getpid() && syscall.Kill(id, 0) == syscall.ESRCH {
			run(tb, "", "ip", "netns", "delete", name)
		}
	}
}

// wall is a stateful firewall: what is not an answer to something that went out
// before does not come in. The counters say what became of packets.
const wall = `
table inet wall {
	counter answered { }
	counter dropped { }
	chain input {
		type filter hook input priority filter; policy drop;
		iif lo accept
		ct state established,related counter name answered accept
		counter name dropped drop
	}
}
`

// Wall puts the namespace behind a firewall that admits no new flow from outside.
func (n *Namespace) Wall(tb testing.TB) {
	tb.Helper()
	run(tb, wall, n.command("nft", "-f", "-")...)
}

// Dropped is how many packets the wall has dropped so far.
func (n *Namespace) Dropped(tb testing.TB) int { return n.counter(tb, "wall", "dropped") }

// Answered is how many packets came in as answers so far.
func (n *Namespace) Answered(tb testing.TB) int { return n.counter(tb, "wall", "answered") }

func (n *Namespace) counter(tb testing.TB, table, name string) int {
	tb.Helper()
	out := run(tb, "", n.command("nft", "list", "counter", "inet", table, name)...)
	_, after, found := strings.Cut(out, "packets ")
	number, _, _ := strings.Cut(after, " ")
	count, err := strconv.Atoi(number)
	if !found || err != nil {
		tb.Fatalf("counter %s of the firewall: %q", name, out)
	}
	return count
}

// barrier stands in the way of UDP alone.
const barrier = `
table inet barrier {
	counter blocked { }
	chain input {
		type filter hook input priority filter; policy accept;
		iif lo accept
		meta l4proto udp %s
	}
}
`

// BlockUDP lets no UDP into the namespace; verdict is what nftables does with it.
func (n *Namespace) BlockUDP(tb testing.TB, verdict string) {
	tb.Helper()
	n.barrier(tb, "counter name blocked "+verdict)
}

// ShrinkMTU makes the large packets of UDP vanish, and nobody says so.
func (n *Namespace) ShrinkMTU(tb testing.TB) {
	tb.Helper()
	n.barrier(tb, "udp length > 800 counter name blocked drop")
}

func (n *Namespace) barrier(tb testing.TB, rule string) {
	tb.Helper()
	run(tb, fmt.Sprintf(barrier, rule), n.command("nft", "-f", "-")...)
}

// UnblockUDP takes the barrier away.
func (n *Namespace) UnblockUDP(tb testing.TB) {
	tb.Helper()
	run(tb, "", n.command("nft", "delete", "table", "inet", "barrier")...)
}

// Blocked is how many packets of UDP were not let in so far.
func (n *Namespace) Blocked(tb testing.TB) int { return n.counter(tb, "barrier", "blocked") }

// Slow limits what leaves over the cable to a rate, such as "100mbit".
func (n *Namespace) Slow(tb testing.TB, rate string) {
	tb.Helper()
	run(tb, "", "tc", "-n", n.name, "qdisc", "add", "dev", "cable", "root", "tbf", "rate", rate, "burst", "256k", "latency", "50ms")
}

// Received is how many bytes have come in over the cable so far.
func (n *Namespace) Received(tb testing.TB) int64 {
	tb.Helper()
	text := run(tb, "", n.command("cat", "/sys/class/net/cable/statistics/rx_bytes")...)
	count, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		tb.Fatalf("bytes received: %v", err)
	}
	return count
}

// Knock sends one datagram from a port of its own to an address, as a stranger
// would who opens a new flow.
func (n *Namespace) Knock(tb testing.TB, to *Namespace, port int) {
	tb.Helper()
	run(tb, "", n.command("bash", "-c", fmt.Sprintf("echo knock >/dev/udp/%s/%d", to.Address, port))...)
}

// command is argv as it must be started to run inside.
func (n *Namespace) command(argv ...string) []string {
	if n == nil {
		return argv
	}
	return append([]string{tool("ip"), "netns", "exec", n.name, tool(argv[0])}, argv[1:]...)
}

// run runs a tool of the machine and fails the test when it fails.
func run(tb testing.TB, input string, argv ...string) string {
	tb.Helper()
	cmd := exec.Command(tool(argv[0]), argv[1:]...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		tb.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return string(out)
}

// tool finds a tool also where a person's PATH does not look for it.
func tool(name string) string {
	for _, dir := range []string{"", "/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	return name
}
