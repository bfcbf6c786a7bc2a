package pgtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// account is whom the server runs as.
type account struct{ uid, gid int }

// owner: PostgreSQL refuses to run as root, so root lends it the account that
// its package made. Others run it as themselves: nil.
func owner() (*account, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root: %w", err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.Atoi(u.Gid)
	return &account{uid, gid}, err
}

// process is a server that runs, or ran.
type process struct {
	cmd   *exec.Cmd
	log   string
	ended chan struct{} // closed when it was waited for
}

// startWait bounds how long a server may take to answer.
const startWait = time.Minute

func start(program string, args []string, dir string, o *account) (*process, error) {
	p := &process{cmd: exec.Command(program, args...), log: filepath.Join(dir, "log"), ended: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr, p.cmd.SysProcAttr = dir, log, log, attributes(o)
	started := make(chan error)
	go func() {
		// The kernel tells the child when the thread that started it ends, not the
		// process: this thread stays until the child has ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // how it ended is in its log
			close(p.ended)
		}
	}()
	return p, <-started
}

// until waits until the server answers.
func (p *process) until(answers func() bool) error {
	late := time.Now().Add(startWait)
	for !answers() {
		select {
		case <-p.ended:
			return fmt.Errorf("the server ended while it was starting:\n%s", lastWords(p.log))
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(late) {
			p.crash()
			return errors.New("the server did not answer within " + startWait.String() + ":\n" + lastWords(p.log))
		}
	}
	return nil
}

// stop ends it in order; crash does not.
func (p *process) stop()  { p.end(syscall.SIGINT) }
func (p *process) crash() { p.end(syscall.SIGQUIT) }

func (p *process) end(s syscall.Signal) {
	select {
	case <-p.ended:
		return
	default:
	}
	_ = p.cmd.Process.Signal(s)
	<-p.ended
}
