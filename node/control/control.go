// Package control is what commands ask of a node. It is one http.Handler over
// an open node: "comity serve" answers with it on the Unix socket in the data
// directory, and a command that finds no running node opens the data directory
// itself and asks the same handler in its own process. So there is one way in,
// and every command does the same thing whether the node runs or not.
//
// It decides nothing about parcels: it finds what a person means (a parcel by
// the first or last characters of its id, an authority when there is only one),
// calls gateway and office, and puts what they say into views that are stable
// for programs. Every error that leaves it has a code, a sentence and, where
// there is one, a hint that says what to type.
//
// The socket has mode 0600 in a directory of mode 0700: whoever can open it
// owns the keys beside it, so it asks for no further password. The officers of an
// authority may have a socket of their own, elsewhere, on which its office alone
// answers (officers.go). Neither is part of the protocol: client and node are the same
// program.
package control

import (
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"time"

	"comity/node/operate"
	"comity/protocol"
)

const (
	// maxRequest bounds the body of a request: a draft with 9,999 paths fits.
	maxRequest = 64 << 20
	// maxOfficersRequest is that on the socket of an office, where maxCallers may come
	// at once and a draft has maxHanded paths.
	maxOfficersRequest = 2 << 20
	// maxAnswer bounds one JSON answer or one line of a stream, as a client
	// reads it: the view of a parcel with 9,999 files is the longest.
	maxAnswer = 64 << 20
	// MaxList is how many parcels one list names at most.
	MaxList = 1000
)

// Service is the handler. It is safe for concurrent use.
type Service struct {
	node    *operate.Node
	running bool // serve runs it, so there is a network
	now     func() time.Time
	logger  *slog.Logger
	mux     *http.ServeMux
	busy    sync.WaitGroup // requests under way
	turns   turns          // of each authority, when there are several
	// party is the one authority for whose officers this is; empty: for the operator.
	party protocol.AuthorityID
}

// newService makes the handler over an open node.
func newService(node *operate.Node, running bool, logger *slog.Logger) *Service {
	s := &Service{node: node, running: running, now: time.Now, logger: logger, mux: http.NewServeMux(), turns: newTurns(node.Config.Authorities)}
	for path, handler := range s.routes() {
		s.mux.Handle("POST "+path, handler)
	}
	return s
}

// takenOut are the operations that make files for the caller. Asked in its own process the
// handler writes them; over a socket it hands out the bytes, and the command writes them
// with its own rights: the node's process may have others, and a service often may write
// in few places.
func (s *Service) takenOut() map[string]http.Handler {
	if s.running {
		return map[string]http.Handler{"/v1/export": http.HandlerFunc(s.handExport), "/v1/bundle": http.HandlerFunc(s.handBundle)}
	}
	return map[string]http.Handler{"/v1/export": answer(s.export), "/v1/bundle": answer(s.bundle)}
}

// routes are all operations.
func (s *Service) routes() map[string]http.Handler {
	all := map[string]http.Handler{
		"/v1/status":            answer(s.status),
		"/v1/authorities":       answer(s.hosted),
		"/v1/introduce":         answer(s.introduce),
		"/v1/peers":             answer(s.peers),
		"/v1/pin":               answer(s.pin),
		"/v1/pin/follows":       answer(s.follows),
		"/v1/ping":              answer(s.ping),
		"/v1/inbox":             answer(s.inbox),
		"/v1/sent":              answer(s.sent),
		"/v1/parcel":            answer(s.parcel),
		"/v1/acknowledge":       answer(s.acknowledge),
		"/v1/decline":           answer(s.decline),
		"/v1/withdraw":          answer(s.withdraw),
		"/v1/directory/show":    answer(s.listing),
		"/v1/directory/find":    answer(s.findAuthorities),
		"/v1/directory/import":  answer(s.importListings),
		"/v1/directory/export":  answer(s.exportListings),
		"/v1/directory/join":    answer(s.joinFederation),
		"/v1/directory/refresh": answer(s.refreshDirectory),
		"/v1/directory/status":  answer(s.directoryStatus),
		"/v1/log/audit":         stream(s.audit),
		"/v1/log/check":         answer(s.checkLog),
		"/v1/records":           answer(s.records),
		"/v1/disclose":          answer(s.disclose),
		"/v1/act":               answer(s.note),
		"/v1/report/exceptions": answer(s.exceptions),
		"/v1/send":              stream(s.send),
		"/v1/follow":            stream(s.follow),
		"/v1/doctor":            stream(s.doctor),
		"/v1/probe":             stream(s.probe),
		"/v1/open":              http.HandlerFunc(s.open),
	}
	maps.Copy(all, s.takenOut())
	return all
}

// ServeHTTP answers one request.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.busy.Add(1)
	defer s.busy.Done()
	most := int64(maxRequest)
	if s.party != "" {
		most = maxOfficersRequest
	}
	r.Body = http.MaxBytesReader(w, r.Body, most)
	s.mux.ServeHTTP(w, r)
}

// nothing is the request or the answer of an operation without one.
type nothing struct{}

// Authority is one authority whose office this node runs.
type Authority struct {
	ID   protocol.AuthorityID `json:"authority"`
	Name string               `json:"name"`
}

// Status says what this node is.
type Status struct {
	Node        protocol.NodeID  `json:"node"`
	State       protocol.StateID `json:"state"`
	Name        string           `json:"name"`
	Running     bool             `json:"running"` // false: answered by the command itself
	Listen      string           `json:"listen"`
	Endpoints   []string         `json:"endpoints"`
	Authorities []Authority      `json:"authorities"`
	Record      int64            `json:"record"` // number of its own record
	Until       protocol.Time    `json:"record_until"`
	Log         string           `json:"log"` // origin
	// Only is the authority whose office alone answers on this socket; absent: the node does.
	Only protocol.AuthorityID `json:"only,omitempty"`
	// Goroutines is how many the running node has: one that only grows is a leak.
	Goroutines int `json:"goroutines,omitempty"`
}
