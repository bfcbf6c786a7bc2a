//go:build linux

package local

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Process is one running program. Wait, Stop and Kill may be called again after
// its end.
type Process struct {
	cmd   *exec.Cmd
	log   string        // file with what it wrote
	ended chan struct{} // closed when it was waited for
	err   error         // how it ended; read after ended is closed
}

// Start runs argv with its output appended to the file log. The process is
// killed and waited for at the end of the test at the latest.
func Start(tb testing.TB, log string, argv ...string) *Process {
	tb.Helper()
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		tb.Fatal(err)
	}
	defer out.Close() // the child has its own
	p := &Process{cmd: exec.Command(argv[0], argv[1:]...), log: log, ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		// The kernel sends Pdeathsig when the thread that started the child ends,
		// not the process: this thread stays until the child has ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
			close(p.ended)
		}
	}()
	if err := <-started; err != nil {
		tb.Fatalf("start %s: %v", strings.Join(argv, " "), err)
	}
	tb.Cleanup(p.Kill)
	return p
}

// ID is the process id.
func (p *Process) ID() int { return p.cmd.Process.Pid }

// Ended reports whether it has ended by itself or otherwise.
func (p *Process) Ended() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// Kill ends it as a power cut would, with its whole group, and waits.
func (p *Process) Kill() {
	if !p.Ended() {
		// It was not waited for yet, so the id is still its own.
		_ = syscall.Kill(-p.ID(), syscall.SIGKILL)
	}
	<-p.ended
}

// Stop asks it to end and returns how it did. One that does not end is killed,
// which is an error.
func (p *Process) Stop() error {
	if !p.Ended() {
		_ = syscall.Kill(p.ID(), syscall.SIGTERM)
	}
	late := time.NewTimer(stopWait)
	defer late.Stop()
	select {
	case <-p.ended:
		return p.err
	case <-late.C:
		p.Kill()
		return fmt.Errorf("it did not end within %s of being asked to", stopWait)
	}
}

// Output returns the end of what it wrote.
func (p *Process) Output() string {
	const most = 8 << 10
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	if len(text) > most {
		text = text[len(text)-most:]
		if _, rest, ok := bytes.Cut(text, []byte("\n")); ok {
			text = rest
		}
	}
	return string(text)
}

// PeakMemory is the most memory it had resident since it started or since
// ForgetPeak, in bytes (VmHWM).
func (p *Process) PeakMemory(tb testing.TB) int64 {
	tb.Helper()
	return p.status(tb, "VmHWM:")
}

// Memory is what it has resident now, in bytes (VmRSS).
func (p *Process) Memory(tb testing.TB) int64 {
	tb.Helper()
	return p.status(tb, "VmRSS:")
}

// status reads one size of /proc/PID/status.
func (p *Process) status(tb testing.TB, name string) int64 {
	tb.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.ID()))
	if err != nil {
		tb.Fatalf("memory: %v", err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == name {
			kilobytes, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				tb.Fatalf("memory: %q: %v", line, err)
			}
			return kilobytes << 10
		}
	}
	tb.Fatalf("memory: no %s in /proc/%d/status", name, p.ID())
	return 0
}

// Files is how many file descriptors it has open.
func (p *Process) Files(tb testing.TB) int {
	tb.Helper()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.ID()))
	if err != nil {
		tb.Fatalf("file descriptors: %v", err)
	}
	return len(open)
}

// ForgetPeak lets PeakMemory begin again from what is resident now.
func (p *Process) ForgetPeak(tb testing.TB) {
	tb.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.ID()), []byte("5"), 0); err != nil {
		tb.Fatalf("reset peak memory: %v", err)
	}
}

// CPU is the processor time it has used so far, in user and kernel mode.
func (p *Process) CPU(tb testing.TB) time.Duration {
	tb.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.ID()))
	if err != nil {
		tb.Fatalf("processor time: %v", err)
	}
	// proc(5): the name in parentheses may hold anything; utime and stime are
	// fields 14 and 15 of all, so 12 and 13 after it, in ticks of 1/100 s.
	const ticks = time.Second / 100
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		tb.Fatalf("processor time: %q", text)
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	if err1 != nil || err2 != nil {
		tb.Fatalf("processor time: %q", text)
	}
	return time.Duration(user+system) * ticks
}
