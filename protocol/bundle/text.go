package bundle

import (
	"fmt"
	"strconv"
	"strings"
)

// notProven says what a reader might take from the bundle although it does not
// show it, in whole sentences.
func (x *examined) notProven(r *Report, t *Trust) (all []string) {
	all = append(all, x.strangers(r, t)...)
	if missing := x.missing(); len(missing) > 0 {
		var events []string
		for _, e := range missing {
			events = append(events, string(e))
		}
		all = append(all, "There is no evidence here of "+join(events)+".")
	}
	alone := 0
	for _, e := range r.Evidence {
		if e.Latest == nil {
			alone++
		}
	}
	if alone > 0 {
		all = append(all, fmt.Sprintf("When %d of %d pieces of evidence were made: no third party that counts has seen them, so their times are the parties' own word.", alone, len(r.Evidence)))
	}
	all = append(all, x.stolen()...)
	all = append(all, x.broken()...)
	all = append(all, "Exact times: each is the word of whoever signed it; a witness shows only that something existed by its time.")
	if r.Opened == nil {
		all = append(all, "What the parcel holds: it was not opened.")
	} else {
		all = append(all, "That what the parcel holds is true: only that it was sent so.")
	}
	return append(all, "Anything about what anyone did with it. Comity is not a qualified trust service.")
}

// broken tells of cosignatures that somebody put there and that do not hold.
func (x *examined) broken() (all []string) {
	for _, s := range x.sightings() {
		for _, node := range s.broken {
			all = append(all, fmt.Sprintf("That the witness of %s cosigned the checkpoint in %s: a line in its name there is wrong or without its other half, and counts for nothing.", node, s.member))
		}
	}
	return all
}

// Text tells people what was checked, by whom it was signed, when at the
// earliest and the latest, and what was not proven.
func (r *Report) Text() string {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say("Parcel %s", r.Parcel)
	say("  from %s to %s, envelope of %s, SHA-256 %s", r.From, r.To, r.Created, r.Envelope)
	if r.Test {
		say("  a test without effect")
	}
	say("Checked: %d members, %d signatures, %d proofs, %d cosignatures, every byte of the file, and the cover sheet.",
		r.Members, r.Signatures, r.Proofs, r.Cosignatures)
	say("")
	for _, e := range r.Evidence {
		r.evidence(say, e)
	}
	if r.Withdrawn != nil {
		say("%s  withdrawn by %s", r.Withdrawn, r.From)
	}
	r.sealed(say)
	say("")
	for _, rec := range r.Records {
		whose := "no anchor of yours vouches for it"
		if rec.Anchored {
			whose = "leads to your anchor"
		}
		say("Record %d of %s, SHA-256 %s: %s.", rec.Sequence, rec.State, rec.Digest, whose)
	}
	say("")
	say("Not proven:")
	for _, s := range r.NotProven {
		say("  %s", s)
	}
	say("")
	say("%s", r.Conclusion())
	return b.String()
}

func (r *Report) evidence(say func(string, ...any), e EvidenceSeen) {
	say("%s  %s: %s", e.Claimed, e.Event, e.Says)
	say("    signed by %s (%s), key %s", e.Issuer.Name, e.Issuer.Role, e.Issuer.Key.Short())
	if e.Reason != nil {
		say("    reason %s: %s", e.Reason.Code, strconv.QuoteToGraphic(e.Reason.Text))
	}
	bounds := "time: its own word"
	if e.Earliest != nil {
		bounds = fmt.Sprintf("not before %s (%s)", e.Earliest.Time, e.Earliest.By)
	}
	if e.Latest != nil {
		bounds += fmt.Sprintf(", by %s at the latest (%s)", e.Latest.Time, e.Latest.By)
	}
	say("    %s", bounds)
	if e.RestsOn != "" {
		say("    %s", e.RestsOn)
	}
	if e.Verdict != Valid || e.Why != "" {
		say("    %s: %s", strings.ToUpper(string(e.Verdict)), e.Why)
	}
}

func (r *Report) sealed(say func(string, ...any)) {
	switch {
	case r.Opened != nil && r.Opened.Broken != "":
		say("The disclosed key shows that the parcel is broken inside, as the recipient's office signed: %s", strconv.QuoteToGraphic(r.Opened.Broken))
	case r.Opened != nil:
		say("The parcel opens with the disclosed key: %s, %d files, signed with the act key %s and approved by %d more.",
			r.Opened.Kind, len(r.Opened.Files), r.Opened.Signer.Short(), r.Opened.Approvals)
		for _, f := range r.Opened.Files {
			say("    %s  %12d  %s", f.Digest, f.Size, strconv.QuoteToGraphic(f.Name))
		}
	case r.Sealed.Included:
		say("The sealed parcel is in the bundle: %d bytes, as the envelope states. It was not opened.", r.Sealed.Size)
	default:
		say("The sealed parcel is not in the bundle; the envelope states %d bytes, SHA-256 %s.", r.Sealed.Size, r.Sealed.Digest)
	}
}

// Conclusion is the one sentence that matters most.
func (r *Report) Conclusion() string {
	switch {
	case r.Verdict == Invalid:
		return "INVALID: some of this was signed, or taken by a log, after the key for that was announced to be compromised."
	case !r.Trusted:
		return "CONSISTENT, identities unchecked: everything agrees, and nothing of yours says whose keys these are."
	case r.Verdict == Contested:
		return "CONTESTED: some of this rests on a key that is marked compromised, and nothing independent shows that it was there before."
	}
	seen := 0
	for _, e := range r.Evidence {
		if e.Latest != nil {
			seen++
		}
	}
	switch {
	case seen == len(r.Evidence):
		return "VALID by your anchors, and witnessed by a third party."
	case seen > 0:
		return fmt.Sprintf("VALID by your anchors; a third party witnessed %d of %d pieces of evidence, the others rest on %s and %s only.",
			seen, len(r.Evidence), r.From.State(), r.To.State())
	}
	return fmt.Sprintf("VALID by your anchors; no third party witnessed it: it rests on %s and %s only.", r.From.State(), r.To.State())
}

// ExitCode is what a command leaves with: 0 valid by the anchors, 4 consistent,
// but identities unchecked or a key contested, 3 invalid.
func (r *Report) ExitCode() int {
	switch {
	case r.Verdict == Invalid:
		return 3
	case !r.Trusted || r.Verdict == Contested:
		return 4
	}
	return 0
}
