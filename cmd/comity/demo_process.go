package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// stopWait is how long a process of the demo may take to stop before it is killed.
	stopWait = 10 * time.Second
	// lastLines is how much of its log is shown when the demo fails.
	lastLines = 2 << 10
)

// process is this very program once more, as a process of its own.
type process struct {
	name  string // for people
	child *exec.Cmd
	ended chan struct{} // closed when the child has ended; nil before it began
	end   error         // how; read it after ended
	log   *os.File
}

// start begins it; what it says goes to a log file.
func (p *process) start(name, log string, env map[string]string, args ...string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if p.log, err = os.OpenFile(log, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600); err != nil {
		return err
	}
	p.name, p.child = name, exec.Command(self, args...) //nolint:gosec // this very program
	p.child.Stdout, p.child.Stderr = p.log, p.log
	p.child.SysProcAttr = orphanless()
	for key, value := range env {
		p.child.Env = append(p.child.Env, key+"="+value)
	}
	if err := p.child.Start(); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	p.ended = make(chan struct{})
	go func() {
		p.end = p.child.Wait()
		close(p.ended)
	}()
	return nil
}

// stop ends it, politely first, and waits for it.
func (p *process) stop() error {
	if p.ended == nil {
		return nil
	}
	_ = p.child.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.ended:
	case <-time.After(stopWait):
		_ = p.child.Process.Kill()
		<-p.ended
	}
	return p.log.Close()
}

// lastWords shows the end of its log.
func (p *process) lastWords(w io.Writer) {
	if p.log == nil {
		return
	}
	data, err := os.ReadFile(p.log.Name())
	if err != nil || len(data) == 0 {
		return
	}
	if len(data) > lastLines {
		data = data[len(data)-lastLines:]
	}
	fmt.Fprintf(w, "The log of %s (%s) ends with:\n", p.name, filepath.Base(p.log.Name()))
	for line := range strings.Lines(string(data)) {
		fmt.Fprintf(w, "  %s\n", safe(strings.TrimRight(line, "\n")))
	}
}
