package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"comity/node/control"
	"comity/protocol"
	"comity/protocol/bundle"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
)

// story tells the demo: in sentences to people, or, with --json, one object a
// step to programs. Nothing is told twice.
type story struct {
	p        *program
	chapters int
}

// step is one line of the story for programs. Members that a step does not
// have are left out.
type step struct {
	Step      string               `json:"step"`
	Side      string               `json:"side,omitempty"`
	Dir       string               `json:"dir,omitempty"`
	Authority protocol.AuthorityID `json:"authority,omitempty"`
	Address   string               `json:"address,omitempty"`
	PID       int                  `json:"pid,omitempty"`
	Words     []string             `json:"words,omitempty"`
	Parcel    protocol.ParcelID    `json:"parcel,omitempty"`
	Case      protocol.CaseID      `json:"case,omitempty"`
	Files     []control.File       `json:"files,omitempty"`
	Evidence  *control.Evidence    `json:"evidence,omitempty"`
	Path      string               `json:"path,omitempty"`
	Bytes     int64                `json:"bytes,omitempty"`
	Checked   *checked             `json:"checked,omitempty"`
	Log       *control.LogReport   `json:"log,omitempty"`
	Directory *envelope.Directory  `json:"directory,omitempty"`
	Peers     int                  `json:"peers,omitempty"`
}

// checked counts what was verified.
type checked struct {
	Signatures int `json:"signatures"`
	Proofs     int `json:"proofs"`
	Documents  int `json:"documents"`
}

func (s *story) step(one step) {
	if s.p.json {
		_ = s.p.line(one) // the reader has gone: the demo goes on to its end
	}
}

func (s *story) say(format string, args ...any) {
	if s.p.json {
		return
	}
	s.p.say("%s", strings.TrimRight("   "+fmt.Sprintf(format, args...), " "))
}

func (s *story) chapter(title string) {
	s.chapters++
	if !s.p.json {
		s.p.say("\n%d. %s\n", s.chapters, title)
	}
}

func (s *story) opening() {
	if s.p.json {
		return
	}
	s.p.say("A request for judicial assistance crosses a border.\n")
	s.p.say("State A needs help from state B. Each runs a gateway of its own; here they are two")
	s.p.say("separate programs on one machine, which speak to each other as if far apart.")
	s.p.say("Nobody stands between them.")
}

func (s *story) created(one *side) {
	s.step(step{Step: "init", Side: one.state, Dir: one.dir, Authority: one.authority, Address: one.address})
	s.say("State %s: the %s (%s), reached at %s", one.label, one.title, one.authority, one.address)
}

func (s *story) introduced(from, to *side) {
	s.step(step{Step: "pin", Side: to.state, Authority: from.authority, Words: from.words})
	s.say("")
	s.say("   %s reads:  %s", from.label, strings.Join(from.words[:6], " "))
	s.say("             %s", strings.Join(from.words[6:], " "))
	if from.label == "B" {
		s.say("")
	}
}

func (s *story) served(one *side) {
	s.step(step{Step: "serve", Side: one.state, Dir: one.dir, Address: one.address, PID: one.child.Process.Pid})
}

func (s *story) sent(m *control.Parcel) {
	s.step(step{Step: "send", Parcel: m.Parcel, Case: m.Case, Authority: m.From, Files: m.Files, Bytes: m.Bytes})
	for _, f := range m.Files {
		s.say("   %9s  %s", bytes(f.Size), name(f.Name))
	}
	s.say("")
	s.say("The authority signed the list of these files and sealed them all. From here on only")
	s.say("the %s of state B can open them: no network, no gateway, nobody else.", "Prosecution Service")
	s.say("The parcel is known as %s.", m.Parcel)
}

// plainly says what each event means, to somebody who has never heard of it.
var plainly = map[evidence.Event]string{
	evidence.SubmissionAcceptance:  "A's gateway took the sealed parcel and will deliver it.",
	evidence.RelayAcceptance:       "B's gateway has all of it, safely stored.",
	evidence.ContentConsignment:    "B's gateway handed it to the office that it is for.",
	evidence.ContentHandover:       "That office unsealed it: every signature and every byte is right.",
	evidence.ContentAccessTracking: "Somebody entitled to has looked at it for the first time.",
	evidence.ConsignmentAcceptance: "The authority of B formally confirms receipt.",
}

func (s *story) evidence(e control.Evidence) {
	s.step(step{Step: "evidence", Parcel: e.Parcel, Evidence: &e})
	s.say("%s UTC  %s", e.Time.UTC().Format("15:04:05.000"), plainly[e.Event])
	s.say("              signed by %s: %s", e.Issuer, e.Event)
}

func (s *story) opened(f *control.File, path string) {
	s.step(step{Step: "open", Path: path, Files: []control.File{*f}, Bytes: f.Size})
	s.say("An officer in B finds the request in the inbox and opens %s.", name(f.Name))
}

func (s *story) examined(one *side, x *examined, folder string) {
	s.step(step{Step: "verify", Side: one.state, Path: folder, Bytes: x.sealed, Checked: &checked{x.signatures, x.proofs, len(x.documents)}})
	s.say("State %s holds the sealed parcel (%s), %d signed documents, which are the envelope", one.label, bytes(x.sealed), len(x.documents))
	s.say("   and the evidence of each step, and %d proofs of the log:", x.proofs)
	s.say("   every signature is by the right key, every digest fits, every proof holds.")
}

func (s *story) agreed(x *examined) {
	s.say("Both states hold the same %d documents, byte for byte.", len(x.documents))
}

func (s *story) logChecked(one *side, r *control.LogReport) {
	s.step(step{Step: "log", Side: one.state, Log: r})
	s.say("State %s's log was computed again from its first entry to its last (%d): nothing is", one.label, r.Leaves)
	s.say("   missing, nothing was changed, nothing slipped in.")
}

func (s *story) compared(files int, total int64) {
	s.step(step{Step: "compare", Bytes: total})
	s.say("What B received is what A sent: %s, %s, every byte compared.", count(files, "file"), bytes(total))
}

func (s *story) proved(b *control.Bundle, r *bundle.Report) {
	s.step(step{Step: "bundle", Path: b.Path, Bytes: b.Bytes, Checked: &checked{r.Signatures, r.Proofs, r.Members}})
	s.say("One file of %s proves it all to an auditor who holds only the two introductions:", bytes(b.Bytes))
	s.say("   %d signatures, %d proofs, a cover sheet in plain words, and no network needed.", r.Signatures, r.Proofs)
}

func (d *demo) closing(id protocol.ParcelID) {
	took := time.Since(d.start)
	if d.p.json {
		_ = d.p.line(demoEnd{OK: true, Parcel: id, Seconds: took.Seconds(), Dir: d.keptDir()})
		return
	}
	d.p.say("\nDone in %.0f seconds. State A can show B's own signatures for it: that B received this", max(took.Seconds(), 1))
	d.p.say("request, when, and that every byte was in order. State B can show that it came from A.")
	d.p.say("Neither can take that back or change it later, and nobody in between had to be trusted.")
	if d.kept {
		d.p.say("\nEverything is kept in %s. Run a node again with", d.dir)
		d.p.say("  comity serve --dir %s", quoted(filepath.Join(d.dir, "a")))
		d.p.say("and check the evidence as an auditor does, with")
		d.p.say("  comity verify %s --trust %s", quoted(filepath.Join(d.dir, "evidence.tar")), quoted(filepath.Join(d.dir, "trust")))
		d.p.say("Their keys have no passphrase: this is a demonstration.")
		return
	}
	d.p.say("\nThe temporary directory is removed now. To keep everything: comity demo --dir D")
}

func (d *demo) keptDir() string {
	if d.kept {
		return d.dir
	}
	return ""
}

// demoEnd is the last line of --json.
type demoEnd struct {
	OK      bool                `json:"ok"`
	Parcel  protocol.ParcelID   `json:"parcel,omitempty"`
	States  int                 `json:"states,omitempty"`
	Parcels []protocol.ParcelID `json:"parcels,omitempty"`
	Seconds float64             `json:"seconds,omitempty"`
	Dir     string              `json:"dir,omitempty"`
	Error   error               `json:"error,omitempty"`
}

func (d *demo) failed(err error) { _ = d.p.line(demoEnd{Error: err}) }

func integrity(format string, args ...any) error {
	return &control.Error{Code: control.Integrity, Message: fmt.Sprintf(format, args...)}
}
