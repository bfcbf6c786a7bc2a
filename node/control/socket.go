package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"comity/node/operate"
)

const (
	// maxSocketPath is the longest path that the kernel takes as the address of
	// a socket, with its closing zero.
	maxSocketPath = 107
	// stopWait is how long a stopping node lets requests end by themselves.
	stopWait = 2 * time.Second
)

// Server answers commands on the sockets of a running node.
type Server struct{ doors []*door }

// door is one socket and who answers on it.
type door struct {
	service  *Service
	listener net.Listener
	path     string
	done     func()
}

// Listen makes the socket of a node that the caller has open, and so holds the
// lock of its directory: only then is a socket that is there already known to be
// a dead one, which is removed. The directory must be closed to everybody else,
// because the socket obeys whoever reaches it. The sockets for officers are made too.
func Listen(node *operate.Node, logger *slog.Logger) (*Server, error) {
	info, err := os.Stat(node.Layout.Dir)
	if err != nil {
		return nil, explain(err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fail(Failed, fmt.Sprintf("type: chmod 700 %s", node.Layout.Dir),
			"the directory %s is open to others than its owner (mode %04o)", node.Layout.Dir, mode)
	}
	for _, id := range node.Config.Authorities {
		if err := removeHandouts(node.Layout.Office(id)); err != nil {
			logger.Warn("what an interrupted export left is still there", "authority", string(id), "error", err)
		}
	}
	path := node.Layout.Socket()
	listener, done, err := listenAt(path, 0o600)
	if err != nil {
		return nil, err
	}
	service := newService(node, true, logger)
	main := &door{service: service, listener: listener, path: path, done: done}
	return &Server{append([]*door{main}, listenOfficers(service, logger)...)}, nil
}

// listenAt makes a socket in the place of a dead one. Nobody but its owner reaches it
// before it has its mode.
func listenAt(path string, mode fs.FileMode) (_ net.Listener, done func(), err error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("remove the socket of a node that has stopped: %w", err)
	}
	address, done, err := socketAddress(path)
	if err != nil {
		return nil, nil, err
	}
	listener, err := net.Listen("unix", address)
	if err == nil {
		err = os.Chmod(path, mode)
	}
	if err != nil {
		done()
		return nil, nil, fmt.Errorf("make the control socket %s: %w", path, err)
	}
	// The listener would remove what its address names, which is not the path
	// once the folder is closed.
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	return listener, done, nil
}

// Serve answers until ctx ends. It returns when no request uses the node any
// more, so the node may be closed then.
func (s *Server) Serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, len(s.doors))
	for _, d := range s.doors {
		go func() { ended <- d.serve(ctx) }()
	}
	var errs []error
	for range s.doors {
		errs = append(errs, <-ended)
		cancel()
	}
	return errors.Join(errs...)
}

func (d *door) serve(ctx context.Context) error {
	defer d.done()
	server := newServer(d.service)
	// Requests that wait, such as follow, end with the node.
	server.BaseContext = func(net.Listener) context.Context { return ctx }
	server.ConnContext = withCaller
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(d.listener) }()
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	_ = os.Remove(d.path)
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWait)
	defer cancel()
	_ = server.Shutdown(stop)
	_ = server.Close()
	d.service.busy.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return err
}

func newServer(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
}

// socketAddress returns an address by which the kernel finds the socket however
// long its path is: a long one is named through an open handle of its folder.
// Call done once the address was used.
func socketAddress(path string) (address string, done func(), err error) {
	if len(path) <= maxSocketPath {
		return path, func() {}, nil
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, err
	}
	address = filepath.Join("/proc/self/fd", strconv.Itoa(int(folder.Fd())), filepath.Base(path))
	return address, func() { folder.Close() }, nil
}

// pipe is a listener inside one process.
type pipe struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipe() *pipe { return &pipe{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipe) dial(ctx context.Context) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return near, nil
	case <-p.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept returns the next connection.
func (p *pipe) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and dial.
func (p *pipe) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

// Addr names the listener in logs.
func (p *pipe) Addr() net.Addr { return &net.UnixAddr{Name: "in process", Net: "unix"} }
