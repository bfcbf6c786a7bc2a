package gateway

import (
	"context"
	"errors"
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
	renewals   *bucket       // newer records of it that may be adopted

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
		memory: g.memory.account(protocol.MaxHeldOfPeer), faults: newFaults(), rejections: newRejections(), withdrawals: newWithdrawals(), renewals: newRenewals(),
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

func (l *link) logger() *slog.Logger { return l.g.Logger.With("peer", l.peer) }
