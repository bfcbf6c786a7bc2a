package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"comity/node/federation"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/statement"
	"comity/store"
)

// Root is a federation's root with what a person compares before it counts.
type Root struct {
	Version int64           `json:"version"`
	Digest  protocol.Digest `json:"sha256"`
	Until   protocol.Time   `json:"valid_until"`
	// Stewards is how many hold a root key, and Threshold how many of them sign a
	// root; likewise for editions.
	Stewards         int `json:"stewards"`
	Threshold        int `json:"threshold"`
	EditionStewards  int `json:"edition_stewards"`
	EditionThreshold int `json:"edition_threshold"`
	// Names are what the root calls its stewards; empty: it names nobody.
	Names  []federation.StewardName `json:"steward_names,omitempty"`
	Words  []string                 `json:"words"`
	Digits string                   `json:"digits"`
}

// ReadRoot reads a root and verifies that it holds together. Whose it is, only the
// words can tell (R-FED-2).
func ReadRoot(file []byte) (*Root, error) {
	i, err := federation.ReadRoot(file)
	if err != nil {
		return nil, noRoot(file, err)
	}
	r := &Root{
		Version: i.Version, Digest: i.Digest, Until: i.Ends, Stewards: len(i.Charter.Root.Keys), Threshold: i.Charter.Root.Threshold,
		EditionStewards: len(i.Charter.Edition.Keys), EditionThreshold: i.Charter.Edition.Threshold, Words: i.Words, Digits: i.Digits,
	}
	for _, s := range i.Charter.Persons {
		r.Names = append(r.Names, s.Name)
	}
	return r, nil
}

// noRoot says what a file is that was given as a root.
func noRoot(file []byte, err error) *Error {
	const hint = "give the file root.json that the stewards hand out"
	code := Code(protocol.CodeOf(err))
	switch what := mistaken(file); {
	case what == aRoot:
		return fail(code, "get it again, and compare the words with a steward by telephone", "this root of a federation does not hold together: %s", plainly(err))
	case what != "":
		return fail(code, hint, "this is not the root of a federation but %s", what)
	case !json.Valid(file):
		return fail(code, hint, "this is not the root of a federation: it is no JSON")
	}
	return fail(code, hint, "this is not the root of a federation, nor any other file of it")
}

// joinRequest carries the root, and what a person heard: there is no way to join
// without the comparison.
type joinRequest struct {
	File    string   `json:"file"`
	Heard   string   `json:"heard"`
	Mirrors []string `json:"mirrors"`
}

func (s *Service) joinFederation(ctx context.Context, in joinRequest) (*DirectoryStatus, error) {
	root, err := ReadRoot([]byte(in.File))
	if err != nil {
		return nil, err
	}
	if !confirms(in.Heard, root.Words, root.Digits) {
		return nil, fail(NotEqual, fmt.Sprintf("ask the steward for the words of root %d, or for the newest root.json; if those of root %d differ, too, do not join, and get the file again by another way", root.Version, root.Version),
			"this file is root %d, and the words are not its words: they are of another root of the same federation, a word was misheard, or it is not the root of whom you spoke to", root.Version)
	}
	if err := s.node.Federation.Join([]byte(in.File), in.Mirrors); err != nil {
		if errors.Is(err, federation.ErrJoined) {
			return nil, fail(Usage, "a node stays with its federation; give the root of that one to change its mirrors", "%v", err)
		}
		if errors.Is(err, federation.ErrUnreadable) {
			return nil, fail(Failed, s.node.Federation.MoveAway(), "%v", err)
		}
		return nil, fail(Code(protocol.CodeOf(err)), "give the address of a mirror as the stewards hand it out, such as https://directory.example/", "%v", err)
	}
	if err := s.node.Gateway.Store.NoteAct(ctx, store.Act{
		Kind: store.ActJoin, Subject: "federation", Detail: fmt.Sprintf("root %d, SHA-256 %s, by its words; mirrors %s", root.Version, root.Digest, strings.Join(in.Mirrors, " ")),
	}); err != nil {
		return nil, err
	}
	return s.refreshDirectory(ctx, nothing{})
}

// refreshDirectory asks the mirrors. That none answers is an alarm in the status, and
// no error.
func (s *Service) refreshDirectory(ctx context.Context, _ nothing) (*DirectoryStatus, error) {
	err := s.node.Federation.Refresh(ctx)
	if errors.Is(err, federation.ErrNotJoined) {
		for _, a := range s.node.Federation.Standing().Alarms { // it was in one
			return nil, fail(Failed, a.Do, "%s", a.Text)
		}
		return nil, fail(Usage, `join one with "comity directory join ROOT --mirror URL"`, "%v", err)
	}
	if err != nil {
		return nil, err
	}
	return s.directoryStatus(ctx, nothing{})
}

// DirectoryStatus is how the node stands to its federation.
type DirectoryStatus struct {
	Joined  bool     `json:"joined"`
	Mirrors []string `json:"mirrors"`
	Folder  string   `json:"folder"` // with every version that was fetched
	Root    int64    `json:"root"`   // number of the newest
	// Adopted is the version that envelopes name; null: none yet.
	Adopted *envelope.Directory `json:"adopted"`
	Records int                 `json:"records"` // that it lists, older ones too
	// Fresh is until when it is fresh if nothing newer comes; absent: it is stale.
	Fresh protocol.Time `json:"fresh_until,omitzero"`
	Asked protocol.Time `json:"asked,omitzero"` // last, by whichever process; absent: never, as far as is known
	// Gave counts the mirrors of which something was taken, or which had nothing newer, when they were asked last.
	Gave   int     `json:"mirrors_that_gave"`
	Alarms []Alarm `json:"alarms"`
	// Own is how the directory lists this node's own state; null: no version is here yet.
	Own *OwnListing `json:"own"`
	// Differing are the envelopes of peers that named another directory of a version
	// that was adopted here, each with both documents as evidence.
	Differing []Differing `json:"differing"`
	// OnTheirWord are the states of which nobody compared the words.
	OnTheirWord []protocol.StateID `json:"on_the_stewards_word"`
}

// OwnListing is how a version of the directory lists the state of this node. Nodes that
// know the state from the directory alone reach it by that record.
type OwnListing struct {
	State   protocol.StateID `json:"state"`
	Version int64            `json:"version"`
	Record  int64            `json:"record"` // number of the newest one here
	Listed  int64            `json:"listed"` // of the newest one that is listed; 0: none
}

// Behind says, as a sentence, that the directory does not list the newest record, and
// what to do about it; "" when it does.
func (o *OwnListing) Behind() (says, do string) {
	switch {
	case o.Listed == 0:
		return fmt.Sprintf("this state (%s) is not listed in version %d of the directory: nodes that have not pinned it refuse it", o.State, o.Version),
			`hand its introduction to the registrar: "comity introduce -o FILE"`
	case o.Listed < o.Record:
		return fmt.Sprintf("version %d of the directory lists record %d of this state (%s), whose newest is %d; nodes that reach this one have it already", o.Version, o.Listed, o.State, o.Record),
			`hand the newest introduction to the registrar: "comity introduce -o FILE"`
	}
	return "", ""
}

// Alarm is one thing for the operator to look at. None stops traffic.
type Alarm struct {
	Kind  federation.AlarmKind `json:"kind"`
	Text  string               `json:"text"` // foreign text may stand in it
	Since protocol.Time        `json:"since,omitzero"`
	Age   int64                `json:"age_s,omitempty"`
	Code  protocol.Code        `json:"code,omitempty"`
	Do    string               `json:"do,omitempty"` // with trouble on this side
}

// Differing is evidence that stewards have signed two directories of one version.
type Differing struct {
	Peer   protocol.NodeID    `json:"peer"`
	Named  envelope.Directory `json:"named"`
	Here   protocol.Digest    `json:"here_sha256"`
	Found  protocol.Time      `json:"found"`
	Theirs Papers             `json:"envelope"`
	Ours   Papers             `json:"adoption"`
}

// Papers is a signed document as text.
type Papers struct {
	Document  string `json:"document"`
	Signature string `json:"signature"`
}

func papers(s statement.Signed) Papers { return Papers{string(s.Document), string(s.Signature)} }

func (s *Service) directoryStatus(ctx context.Context, _ nothing) (*DirectoryStatus, error) {
	is := s.node.Federation.Standing()
	st := &DirectoryStatus{
		Joined: is.Joined, Mirrors: append([]string{}, is.Mirrors...), Folder: s.node.Federation.Folder(), Root: is.Root, Adopted: s.node.Gateway.Directory(),
		Records: is.Records, Gave: is.Gave, Alarms: s.alarms(is), Differing: []Differing{},
	}
	own := s.node.Gateway.OwnState().Record()
	if version, listed := s.node.Federation.Lists(own.State); version > 0 {
		st.Own = &OwnListing{State: own.State, Version: version, Record: own.Sequence, Listed: listed}
	}
	if !is.Fresh.IsZero() {
		st.Fresh = protocol.At(is.Fresh)
	}
	if !is.Asked.IsZero() {
		st.Asked = protocol.At(is.Asked)
	}
	all, err := s.node.Gateway.Store.DifferingDirectories(ctx)
	if err != nil {
		return nil, err
	}
	for _, n := range all {
		own, err := s.node.Gateway.Store.Directory(ctx, n.Ref.Version)
		if err != nil {
			return nil, err
		}
		st.Differing = append(st.Differing, Differing{
			Peer: n.Node, Named: n.Ref, Here: own.Ref.Digest, Found: protocol.At(n.Named), Theirs: papers(n.Envelope), Ours: papers(own.Statement),
		})
	}
	st.OnTheirWord, err = s.onTheirWord(ctx)
	return st, err
}

// onTheirWord are the states of which nobody compared the words of any record.
func (s *Service) onTheirWord(ctx context.Context) ([]protocol.StateID, error) {
	all := []protocol.StateID{}
	peers, err := s.node.Gateway.Store.Peers(ctx)
	for _, p := range peers {
		if p.Listed {
			all = append(all, p.State)
		}
	}
	return all, err
}

func (s *Service) alarms(is federation.Standing) []Alarm {
	all := []Alarm{}
	for _, a := range is.Alarms {
		view := Alarm{Kind: a.Kind, Text: a.Text, Code: a.Code, Do: a.Do}
		if !a.Since.IsZero() {
			view.Since, view.Age = protocol.At(a.Since), int64(s.now().Sub(a.Since).Seconds())
		}
		all = append(all, view)
	}
	return all
}

// checkDirectory says whether the directory of the federation is fresh, and what is
// known against it. A node without one has nothing to check.
func (s *Service) checkDirectory(ctx context.Context, each func(Check)) {
	const name = directoryCheck
	st, err := s.directoryStatus(ctx, nothing{})
	switch {
	case err != nil:
		each(warn(name, "run this again when the database is in order", "cannot be read"))
		return
	case !st.Joined && len(st.Alarms) == 0:
		return
	}
	for _, a := range st.Alarms {
		each(checkAlarm(a))
	}
	for _, d := range st.Differing {
		each(bad(name, `call the peer's operator and a steward; both papers are in "comity directory status --json"`,
			"peer %s knows version %d as %s, and it is %s here: stewards have signed two", d.Peer, d.Named.Version, d.Named.Digest.Short(), d.Here.Short()))
	}
	if len(st.Alarms) == 0 && st.Adopted != nil {
		each(good(name, "version %d, fresh until %s", st.Adopted.Version, st.Fresh))
	}
	if st.Own != nil {
		if says, do := st.Own.Behind(); says != "" {
			each(warn(name, do, "%s", says))
		}
	}
	if len(st.OnTheirWord) > 0 {
		each(warn(name, "let them read the words of their introduction to you, when there is time, and pin it: \"comity peer pin FILE\"", "%s on the stewards' word alone", rests(st.OnTheirWord)))
	}
}

// rests names the first of some states, with the verb.
func rests(states []protocol.StateID) string {
	const shown = 8
	if len(states) == 1 {
		return fmt.Sprintf("state %s rests", states[0])
	}
	var names []string
	for _, id := range states[:min(len(states), shown)] {
		names = append(names, string(id))
	}
	more := ""
	if n := len(states) - shown; n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("states %s%s rest", strings.Join(names, ", "), more)
}

// directoryCheck is the name of the doctor's lines about the federation's directory.
const directoryCheck = "directory"

func checkAlarm(a Alarm) Check {
	text := a.Text
	if a.Age > 0 {
		text += fmt.Sprintf(" (%.1f days ago)", (time.Duration(a.Age)*time.Second).Hours()/24)
	}
	if a.Kind == federation.Staleness || a.Kind == federation.Unreached {
		return warn(directoryCheck, "nothing stops: records that are held stay in force, and peers hand newer ones over themselves; see the mirrors, ask a steward", "%s", text)
	}
	if a.Kind == federation.OwnFault {
		return bad(directoryCheck, a.Do, "%s", text)
	}
	return bad(directoryCheck, "call a steward at a number that you knew before; nothing was adopted", "%s", text)
}

// JoinFederation follows a federation from now on. heard is what a steward read out:
// words or digits. NotEqual when they are not those of the root.
func (c *Client) JoinFederation(ctx context.Context, root []byte, heard string, mirrors []string) (*DirectoryStatus, error) {
	return call[*DirectoryStatus](ctx, c, "/v1/directory/join", joinRequest{File: string(root), Heard: heard, Mirrors: mirrors})
}

// RefreshDirectory asks the mirrors of the federation now.
func (c *Client) RefreshDirectory(ctx context.Context) (*DirectoryStatus, error) {
	return call[*DirectoryStatus](ctx, c, "/v1/directory/refresh", nothing{})
}

// DirectoryStatus tells how the node stands to its federation.
func (c *Client) DirectoryStatus(ctx context.Context) (*DirectoryStatus, error) {
	return call[*DirectoryStatus](ctx, c, "/v1/directory/status", nothing{})
}
