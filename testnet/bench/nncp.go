//go:build linux

package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"comity/testnet/local"
)

// nncp is NNCP: it encrypts each file into a spool, carries the spool over TCP,
// and opens it into a folder; it syncs at each step. Its caller waits for more
// work before it hangs up, for a second at least: that stage is told apart.
var nncp = peer{
	name:  "NNCP",
	needs: []string{"nncp-cfgnew", "nncp-file", "nncp-daemon", "nncp-call", "nncp-toss"},
	from:  "nncp",
	lacks: "signs the header of a packet only, not for third parties; no receipt, no log, no post-quantum keys, nothing to show a court",
	open: func(tb testing.TB, dir string) (mover, error) {
		return openNNCP(tb, dir)
	},
}

type nncpPair struct {
	sender, recipient string // configuration files
	spool, incoming   string // of the recipient
	senderID          string
}

// nncpKey finds the members of a node in what nncp-cfgnew writes; the first of
// each name is the node's own.
var nncpKey = regexp.MustCompile(`(?m)^\s*(id|exchpub|exchprv|signpub|signprv|noiseprv|noisepub): (\S+)$`)

func openNNCP(tb testing.TB, dir string) (*nncpPair, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	p := &nncpPair{
		sender: filepath.Join(dir, "sender.hjson"), recipient: filepath.Join(dir, "recipient.hjson"),
		spool: filepath.Join(dir, "recipient"), incoming: filepath.Join(dir, "incoming"),
	}
	for _, folder := range []string{p.incoming, p.spool, filepath.Join(dir, "sender")} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return nil, err
		}
	}
	a, err := nncpIdentity()
	if err != nil {
		return nil, err
	}
	b, err := nncpIdentity()
	if err != nil {
		return nil, err
	}
	p.senderID = a["id"]
	err = writeNNCP(p.sender, filepath.Join(dir, "sender"), a, "recipient", b, fmt.Sprintf("addrs: { lan: \"127.0.0.1:%d\" }", port))
	if err == nil {
		err = writeNNCP(p.recipient, p.spool, b, "sender", a, "incoming: "+p.incoming)
	}
	if err != nil {
		return nil, err
	}
	daemon, err := find("nncp-daemon")
	if err != nil {
		return nil, err
	}
	server := local.Start(tb, filepath.Join(dir, "daemon.log"), daemon, "-quiet", "-cfg", p.recipient, "-bind", fmt.Sprintf("127.0.0.1:%d", port))
	if err := awaitPort(port, func() bool { return !server.Ended() }); err != nil {
		return nil, fmt.Errorf("nncp-daemon: %w: %s", err, lastLine(server.Output()))
	}
	return p, nil
}

func nncpIdentity() (map[string]string, error) {
	text, err := command(nil, "nncp-cfgnew", "-nocomments")
	if err != nil {
		return nil, err
	}
	members := map[string]string{}
	for _, m := range nncpKey.FindAllStringSubmatch(text, -1) {
		if members[m[1]] == "" {
			members[m[1]] = m[2]
		}
	}
	return members, nil
}

// writeNNCP writes the configuration of one node that knows one other.
func writeNNCP(path, spool string, self map[string]string, name string, other map[string]string, more string) error {
	lines := func(m map[string]string, names ...string) string {
		var b strings.Builder
		for _, n := range names {
			fmt.Fprintf(&b, "      %s: %s\n", n, m[n])
		}
		return b.String()
	}
	public := []string{"id", "exchpub", "signpub", "noisepub"}
	text := fmt.Sprintf("{\n  spool: %s\n  log: %s.log\n  self: {\n%s  }\n  neigh: {\n    self: {\n%s    }\n    %s: {\n%s      %s\n    }\n  }\n}\n",
		spool, spool, lines(self, append(public, "exchprv", "signprv", "noiseprv")...), lines(self, public...), name, lines(other, public...), more)
	return os.WriteFile(path, []byte(text), 0o600)
}

func (p *nncpPair) arrived(name string) string { return filepath.Join(p.incoming, name) }

func (p *nncpPair) move(files []string) ([]stage, error) {
	seal, err := timed("encrypt into the spool", func() error {
		for _, path := range files {
			if _, err := command(nil, "nncp-file", "-quiet", "-noprogress", "-cfg", p.sender, path, "recipient:"+filepath.Base(path)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	patience, err := nncpPatience(files)
	if err != nil {
		return nil, err
	}
	wire, idle, err := p.call(len(files), patience)
	if err != nil {
		return nil, err
	}
	toss, err := timed("open", func() error {
		_, err := command(nil, "nncp-toss", "-quiet", "-noprogress", "-cfg", p.recipient)
		return err
	})
	return []stage{seal, wire, idle, toss}, err
}

// nncpPatience is how many seconds of silence NNCP's caller takes for the end of
// the work. It takes whole seconds, and one would be least; but both ends also
// fall silent while they check a large packet, and a caller that hung up then
// would leave it behind. What is waited beyond the work is the idle stage.
func nncpPatience(files []string) (int, error) {
	const checked = 50 << 20 // bytes a second, at least, on a busy machine
	seconds := 1
	for _, path := range files {
		info, err := os.Stat(path)
		if err != nil {
			return 0, err
		}
		seconds = max(seconds, 1+int(info.Size()/checked))
	}
	return seconds, nil
}

// call carries the spool over. The wire stage ends when the last packet lies
// checked in the recipient's spool, the idle one when the caller hangs up.
func (p *nncpPair) call(count, patience int) (wire, idle stage, err error) {
	begin := time.Now()
	ended := make(chan error, 1)
	go func() {
		_, err := command(nil, "nncp-call", "-quiet", "-noprogress", "-cfg", p.sender, "-onlinedeadline", strconv.Itoa(patience), "recipient")
		ended <- err
	}()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	var over time.Time
	for {
		select {
		case <-poll.C:
			if over.IsZero() && p.waiting() == count {
				over = time.Now()
			}
			continue
		case err = <-ended:
		}
		break
	}
	now := time.Now()
	if over.IsZero() {
		over = now
		if have := p.waiting(); err == nil && have != count {
			err = fmt.Errorf("nncp-call: %d packets of %d came over", have, count)
		}
	}
	return stage{what: "wire", took: over.Sub(begin)}, stage{what: "idle wait", took: now.Sub(over), idle: true}, err
}

// waiting is how many packets lie checked in the recipient's spool.
func (p *nncpPair) waiting() int {
	list, err := os.ReadDir(filepath.Join(p.spool, p.senderID, "rx"))
	if err != nil {
		return 0 // not made yet
	}
	count := 0
	for _, e := range list {
		// The name of a checked packet is its digest, without any suffix.
		if e.Type().IsRegular() && !strings.Contains(e.Name(), ".") {
			count++
		}
	}
	return count
}
