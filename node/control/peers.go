package control

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"comity/node/gateway"
	"comity/protocol"
	"comity/protocol/record"
	"comity/protocol/statement"
	"comity/store"
)

// Introduction is a record with what two persons compare before it counts.
type Introduction struct {
	State    protocol.StateID `json:"state"`
	Name     string           `json:"name"` // first of the names in the record; foreign text
	Node     protocol.NodeID  `json:"node"`
	Sequence int64            `json:"sequence"`
	Digest   protocol.Digest  `json:"sha256"`
	Until    protocol.Time    `json:"valid_until"`
	// Authorities are those that the record lists.
	Authorities []Authority `json:"authorities"`
	Endpoints   []string    `json:"endpoints"`
	Words       []string    `json:"words"`
	Digits      string      `json:"digits"`
	// Follows is the number of the record from which this node's own newest one follows
	// by the state's own keys: who has that one needs no words. 0: words are compared.
	Follows int64 `json:"follows,omitempty"`
	// File is the introduction itself, exact text.
	File string `json:"file"`
}

// ReadIntroduction reads an introduction and verifies that the record in it
// holds together. Whose record it really is, only the words can tell (R-REC-4).
func ReadIntroduction(file []byte) (*Introduction, error) {
	state, err := readIntroduction(file)
	if err != nil {
		return nil, err
	}
	return introductionOf(state, string(file)), nil
}

func readIntroduction(file []byte) (*record.State, error) {
	const hint = "an introduction is the file that the other side wrote with: comity introduce -o FILE"
	signed, err := record.DecodeIntroduction(file)
	if what := mistaken(file); err != nil && what != "" && what != anIntroduction {
		return nil, fail(Code(protocol.CodeOf(err)), hint, "this is not an introduction but %s", what)
	}
	if err != nil {
		return nil, fail(Code(protocol.CodeOf(err)), hint, "this is not an introduction: %s", strings.TrimPrefix(plainly(err), "introduction: "))
	}
	state, err := record.Verify(signed, nil)
	if err != nil {
		return nil, fail(Code(protocol.CodeOf(err)), "ask the other side to write it again; do not pin it", "the record in this introduction does not hold together: %v", plainly(err))
	}
	return state, nil
}

func introductionOf(state *record.State, file string) *Introduction {
	r := state.Record()
	return &Introduction{
		State: r.State, Name: nameIn(r.Name), Node: r.Node.ID, Sequence: r.Sequence, Digest: state.Ref().Digest,
		Until: r.Valid.Until, Authorities: authoritiesOf(state), Endpoints: r.Node.Endpoints,
		Words: state.Words(), Digits: state.Digits(), File: file,
	}
}

func authoritiesOf(state *record.State) []Authority {
	var all []Authority
	for _, m := range state.Members() {
		all = append(all, Authority{ID: m.ID(), Name: nameIn(m.Document().Name)})
	}
	return all
}

// nameIn is the first name, which the state chose to stand first.
func nameIn(names []record.Name) string {
	if len(names) == 0 {
		return ""
	}
	return names[0].Text
}

// Confirms reports whether what a person heard on the telephone is what this
// record says: the twelve words or the forty digits, in any case and with any
// spaces. The comparison takes the same time wherever they differ.
func (i *Introduction) Confirms(heard string) bool { return confirms(heard, i.Words, i.Digits) }

func confirms(heard string, wanted []string, asDigits string) bool {
	words := strings.ToLower(strings.Join(strings.Fields(heard), " "))
	digits := strings.Join(strings.Fields(heard), "")
	same := func(a, b string) int {
		x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
		return subtle.ConstantTimeCompare(x[:], y[:])
	}
	return same(words, strings.Join(wanted, " "))|same(digits, strings.ReplaceAll(asDigits, " ", "")) == 1
}

func (s *Service) status(context.Context, nothing) (*Status, error) {
	own := s.node.Gateway.OwnState()
	r := own.Record()
	st := &Status{
		Node: r.Node.ID, State: r.State, Name: nameIn(r.Name), Running: s.running,
		Listen: s.node.Config.Listen, Endpoints: r.Node.Endpoints,
		Record: r.Sequence, Until: r.Valid.Until, Log: r.Node.Log.Origin,
	}
	if s.running {
		st.Goroutines = runtime.NumGoroutine()
	}
	st.Only = s.party
	for _, a := range authoritiesOf(own) {
		if _, here := s.node.Offices[a.ID]; here && (s.party == "" || s.party == a.ID) {
			st.Authorities = append(st.Authorities, a)
		}
	}
	return st, nil
}

// introduceRequest names one of the own records; 0: the newest.
type introduceRequest struct {
	Record int64 `json:"record,omitempty"`
}

func (s *Service) introduce(ctx context.Context, in introduceRequest) (*Introduction, error) {
	own := s.node.Gateway.OwnState()
	newest := own.Record().Sequence
	all, err := s.node.Gateway.Store.RecordHistory(ctx)
	if err != nil {
		return nil, err
	}
	numbered := func(n int64) int {
		return slices.IndexFunc(all, func(r store.Record) bool { return r.Own && r.Sequence == n })
	}
	if in.Record != 0 && in.Record != newest {
		i := numbered(in.Record)
		if i < 0 {
			return nil, fail(NotFound, "the newest one is number "+strconv.FormatInt(newest, 10), "there is no record %d of state %s here", in.Record, own.Record().State)
		}
		if own, err = record.Verify(all[i].Signed, nil); err != nil {
			return nil, err
		}
	}
	file, err := record.EncodeIntroduction(own.Signed())
	if err != nil {
		return nil, err
	}
	out := introductionOf(own, string(file))
	if i := numbered(newest - 1); out.Sequence == newest && i >= 0 && followsFrom(own, all[i].Signed) {
		out.Follows = newest - 1
	}
	return out, nil
}

// followsFrom reports whether a record follows from another one (R-REC-3), so that
// whoever has that one adopts it without words, whichever way it comes.
func followsFrom(next *record.State, before statement.Signed) bool {
	held, err := record.Verify(before, nil)
	if err == nil {
		_, err = record.Verify(next.Signed(), held)
	}
	return err == nil && !wantsWords(next, held)
}

// Peer is another node as this one knows it.
type Peer struct {
	Node      protocol.NodeID  `json:"node"`
	State     protocol.StateID `json:"state"`
	Name      string           `json:"name"` // foreign text
	Endpoints []string         `json:"endpoints"`
	Record    int64            `json:"record"` // number of its newest record here
	Digest    protocol.Digest  `json:"record_sha256"`
	Until     protocol.Time    `json:"record_until"`
	// Confirmed says that a person compared the words of this very record; a
	// record that followed from such a one is trusted as well.
	Confirmed bool `json:"confirmed"`
	// Listed says that no record of its state was confirmed by words: it rests on the
	// word of the stewards of a federation.
	Listed bool `json:"on_the_stewards_word"`
	// Reachable says that a connection is open now; null while the node does not run.
	Reachable *bool `json:"reachable"`
	// Transport is what that connection runs on: quic, or tcp where UDP does not
	// pass; absent while none is open.
	Transport gateway.Transport `json:"transport,omitempty"`
	Contact   protocol.Time     `json:"last_contact,omitzero"` // since the node started
	// Skew is its clock minus ours at the last contact, in milliseconds.
	Skew      int64         `json:"clock_skew_ms"`
	LastError string        `json:"last_error,omitempty"`
	Waiting   int64         `json:"waiting"` // parcels queued for it
	Bytes     int64         `json:"waiting_bytes"`
	Oldest    protocol.Time `json:"waiting_since,omitzero"`
	LogSize   int64         `json:"log_size"`
	// LogFault says what is known against its log, as a sentence; absent: nothing.
	LogFault string `json:"log_fault,omitempty"`
	// DirectoryFault says which other directory it named than this node knows under
	// that version, as a sentence; absent: none.
	DirectoryFault string `json:"directory_fault,omitempty"`
	// Witnessed is the size of the newest checkpoint of our log that it cosigned.
	Witnessed int64 `json:"witnessed_size"`
	// Unwitnessed is the age, in seconds, of the oldest checkpoint of our log that
	// it should have cosigned by now and has not; absent while it is not late.
	Unwitnessed int64 `json:"unwitnessed_s,omitempty"`
	// RestUntil is when the next parcel is tried, because the node asked to wait
	// with the sentence in RestWhy (foreign text); absent while it did not.
	RestUntil protocol.Time `json:"resting_until,omitzero"`
	RestWhy   string        `json:"resting_because,omitempty"`
	// Refused counts its requests that were refused as not authentic or malformed,
	// Limited those that were asked to come back later; both since the node started.
	Refused     int64       `json:"refused_requests"`
	Limited     int64       `json:"limited_requests"`
	Authorities []Authority `json:"authorities"`

	busy    bool // LastError says that it runs, and asks to come back later
	unknown bool // LastError says that it shows a TLS key which its record here does not list
}

// Peers is the answer of that operation.
type Peers struct {
	Peers []Peer `json:"peers"`
}

func (s *Service) peers(ctx context.Context, _ nothing) (*Peers, error) {
	known, err := s.node.Gateway.Peers(ctx)
	if err != nil {
		return nil, err
	}
	all := &Peers{Peers: []Peer{}}
	for _, k := range known {
		all.Peers = append(all.Peers, s.peerView(k))
	}
	return all, nil
}

func (s *Service) peerView(k gateway.Peer) Peer {
	p := Peer{
		Node: k.Node, State: k.State, Endpoints: k.Endpoints, Record: k.Record, Confirmed: k.Pinned, Listed: k.Listed, DirectoryFault: k.DirectoryFault,
		Skew: k.Skew.Milliseconds(), LastError: k.LastError, Waiting: k.Waiting, Bytes: k.Bytes, LogSize: k.LogSize,
		LogFault: k.LogFault, Witnessed: k.Witnessed, Unwitnessed: int64(k.Unwitnessed.Seconds()),
		Refused: k.Refused, Limited: k.Limited, busy: k.Busy, unknown: k.Unknown,
	}
	if s.running {
		p.Reachable, p.Transport = &k.Reachable, k.Over
	}
	if k.Rest > 0 {
		p.RestUntil, p.RestWhy = protocol.At(s.now().Add(k.Rest)), k.Why
	}
	if !k.Contact.IsZero() {
		p.Contact = protocol.At(k.Contact)
	}
	if !k.Oldest.IsZero() {
		p.Oldest = protocol.At(k.Oldest)
	}
	if state, ok := s.node.Gateway.State(k.State); ok {
		p.Name, p.Until, p.Digest = nameIn(state.Record().Name), state.Record().Valid.Until, state.Ref().Digest
		p.Authorities = authoritiesOf(state)
	}
	return p
}

// Status asks what the node is.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	return call[*Status](ctx, c, "/v1/status", nothing{})
}

// Introduce returns the node's own introduction.
func (c *Client) Introduce(ctx context.Context) (*Introduction, error) {
	return c.IntroduceAs(ctx, 0)
}

// IntroduceAs returns the introduction with one of the node's own records, by its
// number; 0: the newest. Earlier ones judge the documents of their time.
func (c *Client) IntroduceAs(ctx context.Context, sequence int64) (*Introduction, error) {
	return call[*Introduction](ctx, c, "/v1/introduce", introduceRequest{sequence})
}

// Peers lists the pinned nodes by name.
func (c *Client) Peers(ctx context.Context) ([]Peer, error) {
	all, err := call[Peers](ctx, c, "/v1/peers", nothing{})
	return all.Peers, err
}
