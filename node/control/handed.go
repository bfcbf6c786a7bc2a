package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"

	"comity/node/office"
)

// An officer's files are not the node's to open: the node's process may read what
// the officer may not, its keys before all. So on the socket of an office the command
// opens the files itself, with its own rights, and hands them over open (SCM_RIGHTS).

const (
	// maxHanded is how many files one message of an officer has at most: the kernel
	// passes 253 at once.
	maxHanded = 250
	// maxCallers is how many commands are served at once on the socket of an office: most
	// of them wait for evidence, perhaps for days. Together their requests may take
	// maxOfficersRequest each of memory, for the moment in which they are read.
	maxCallers = 128
	// maxHeld is how many files officers of one office can make the node hold open.
	maxHeld = 32 * maxHanded
)

// handed is a connection on which open files come along with the bytes.
type handed struct {
	*net.UnixConn
	leave func()
	held  chan struct{} // has one for each open file of the office

	mu    sync.Mutex
	files []*os.File // guarded by mu
	gone  bool       // guarded by mu; closed
}

// Read takes in the files that come with the bytes. More than maxHanded are closed, and
// so are those for which the office has no room.
func (h *handed) Read(p []byte) (int, error) {
	oob := make([]byte, syscall.CmsgSpace(maxHanded*4))
	n, oobn, _, _, err := h.ReadMsgUnix(p, oob)
	if oobn > 0 {
		err = errors.Join(err, h.take(oob[:oobn]))
	}
	return n, err
}

func (h *handed) take(oob []byte) error {
	messages, err := syscall.ParseSocketControlMessage(oob)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range messages {
		fds, err := syscall.ParseUnixRights(&m)
		if err != nil {
			return err
		}
		for _, fd := range fds {
			f := os.NewFile(uintptr(fd), "a file that was handed over")
			if h.gone || len(h.files) >= maxHanded || !h.hold() {
				_ = f.Close() // only read from
				continue
			}
			h.files = append(h.files, f)
		}
	}
	return nil
}

// hold takes room for one more file of the office, if there is any.
func (h *handed) hold() bool {
	select {
	case h.held <- struct{}{}:
		return true
	default:
		return false
	}
}

// release closes files that came over this connection, and gives their room back.
func (h *handed) release(files []*os.File) {
	closeAll(files)
	for range files {
		<-h.held
	}
}

// claim returns the files that came so far; whoever claims them releases them.
func (h *handed) claim() []*os.File {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := h.files
	h.files = nil
	return all
}

// Close closes what nobody claimed, too.
func (h *handed) Close() error {
	h.release(h.claim())
	h.mu.Lock()
	first := !h.gone
	h.gone = true
	h.mu.Unlock()
	if first {
		h.leave()
	}
	return h.UnixConn.Close()
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close() // only read from
	}
}

// handedListener accepts connections with files, maxCallers at a time.
type handedListener struct {
	*net.UnixListener
	places, held chan struct{}
}

func newHandedListener(l *net.UnixListener) *handedListener {
	return &handedListener{l, make(chan struct{}, maxCallers), make(chan struct{}, maxHeld)}
}

// Accept waits for a place; who waits for one is not served, and holds no files of ours.
func (l *handedListener) Accept() (net.Conn, error) {
	l.places <- struct{}{}
	leave := func() { <-l.places }
	c, err := l.AcceptUnix()
	if err != nil {
		leave()
		return nil, err
	}
	return &handed{UnixConn: c, leave: leave, held: l.held}, nil
}

// callerKey is the key of a request's connection in its context.
type callerKey struct{}

func withCaller(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// claimed replaces the paths of a draft by the files that came with the request. The
// caller closes them.
func claimed(ctx context.Context, sources []office.Source) (release func(), err error) {
	h, ok := ctx.Value(callerKey{}).(*handed)
	if !ok {
		return nil, errors.New("the connection carries no files")
	}
	files := h.claim()
	if len(files) != len(sources) {
		h.release(files)
		return nil, fail(Usage, "should your office be sending much just now, type it again later; else the running node may be another version of comity than this command: restart it",
			"%d files are named and %d came", len(sources), len(files))
	}
	for i := range sources {
		sources[i].File = files[i]
	}
	return func() { h.release(files) }, nil
}

// hander is a client's connection that hands files over with its first bytes.
type hander struct {
	*net.UnixConn
	files []*os.File
}

// Write sends the files that are left with the first byte.
func (h *hander) Write(p []byte) (int, error) {
	if len(h.files) == 0 || len(p) == 0 {
		return h.UnixConn.Write(p)
	}
	fds := make([]int, len(h.files))
	for i, f := range h.files {
		fds[i] = int(f.Fd())
	}
	h.files = nil
	first, _, err := h.WriteMsgUnix(p[:1], syscall.UnixRights(fds...), nil)
	if err != nil || len(p) == 1 {
		return first, err
	}
	rest, err := h.UnixConn.Write(p[1:])
	return first + rest, err
}

// handing is a client for one request that hands files over. They stay open, and the
// caller's.
func (c *Client) handing(files []*os.File) *Client {
	one := *c
	one.http = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			conn, err := c.dial(ctx)
			if err != nil {
				return nil, err
			}
			unix, ok := conn.(*net.UnixConn)
			if !ok {
				return nil, errors.Join(errors.New("files go over a socket only"), conn.Close())
			}
			return &hander{unix, files}, nil
		},
		DisableCompression: true, DisableKeepAlives: true,
	}}
	return &one
}

// openSources opens the files of a draft with the rights of this command.
func openSources(sources []Source) (files []*os.File, err error) {
	if len(sources) > maxHanded {
		return nil, fail(Usage, "pack some of them together, or send them in several messages",
			"%d files: on the socket of an office one message has at most %d", len(sources), maxHanded)
	}
	for _, s := range sources {
		f, err := os.OpenFile(s.Path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe must not make us wait for its writer
		if err != nil {
			closeAll(files)
			if errors.Is(err, fs.ErrPermission) {
				return nil, fail(Failed, "ask its owner for the right to read it", "%s: permission denied", s.Path)
			}
			return nil, explain(fmt.Errorf("attach %s: %w", s.Path, err))
		}
		files = append(files, f)
	}
	return files, nil
}
