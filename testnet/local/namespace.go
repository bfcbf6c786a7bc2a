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
func (n *Namespace) Dropped(tb testing.TB) int { return n.counter(tb, "dropped") }

// Answered is how many packets came in as answers so far.
func (n *Namespace) Answered(tb testing.TB) int { return n.counter(tb, "answered") }

func (n *Namespace) counter(tb testing.TB, name string) int {
	tb.Helper()
	out := run(tb, "", n.command("nft", "list", "counter", "inet", "wall", name)...)
	_, after, found := strings.Cut(out, "packets ")
	number, _, _ := strings.Cut(after, " ")
	count, err := strconv.Atoi(number)
	if !found || err != nil {
		tb.Fatalf("counter %s of the firewall: %q", name, out)
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
