//go:build linux

package bench

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// peer is another program that people use to bring files to another authority.
// What is compared is the same work: files that lie with a sender lie opened,
// checked as far as the program checks, and synced with a recipient.
type peer struct {
	name  string
	needs []string // commands
	from  string   // Debian packages that have them
	lacks string   // what it does not do and a node does
	most  int      // files of one round at most, because it is slow; 0: all
	// open makes keys and settings under dir and starts what must run. tb ends it.
	open func(tb testing.TB, dir string) (mover, error)
}

// peers are those that stock Debian has.
var peers = []peer{nncp, gpgOneSession, gpgSessionEach, rsyncSSH}

// mover moves files. It is used by one goroutine.
type mover interface {
	// move returns when all files are durable at the other side, and how long
	// each stage took. Names of files are unique over all calls.
	move(files []string) ([]stage, error)
	// arrived is where a file of that name lies at the other side; empty when
	// move has compared its bytes already.
	arrived(name string) string
}

// stage is a part of a way. An idle one is waiting that serves nothing.
type stage struct {
	what string
	took time.Duration
	idle bool
}

// missing says what to install; empty when everything is there.
func (p *peer) missing() string {
	for _, command := range p.needs {
		if _, err := find(command); err != nil {
			return fmt.Sprintf("not installed: apt-get install %s (as root: make bench-tools)", p.from)
		}
	}
	return ""
}

// find looks for a command, in sbin too, where Debian keeps servers.
func find(command string) (string, error) {
	path, err := exec.LookPath(command)
	if err != nil {
		path, err = exec.LookPath(filepath.Join("/usr/sbin", command))
	}
	return path, err
}

// tooLong bounds one command of a peer, against hanging only.
const tooLong = 10 * time.Minute

// command runs one to its end and returns what it printed. settings are added to
// the environment.
func command(settings []string, argv ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), tooLong)
	defer cancel()
	path, err := find(argv[0])
	if err != nil {
		return "", err
	}
	c := exec.CommandContext(ctx, path, argv[1:]...)
	c.Env = append(os.Environ(), settings...)
	var out, words bytes.Buffer
	c.Stdout, c.Stderr = &out, &words
	if err := c.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", argv[0], err, lastLine(words.String()))
	}
	return out.String(), nil
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// timed runs f as a stage.
func timed(what string, f func() error) (stage, error) {
	begin := time.Now()
	err := f()
	return stage{what: what, took: time.Since(begin)}, err
}

// syncAll makes files durable, for programs that do not.
func syncAll(paths []string) error {
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// sameFiles compares what arrived with what was sent.
func sameFiles(m mover, files []string) error {
	for _, path := range files {
		at := m.arrived(filepath.Base(path))
		if at == "" {
			continue
		}
		want, err := digest(path)
		if err != nil {
			return err
		}
		got, err := digest(at)
		if err != nil {
			return err
		}
		if want != got {
			return fmt.Errorf("%s arrived with other bytes", filepath.Base(path))
		}
	}
	return nil
}

func digest(path string) (sum [sha256.Size]byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	h.Sum(sum[:0])
	return sum, err
}

// freePort is a TCP port of the loopback address that nobody listens on now.
func freePort() (int, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// awaitPort waits until a server that was started listens.
func awaitPort(port int, alive func() bool) error {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline) && alive(); time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return conn.Close()
		}
	}
	return errors.New("the server does not listen")
}
