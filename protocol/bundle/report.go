package bundle

import (
	"io"
	"slices"

	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/record"
)

// Options of a verification. Times are never asked of a clock.
type Options struct {
	// RequirePQ refuses a bundle in which some evidence is not cosigned by a third
	// party with ML-DSA-44.
	RequirePQ bool
}

// Report is what a verification found. It is the auditor's to keep, as JSON.
type Report struct {
	Parcel   protocol.ParcelID    `json:"parcel"`
	From     protocol.AuthorityID `json:"from"`
	To       protocol.AuthorityID `json:"to"`
	Test     bool                 `json:"test"`
	Envelope protocol.Digest      `json:"envelope_sha256"`
	Created  protocol.Time        `json:"created"` // as the sender's node says
	Expires  protocol.Time        `json:"expires"`
	// Verdict is the worst of all; Valid says nothing without Trusted.
	Verdict Verdict `json:"verdict"`
	// Trusted says that the records of both parties lead to anchors that the
	// verifier holds. Strangers are the states of the bundle without an anchor.
	Trusted   bool               `json:"identities_checked"`
	Strangers []protocol.StateID `json:"strangers"`
	Records   []RecordSeen       `json:"records"`
	Evidence  []EvidenceSeen     `json:"evidence"`
	// Withdrawn is when the sender's authority withdrew, as it says.
	Withdrawn *protocol.Time `json:"withdrawn"`
	Sealed    SealedSeen     `json:"sealed"`
	Opened    *Opened        `json:"opened"` // null: the content was not looked at
	// NotProven is what a reader might take from the bundle although it does not show it.
	NotProven []string `json:"not_proven"`
	Members   int      `json:"members"`
	// Signatures and Cosignatures were verified, so many.
	Signatures   int `json:"signatures"`
	Proofs       int `json:"proofs"`
	Cosignatures int `json:"cosignatures"`

	others []string // what else has the verdict, for Blamed
}

// RecordSeen is one record in the bundle.
type RecordSeen struct {
	envelope.RecordRef
	Anchored bool     `json:"anchored"` // leads to an anchor of the verifier
	Words    []string `json:"words"`    // for the telephone (R-REC-4)
}

// EvidenceSeen is one evidence and what may be rested on it.
type EvidenceSeen struct {
	Event      evidence.Event     `json:"event"`
	Says       string             `json:"says"`
	DoesNotSay string             `json:"does_not_say"`
	Reason     *evidence.Reason   `json:"reason"`
	Issuer     evidence.Issuer    `json:"issuer"`
	Record     envelope.RecordRef `json:"record"`
	Digest     protocol.Digest    `json:"sha256"`
	Claimed    protocol.Time      `json:"claimed"` // its own word
	Verdict    Verdict            `json:"verdict"`
	Why        string             `json:"why,omitempty"`      // of a key that is marked compromised, or of its log's
	RestsOn    string             `json:"rests_on,omitempty"` // without a third party
	Earliest   *Bound             `json:"earliest"`           // made after
	Latest     *Bound             `json:"latest"`             // made before, as a third party shows
	Logs       []LogSeen          `json:"logs"`
}

// LogSeen is a place of a leaf in a log, under one checkpoint.
type LogSeen struct {
	Origin string        `json:"origin"`
	Leaf   int64         `json:"leaf"`
	Size   int64         `json:"size"`
	Root   string        `json:"root"`
	Time   protocol.Time `json:"time"` // the log's own word
	// Compromised is the mark on the log's keys.
	Compromised  *record.Compromised `json:"compromised,omitempty"`
	Cosignatures []CosignatureSeen   `json:"cosignatures"`
}

// CosignatureSeen is one by a witness whose keys are known.
type CosignatureSeen struct {
	Node  protocol.NodeID `json:"node"`
	Time  protocol.Time   `json:"time"`
	Party bool            `json:"party"` // to the transmission: counts for nobody but itself
	// Anchored says that the witness's record leads to an anchor.
	Anchored bool `json:"anchored"`
	// Verdict is Valid unless the witness's keys are marked compromised; then the
	// cosignature counts for nothing, and is Contested when it may be true.
	Verdict     Verdict             `json:"verdict"`
	Compromised *record.Compromised `json:"compromised,omitempty"`
}

// SealedSeen says what is known of the sealed parcel.
type SealedSeen struct {
	Size     int64           `json:"size"`
	Digest   protocol.Digest `json:"sha256"`
	Included bool            `json:"included"`
}

// Verify checks the bundle of size bytes in r: every byte, every signature,
// digest and proof (R-BND-1 to R-BND-9). With a nil trust, or one that lacks a
// party, the bundle may be consistent and Report.Trusted is false.
//
// A bundle that is wrong gives a *Fault, which names the member; other errors
// come from r. A report is returned without an error only. It may still say
// Contested or Invalid: everything is as it was signed, and the key was stolen.
func Verify(r io.ReaderAt, size int64, trust *Trust, o Options) (*Report, error) {
	a, err := readArchive(r, size)
	if err != nil {
		return nil, err
	}
	c, err := a.contents()
	if err != nil {
		return nil, err
	}
	x, err := examine(c)
	if err != nil {
		return nil, err
	}
	if err := a.follows(x); err != nil {
		return nil, err
	}
	opened, err := x.open()
	if err != nil {
		return nil, err
	}
	joined, err := trust.join(x.histories)
	if err != nil {
		return nil, err
	}
	x.known = joined
	report := x.report(trust)
	report.Opened = opened
	if opened != nil && opened.Broken == "" {
		v, why := x.inner(opened, trust)
		report.blame(parcelName, v, why)
	}
	report.Members = len(a.Members) + 1
	report.NotProven = x.notProven(report, trust)
	if err := x.obeys(trust); err != nil {
		return nil, err
	}
	if o.RequirePQ {
		if err := x.quantumProof(trust); err != nil {
			return nil, err
		}
	}
	return report, nil
}

// follows checks all that a bundle holds but nobody signed: it must be what the
// signed members make (R-BND-3).
func (a *archive) follows(x *examined) error {
	cover, err := x.cover()
	if err != nil {
		return fault(coverName, err)
	}
	if x.Parcel != nil && (a.parcel.Size() != x.env.Sealed.Size || a.digest(parcelName) != x.env.Sealed.Digest) {
		return fault(parcelName, protocol.Refuse(protocol.DigestMismatch, "not the sealed bytes that the envelope states"))
	}
	if string(cover) != string(a.content[coverName]) {
		return fault(coverName, protocol.Refuse(protocol.DigestMismatch, "it does not say what the evidence says: another sheet follows from the members"))
	}
	return sameIndex(a.raw, x.Contents, x.env, a.Members)
}

func (a *archive) digest(path string) protocol.Digest {
	for _, m := range a.Members {
		if m.Path == path {
			return m.Digest
		}
	}
	return protocol.Digest{}
}

// report judges every evidence with the anchors.
func (x *examined) report(t *Trust) *Report {
	r := &Report{
		Parcel: x.env.Parcel, From: x.env.From, To: x.env.To, Test: x.env.Test, Envelope: x.Envelope.Digest(),
		Created: x.env.Created, Expires: x.env.Expires, Verdict: Valid,
		Trusted:    t.holds(x.env.From.State()) && t.holds(x.env.To.State()),
		Strangers:  []protocol.StateID{},
		Sealed:     SealedSeen{Size: x.env.Sealed.Size, Digest: x.env.Sealed.Digest, Included: x.Parcel != nil},
		Signatures: 1 + len(x.facts) + len(x.Records),
	}
	for _, signed := range x.Records {
		s := x.histories.at(signed.Digest())
		state := s.Record().State
		r.Records = append(r.Records, RecordSeen{RecordRef: s.Ref(), Anchored: t.holds(state), Words: s.Words()})
		r.Signatures += len(s.Members())
		if !t.holds(state) && !slices.Contains(r.Strangers, state) {
			r.Strangers = append(r.Strangers, state)
		}
	}
	for _, f := range x.facts {
		seen := x.judged(f, t)
		r.worsen(seen.Verdict)
		for _, l := range seen.Logs {
			r.Cosignatures += len(l.Cosignatures)
		}
		r.Proofs += len(seen.Logs)
		r.Evidence = append(r.Evidence, seen)
	}
	// All evidence names the envelope's digest, so whoever saw the first evidence
	// saw that the envelope was there.
	v, why := judge(x.known[x.env.From.State()].compromised(x.signer), x.env.Created.Time, x.earliest(t), x.first(t))
	r.blame(envelopeName, v, why)
	if x.withdrawal != nil {
		r.Signatures++
		r.Withdrawn = &x.withdrawal.Created
		v, why := judge(x.known[x.env.From.State()].compromised(x.withdrawal.Key), x.withdrawal.Created.Time, x.earliest(t), nil)
		r.blame(withdrawalName, v, why)
	}
	return r
}

// inner is the worst verdict on the persons who signed in the parcel: the one of
// the manifest, and each who approved it. Whoever saw the first evidence saw the
// digest of the bytes that their signatures are in.
func (x *examined) inner(o *Opened, t *Trust) (Verdict, string) {
	sender := x.known[x.env.From.State()]
	worst, why := judge(sender.compromised(o.Signer), o.Created.Time, x.earliest(t), x.first(t))
	for _, a := range o.approvals {
		v, its := judge(sender.compromised(a.Approval.Key), a.Approval.Created.Time, x.earliest(t), x.first(t))
		if v.worse(worst) {
			worst, why = v, its
		}
	}
	return worst, why
}

// judged is one evidence with its verdict: the worse of those on its key and on
// the keys of the log that took it.
func (x *examined) judged(f *fact, t *Trust) EvidenceSeen {
	seen := EvidenceSeen{
		Event: f.Event, Says: f.Says(), DoesNotSay: f.DoesNotSay(), Reason: f.Reason, Issuer: f.Issuer, Record: f.Record,
		Digest: f.ref.Document, Claimed: f.Time, Earliest: x.earliest(t), Latest: x.latest(f, t),
	}
	seen.Verdict, seen.Why = judge(x.known[f.Side().State()].compromised(f.Issuer.Key), f.Time.Time, seen.Earliest, seen.Latest)
	if v, why := judgeLog(x.logMark(f.own), f.own, seen.Earliest, seen.Latest); v.worse(seen.Verdict) || seen.Why == "" {
		seen.Verdict, seen.Why = v, why
	}
	seen.RestsOn = x.restsOn(f, seen.Latest)
	for _, s := range f.sightings() {
		l := LogSeen{Origin: s.Origin, Leaf: s.index, Size: s.Size, Root: s.Root.String(), Time: protocol.At(s.Time), Compromised: x.logMark(s), Cosignatures: []CosignatureSeen{}}
		for _, c := range s.seen {
			one := CosignatureSeen{Node: c.Node, Time: protocol.At(c.Time), Party: x.party(c.State), Anchored: t.holds(c.State), Compromised: x.markOf(c)}
			one.Verdict = judgeCosignature(one.Compromised, c.Time)
			l.Cosignatures = append(l.Cosignatures, one)
		}
		seen.Logs = append(seen.Logs, l)
	}
	return seen
}

// blame takes the verdict on a member in that is no evidence.
func (r *Report) blame(member string, v Verdict, why string) {
	if v.worse(r.Verdict) {
		r.others = nil
	}
	r.worsen(v)
	if v != Valid && v == r.Verdict {
		r.others = append(r.others, member+": "+why)
	}
}

// worsen takes a verdict in.
func (r *Report) worsen(v Verdict) {
	if v.worse(r.Verdict) {
		r.Verdict = v
	}
}

// first is the earliest moment at which a third party had seen any evidence, and
// so the envelope and the sealed bytes that it names.
func (x *examined) first(t *Trust) (first *Bound) {
	for _, f := range x.facts {
		if b := x.latest(f, t); b != nil && (first == nil || b.Time.Before(first.Time.Time)) {
			first = b
		}
	}
	return first
}

// quantumProof asks for a third party's cosignature of every evidence. A
// cosignature counts with both of its lines only, so each has one of ML-DSA-44.
func (x *examined) quantumProof(t *Trust) error {
	for _, f := range x.facts {
		if x.latest(f, t) != nil {
			continue
		}
		member := evidenceBase(f.Event) + cosignedProof
		if who := x.unheard(t, f); len(who) > 0 {
			var names []string
			for _, s := range who {
				names = append(names, string(s))
			}
			return unmet(member, introduce(who), "you ask for a third party that cosigned it with ML-DSA-44: %s did, and you hold no anchor of %s", join(names), join(names))
		}
		return unmet(member, "ask for a bundle that is made once a third state's node has seen the log, or check this one without asking for that",
			"you ask for a third party that cosigned it with ML-DSA-44, and no third party did whose word counts")
	}
	return nil
}

func (all histories) at(digest protocol.Digest) *record.State {
	for _, h := range all {
		for _, s := range h {
			if s.Ref().Digest == digest {
				return s
			}
		}
	}
	return nil
}
