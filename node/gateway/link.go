package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"comity/protocol"
	"comity/protocol/exchange"
	"comity/protocol/statement"
)

// Times of one link.
const (
	// redial is the pause after a failed attempt to connect, doubled with each
	// further one up to redialMax: everything that wants the peer meanwhile
	// gets the last error. A peer that shows up ends the pause.
	redial    = time.Second
	redialMax = 32 * time.Second
	// callTimeout bounds one small call; connectTimeout one attempt to connect.
	callTimeout    = 30 * time.Second
	connectTimeout = 10 * time.Second
	// flushEvery is how often at most a peer that shows up makes everything due:
	// a peer that says hello in a loop must not make us work in one.
	flushEvery = 10 * time.Second
)

// maxAnswer bounds an answer that carries packets.
const maxAnswer = protocol.MaxFeedPage * protocol.MaxPacket

// errOffline says that the node was opened without a network.
var errOffline = errors.New("this node is not running")

// link is all traffic with one peer: towards it one QUIC connection, made when
// needed, and the loops that deliver, follow its feed and push evidence; from
// it, what it may hold open.
type link struct {
	g       *Gateway
	peer    protocol.NodeID
	due     *bell   // something may be ready to deliver
	flying  *flight // deliveries under way
	circuit circuit // opens when the peer asks to wait again and again
	http    *retryablehttp.Client

	taken *recent[packetID, taken] // evidence of the peer that is stored

	connecting chan struct{} // holds one entry while an attempt to connect is under way
	calls      chan struct{} // one entry per small call of the peer
	polls      chan struct{} // one entry per long poll of the peer
	memory     *account      // what it makes us hold
	faults     *bucket       // requests of it that may be refused
	rejections *bucket       // parcels of it that may be refused for good

	refused atomic.Int64 // its requests that were refused, since this node started
	limited atomic.Int64 // its requests that were asked to come back later

	idle   *bucket      // its calls that may bring nothing new
	words  *bucket      // lines that may be logged about its requests
	unsaid atomic.Int64 // lines left out since the last

	mu       sync.Mutex
	session  *session      // guarded by mu; nil before the first and after drop
	failure  error         // guarded by mu; why the last attempt to connect failed
	failures int           // guarded by mu; since the last success
	retry    time.Time     // guarded by mu; real time before which nobody dials
	contact  time.Time     // guarded by mu; wall clock of the last word from the peer
	heard    time.Time     // guarded by mu; real time of the same
	flushed  time.Time     // guarded by mu; real time when all was last made due
	greeted  time.Time     // guarded by mu; real time of our last hello
	alarm    error         // guarded by mu; what its operator should be called about; nil: nothing
	told     time.Time     // guarded by mu; real time when the peer last said what time it is
	polled   time.Time     // guarded by mu; real time when the peer last asked for its feed
	asked    int64         // guarded by mu; the cursor with which it did
	offset   time.Duration // guarded by mu; the peer's clock minus ours
}

// maxTaken is how many evidences of a peer are known again without a look into
// the store: each comes twice, as the answer to a delivery and in the feed.
const maxTaken = 4096

// packetID names a packet by all its bytes.
type packetID struct {
	ref   statement.Ref
	proof protocol.Digest
}

// taken is what a stored evidence is about, and the state in which it left that.
type taken struct {
	key   protocol.Key
	state exchange.State
}

func idOf(p statement.Packet) packetID { return packetID{p.Ref(), protocol.Sum(p.Proof)} }

// session is one connection to the peer on which both said hello.
type session struct {
	conn   *quic.Conn
	client *http3.ClientConn
}

func newLink(g *Gateway, peer protocol.NodeID) *link {
	l := &link{
		g: g, peer: peer, due: newBell(), flying: newFlight(), taken: newRecent[packetID, taken](maxTaken),
		connecting: make(chan struct{}, 1), calls: make(chan struct{}, maxCalls), polls: make(chan struct{}, maxPolls),
		memory: g.memory.account(protocol.MaxHeldOfPeer), faults: newFaults(), rejections: newRejections(),
		idle: newBucket(maxIdle, idlePerSecond), words: newBucket(maxWords, wordsPerSecond),
	}
	l.http = retryablehttp.NewClient()
	l.http.HTTPClient = &http.Client{
		Transport:     (*linkTransport)(l),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	l.http.Logger = nil
	l.http.ErrorHandler = retryablehttp.PassthroughErrorHandler
	l.http.RetryMax, l.http.RetryWaitMin, l.http.RetryWaitMax = 1, 100*time.Millisecond, time.Second
	l.http.CheckRetry = func(ctx context.Context, _ *http.Response, err error) (bool, error) {
		// Only a connection that died under the call is worth an immediate
		// second try. Everything else has its own, slower, retry.
		return ctx.Err() == nil && died(err), err
	}
	return l
}

// died reports whether the connection ended under a call.
func died(err error) bool {
	var app *quic.ApplicationError
	var idle *quic.IdleTimeoutError
	var reset *quic.StatelessResetError
	return errors.As(err, &app) || errors.As(err, &idle) || errors.As(err, &reset)
}

// wake says that there may be something to deliver.
func (l *link) wake() { l.due.ring() }

// skew returns the peer's clock minus ours, as last seen.
func (l *link) skew() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.offset
}

// connect returns the live session, or makes one. Of many callers one dials.
func (l *link) connect(ctx context.Context) (*session, error) {
	if s, err := l.current(); s != nil || err != nil {
		return s, err
	}
	select {
	case l.connecting <- struct{}{}:
		defer func() { <-l.connecting }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if s, err := l.current(); s != nil || err != nil {
		return s, err
	}
	s, err := l.open(ctx)
	if err != nil && ctx.Err() != nil {
		return nil, err // the caller gave up; that says nothing of the peer
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.session, l.failure = s, err; err != nil {
		l.retry = time.Now().Add(min(redial<<min(l.failures, 16), redialMax))
		l.failures++
		l.g.Logger.Info("cannot reach a peer", "peer", l.peer, "error", err)
		return nil, err
	}
	l.failures = 0
	return s, nil
}

// current returns the live session, or the error of an attempt that was made
// just now; neither when it is time to connect.
func (l *link) current() (*session, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.session != nil && l.session.conn.Context().Err() == nil {
		return l.session, nil
	}
	if l.failure != nil && time.Now().Before(l.retry) {
		return nil, l.failure
	}
	return nil, nil
}

// forgive ends the pause after failed attempts to connect.
func (l *link) forgive() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failures, l.retry = 0, time.Time{}
}

// open tries the endpoints of the peer's record in order and says hello: each
// connection begins with one (R-WIRE-9).
func (l *link) open(ctx context.Context) (*session, error) {
	w := l.g.wire.Load()
	if w == nil {
		return nil, errOffline
	}
	state, ok := l.g.book.node(l.peer)
	if !ok {
		return nil, fmt.Errorf("no record of %s", l.peer)
	}
	errs := []error{fmt.Errorf("the record of %s lists no endpoint: it must call us", l.peer)}
	for i, endpoint := range state.Record().Node.Endpoints {
		if i == 0 {
			errs = nil
		}
		attempt, cancel := context.WithTimeout(ctx, connectTimeout)
		conn, err := w.dial(attempt, l.peer, endpoint)
		cancel()
		if err == nil {
			t := &http3.Transport{DisableCompression: true, MaxResponseHeaderBytes: maxHeadersFrame}
			s := &session{conn: conn, client: t.NewClientConn(conn)}
			if err = l.hello(ctx, s); err == nil {
				return s, nil
			}
			_ = conn.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "")
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// drop closes the connection; the next call makes a new one.
func (l *link) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.session != nil {
		_ = l.session.conn.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "")
		l.session = nil
	}
}

// linkTransport sends a call over the link's connection.
type linkTransport link

func (t *linkTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	s, err := (*link)(t).connect(r.Context())
	if err != nil {
		return nil, err
	}
	return s.client.RoundTrip(r)
}

// call makes one small call and returns the body of a 2xx answer. Anything else
// is an error: a *problem when the peer answered. ctx must have an end.
func (l *link) call(ctx context.Context, method, path string, body []byte, limit int64) (int, []byte, error) {
	var raw any // nil, not an empty body
	if body != nil {
		raw = body
	}
	req, err := retryablehttp.NewRequestWithContext(ctx, method, "https://"+string(l.peer)+path, raw)
	if err != nil {
		return 0, nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := l.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	held := l.memory.hold()
	defer held.free()
	resp.Body = weighed{resp.Body, ctx, held}
	data, err := readReply(resp, limit)
	return resp.StatusCode, data, err
}

// readReply reads and closes an answer.
func readReply(resp *http.Response, limit int64) ([]byte, error) {
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, readProblem(resp)
	}
	var data bytes.Buffer
	if size := resp.ContentLength; size > 0 && size <= limit {
		data.Grow(int(size) + bytes.MinRead) // in one piece; ReadFrom looks for the end behind it
	}
	n, err := data.ReadFrom(io.LimitReader(resp.Body, limit+1))
	if err == nil && n > limit {
		err = protocol.Refuse(protocol.TooLarge, "an answer of more than %d bytes", limit)
	}
	return data.Bytes(), err
}

// callPackets makes a call that is answered with packets; an answer without
// body has none.
func (l *link) callPackets(ctx context.Context, method, path string, body []byte) (int, []statement.Packet, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	status, data, err := l.call(ctx, method, path, body, maxAnswer)
	if err != nil || len(data) == 0 {
		return status, nil, err
	}
	packets, err := statement.DecodePackets(data, maxAnswer, protocol.MaxFeedPage)
	return status, packets, err
}

// Ping says hello and returns the round trip and the peer's clock minus ours.
func (g *Gateway) Ping(ctx context.Context, peer protocol.NodeID) (trip, skew time.Duration, err error) {
	if _, ok := g.book.node(peer); !ok {
		return 0, 0, fmt.Errorf("peer %q is not pinned", peer)
	}
	l := g.link(peer)
	// A person asks now: an attempt from just before, which the peer refused
	// because it had not pinned us yet, is not the answer.
	if trip, err = l.ping(ctx); err != nil && ctx.Err() == nil {
		trip, err = l.ping(ctx)
	}
	return trip, l.skew(), err
}

func (l *link) ping(ctx context.Context) (trip time.Duration, err error) {
	l.forgive()
	l.circuit.forgive()
	s, err := l.connect(ctx)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	if err := l.hello(ctx, s); err != nil {
		return 0, err
	}
	return time.Since(start), nil
}

func (l *link) logger() *slog.Logger { return l.g.Logger.With("peer", l.peer) }

// maxSentence is how much of a transport error a list shows.
const maxSentence = 300

// sentence makes a transport error short enough for a list.
func sentence(err error) string {
	if err == nil {
		return ""
	}
	text := strings.ReplaceAll(err.Error(), "\n", "; ")
	return strings.ToValidUTF8(text[:min(len(text), maxSentence)], "")
}
