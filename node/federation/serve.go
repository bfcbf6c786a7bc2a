package federation

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"comity/protocol"
)

// Limits of a mirror: it serves strangers. What they can take is its own process,
// which has no key and no node in it.
const (
	mirrorConnections = 256 // more wait in the kernel
	mirrorIdle        = 30 * time.Second
	mirrorAnswer      = 2 * time.Minute // for one file
)

// ServeMirror serves a folder as Mirror does until ctx ends. It is plain HTTP: what
// is served is signed, and whoever wants to hide what he asks for puts a proxy with
// TLS before it. It closes the listener.
func ServeMirror(ctx context.Context, on net.Listener, dir string) error {
	server := &http.Server{
		Handler: Mirror(dir), ReadHeaderTimeout: answerTime, ReadTimeout: answerTime, WriteTimeout: mirrorAnswer, IdleTimeout: mirrorIdle,
		MaxHeaderBytes: protocol.MaxHeaderBytes, BaseContext: func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	err := server.Serve(&limited{on, make(chan struct{}, mirrorConnections)})
	if errors.Is(err, http.ErrServerClosed) && ctx.Err() != nil {
		return nil
	}
	return err
}

// limited accepts no connection while so many are open.
type limited struct {
	net.Listener
	open chan struct{}
}

func (l *limited) Accept() (net.Conn, error) {
	l.open <- struct{}{}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.open
		return nil, err
	}
	return &counted{Conn: c, leave: sync.OnceFunc(func() { <-l.open })}, nil
}

// counted gives its place back when it is closed, once.
type counted struct {
	net.Conn
	leave func()
}

func (c *counted) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
