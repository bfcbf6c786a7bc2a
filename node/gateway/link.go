package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/quic-go/quic-go"

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

// link is all traffic with one peer: towards it one connection, made when
// needed, and the loops that deliver, follow its feed and push evidence; from
// it, what it may hold open.
type link struct {
	g        *Gateway
	peer     protocol.NodeID
	started  bool     // guarded by g.mu; its loops run
	due      *bell    // something may be ready to deliver
	flying   *flight  // deliveries under way
	circuits circuits // open when the peer asks to wait again and again
	http     *retryablehttp.Client

	taken *recent[packetID, taken]     // evidence of the peer that is stored
	stood *recent[protocol.Key, int64] // how far attempts at large bodies came, as the peer says

	turn       *bell         // rings when QUIC should perhaps be tried again
	renewed    *bell         // rings when the peer has made a new connection to us
	sighted    *bell         // rings when a state of the peer's log was seen
	connecting chan struct{} // holds one entry while an attempt to connect is under way
	calls      chan struct{} // one entry per small call of the peer
	polls      chan struct{} // one entry per long poll of the peer
	memory     *account      // what it makes us hold
	faults     *bucket       // requests of it that may be refused
	rejections *bucket       // parcels of it that may be refused for good

	withdrawals *bucket // parcels that it may take back before their bytes came

	recovering atomic.Bool // what it holds of this node is still to be fetched: nothing is accepted from it
	unsure     keySet      // of what it holds, what could not be verified yet
	half       *half       // of sealed bytes that are fetched again; recover's own
	informed   atomic.Bool // it has shown that it knows this node's newest record; asked only while there is a former TLS key

	refused atomic.Int64 // its requests that were refused, since this node started
	limited atomic.Int64 // its requests that were asked to come back later

	idle   *bucket      // its calls that may bring nothing new
	reads  *bucket      // what it may read of the log at once
	words  *bucket      // lines that may be logged about its requests
	unsaid atomic.Int64 // lines left out since the last

	mu       sync.Mutex
	session  session           // guarded by mu; nil before the first and after drop
	retired  []*tcpSession     // guarded by mu; sessions over TCP that end with what is under way
	detour   time.Time         // guarded by mu; real time before which the peer is called over TCP; zero: over QUIC
	probed   time.Time         // guarded by mu; real time when it last turned out whether UDP passes
	stalls   int               // guarded by mu; uploads over QUIC in a row that stalled
	failure  error             // guarded by mu; why the last attempt to connect failed
	failures int               // guarded by mu; since the last success
	retry    time.Time         // guarded by mu; real time before which nobody dials
	contact  time.Time         // guarded by mu; wall clock of the last word from the peer
	heard    time.Time         // guarded by mu; real time of the same
	flushed  time.Time         // guarded by mu; real time when all was last made due
	greeted  time.Time         // guarded by mu; real time of our last hello
	early    *statement.Signed // guarded by mu; a record of the peer that came before this node might sign, nil: none
	alarm    error             // guarded by mu; what its operator should be called about; nil: nothing
	told     time.Time         // guarded by mu; real time when the peer last said what time it is
	polled   time.Time         // guarded by mu; real time when the peer last asked for its feed
	asked    int64             // guarded by mu; the cursor with which it did
	theirs   time.Time         // guarded by mu; the peer's clock at told
	drift    drift             // guarded by mu; what was seen of it since the last note
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

func newLink(g *Gateway, peer protocol.NodeID) *link {
	l := &link{
		g: g, peer: peer, due: newBell(), flying: newFlight(), turn: newBell(), renewed: newBell(), sighted: newBell(), taken: newRecent[packetID, taken](maxTaken),
		stood:      newRecent[protocol.Key, int64](maxStood),
		connecting: make(chan struct{}, 1), calls: make(chan struct{}, maxCalls), polls: make(chan struct{}, maxPolls),
		memory: g.memory.account(protocol.MaxHeldOfPeer), faults: newFaults(), rejections: newRejections(), withdrawals: newWithdrawals(),
		idle: newBucket(maxIdle, idlePerSecond), reads: newBucket(maxReads, readsPerSecond), words: newBucket(maxWords, wordsPerSecond),
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
	return errors.As(err, &app) || errors.As(err, &idle) || errors.As(err, &reset) || errors.Is(err, errCutOff)
}

// wake says that there may be something to deliver.
func (l *link) wake() { l.due.ring() }

// connect returns the live session, or makes one. Of many callers one dials.
func (l *link) connect(ctx context.Context) (session, error) {
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
	if err != nil {
		err = &unconnected{err}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.session, l.failure = s, err; err != nil {
		l.retry = time.Now().Add(min(redial<<min(l.failures, 16), redialMax))
		l.failures++
		l.g.Logger.Info("cannot reach a peer", "peer", l.peer, "error", l.plainly(err))
		return nil, err
	}
	l.failures = 0
	l.turn.ring()
	return s, nil
}

// unconnected is why no connection could be made, in contrast to one that broke.
type unconnected struct{ error }

func (u *unconnected) Unwrap() error { return u.error }

// current returns the live session, or the error of an attempt that was made
// just now; neither when it is time to connect.
func (l *link) current() (session, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.session != nil && l.session.alive() {
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

// open connects over QUIC, and where the network does not let that pass, over
// TCP; the other way round while it is known not to (R-TCP-2).
func (l *link) open(ctx context.Context) (session, error) {
	if l.g.wire.Load() == nil {
		return nil, errOffline
	}
	state, ok := l.g.book.node(l.peer)
	if !ok {
		return nil, fmt.Errorf("no record of %s", l.peer)
	}
	endpoints := state.Record().Node.Endpoints
	if len(endpoints) == 0 {
		return nil, fmt.Errorf("the record of %s lists no endpoint: it must call us", l.peer)
	}
	first, second := QUIC, TCP
	if l.detoured() {
		first, second = TCP, QUIC
	}
	s, left, err := l.try(ctx, first, endpoints)
	if err == nil || len(left) == 0 || l.g.TCP == nil || ctx.Err() != nil {
		return s, err
	}
	s, _, err2 := l.try(ctx, second, left)
	if err2 != nil {
		return nil, errors.Join(err, err2)
	}
	if second == TCP {
		l.takeDetour(err)
	} else {
		l.endDetour()
	}
	return s, nil
}

// try connects over one transport to the first endpoint that answers, and says
// hello: each connection begins with one (R-WIRE-9). left are the endpoints that
// the other transport may reach.
func (l *link) try(ctx context.Context, over Transport, endpoints []string) (_ session, left []string, _ error) {
	var errs []error
	for _, endpoint := range endpoints {
		s, err := l.dial(ctx, over, endpoint)
		if err == nil {
			if err = l.hello(ctx, s); err == nil {
				return s, nil, nil
			}
			s.close()
		}
		if errs = append(errs, err); blocked(err) {
			left = append(left, endpoint)
		}
	}
	return nil, left, errors.Join(errs...)
}

// dial connects to one endpoint and makes sure that it is the peer.
func (l *link) dial(ctx context.Context, over Transport, endpoint string) (session, error) {
	w := l.g.wire.Load()
	if w == nil {
		return nil, errOffline
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if over == TCP {
		s, err := l.dialTCP(ctx, endpoint)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	conn, err := w.dial(ctx, l.peer, endpoint)
	if err != nil {
		return nil, err
	}
	return newQUICSession(l, conn), nil
}

// drop closes the connections; the next call makes a new one.
func (l *link) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.session != nil {
		l.session.close()
		l.session = nil
	}
	for _, s := range l.retired {
		s.close()
	}
	l.retired = nil
}

// linkTransport sends a call over the link's connection.
type linkTransport link

func (t *linkTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	l := (*link)(t)
	s, err := l.connect(r.Context())
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context()) // the caller's stays as it is
	l.g.stampTime(r.Header)
	resp, err := s.RoundTrip(r)
	if err == nil {
		l.readTime(r.Context(), resp.Header)
	}
	return resp, err
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
	switch {
	case path == submitPath:
		req.Header.Set("Content-Type", noteType)
	case body != nil:
		req.Header.Set("Content-Type", "application/json")
	}
	since := l.listen()
	resp, err := l.http.Do(req)
	var status int
	var data []byte
	if err == nil {
		status = resp.StatusCode
		held := l.memory.hold()
		defer held.free()
		resp.Body = weighed{resp.Body, ctx, held}
		data, err = readReply(resp, limit)
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		l.doubt(since)
	}
	return status, data, err
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

// Pong is what a ping found.
type Pong struct {
	Trip time.Duration // the round trip
	Skew time.Duration // the peer's clock minus ours
	Over Transport
}

// Ping says hello. A peer that is called over TCP is first tried over QUIC again.
func (g *Gateway) Ping(ctx context.Context, peer protocol.NodeID) (*Pong, error) {
	if _, ok := g.book.node(peer); !ok {
		return nil, fmt.Errorf("peer %q is not pinned", peer)
	}
	l := g.link(peer)
	// A person asks now: an attempt from just before, which the peer refused
	// because it had not pinned us yet, is not the answer.
	pong, err := l.ping(ctx)
	if err != nil && ctx.Err() == nil {
		pong, err = l.ping(ctx)
	}
	return pong, err
}

func (l *link) ping(ctx context.Context) (*Pong, error) {
	l.forgive()
	l.circuits.forgive()
	l.tryQUIC(ctx)
	s, err := l.connect(ctx)
	if err != nil {
		return nil, err
	}
	call, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	start, since := time.Now(), l.listen()
	if err := l.hello(call, s); err != nil {
		if errors.Is(call.Err(), context.DeadlineExceeded) {
			l.doubt(since) // a session from before UDP was blocked
		}
		return nil, err
	}
	return &Pong{Trip: time.Since(start), Skew: l.skew(), Over: s.transport()}, nil
}

func (l *link) logger() *slog.Logger { return l.g.Logger.With("peer", l.peer) }
