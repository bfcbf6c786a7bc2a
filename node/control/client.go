package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"

	"comity/node/operate"
)

// Client asks a node, running or opened by the client itself. It is safe for
// concurrent use. Close it.
type Client struct {
	http   *http.Client
	dial   func(context.Context) (net.Conn, error)
	closed []func() error
	local  bool
	// passphrases are asked when a person acts and the act key is locked; nil: none.
	passphrases *operate.Passphrases
}

// Dial reaches the node of a data directory: the running one through its
// socket, or else the directory itself, opened without a network. The context
// bounds only the dialling.
//
// Errors are *Error: NoNode when there is no node, Locked when another process
// keeps the directory for longer than a few seconds, Integrity when what is
// stored must not be used.
//
// It opens no protected key: what needs one fails with NoPassphrase.
func Dial(ctx context.Context, dir string) (*Client, error) { return DialWith(ctx, dir, nil) }

// DialWith is Dial with sources of passphrases: for the keys of a directory that
// it opens itself, and for the key with which a person acts.
func DialWith(ctx context.Context, dir string, from *operate.Passphrases) (*Client, error) {
	var running *Client
	node, err := openUnless(ctx, dir, operate.Options{Logger: slog.New(slog.DiscardHandler), Passphrases: from}, func() bool {
		running, _ = dialSocket(ctx, operate.Layout{Dir: dir})
		return running != nil
	})
	switch {
	case err != nil:
		return nil, err
	case running == nil:
		running = inProcess(node)
	}
	running.passphrases = from
	return running, nil
}

// Running reports whether a node answers on the socket of a data directory.
func Running(ctx context.Context, dir string) bool {
	c, err := dialSocket(ctx, operate.Layout{Dir: dir})
	if err != nil {
		return false
	}
	return c.Close() == nil
}

func dialSocket(ctx context.Context, l operate.Layout) (*Client, error) {
	dial := func(ctx context.Context) (net.Conn, error) {
		address, done, err := socketAddress(l.Socket())
		if err != nil {
			return nil, err
		}
		defer done()
		return (&net.Dialer{}).DialContext(ctx, "unix", address)
	}
	first, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	first.Close()
	return newClient(dial, false), nil
}

// inProcess asks an open node without a socket. The client owns the node.
func inProcess(node *operate.Node) *Client {
	service := newService(node, false, slog.New(slog.DiscardHandler))
	pipe := newPipe()
	server := newServer(service)
	go func() { _ = server.Serve(pipe) }() // ends with Close
	c := newClient(pipe.dial, true)
	c.closed = append(c.closed, func() error {
		err := server.Close()
		service.busy.Wait()
		return errors.Join(err, node.Close())
	})
	return c
}

func newClient(dial func(context.Context) (net.Conn, error), local bool) *Client {
	transport := &http.Transport{
		DialContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		DisableCompression: true,
	}
	return &Client{
		http:   &http.Client{Transport: transport},
		dial:   dial,
		local:  local,
		closed: []func() error{func() error { transport.CloseIdleConnections(); return nil }},
	}
}

// officers reports whether this is the socket of one office, where the node reads no files
// for the caller.
func (c *Client) officers(ctx context.Context) (bool, error) {
	if c.local {
		return false, nil
	}
	st, err := c.Status(ctx)
	return err == nil && st.Only != "", err
}

// Local reports whether no node runs and this client has opened the data
// directory itself: then nothing goes out before "comity serve" runs.
func (c *Client) Local() bool { return c.local }

// Close ends what is under way and, for a local client, closes the node.
func (c *Client) Close() error {
	var errs []error
	for _, f := range c.closed {
		errs = append(errs, f())
	}
	c.closed = nil
	return errors.Join(errs...)
}

// post sends a request and returns the answer, or the error that it carries.
func (c *Client) post(ctx context.Context, path string, in any) (*http.Response, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	// The host is never resolved: the transport dials the node whatever it says.
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://node"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, explain(ctx.Err())
		}
		return nil, fail(Interrupted, `see whether "comity serve" still runs`, "the node does not answer: %v", err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	var l line
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&l); err != nil || l.Error == nil {
		return nil, fail(Failed, "the running node may be another version of comity than this command: restart it",
			"the node answered %s", resp.Status)
	}
	return nil, l.Error
}
