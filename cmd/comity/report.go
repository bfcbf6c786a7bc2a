package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"comity/node/control"
	"comity/node/office"
)

func (p *program) reportExceptions() *cobra.Command {
	var from, to string
	c := &cobra.Command{
		Use: "exceptions", Args: words(0, 0),
		Short: "Report what did not go as it should, and what was done to the node",
		Long: `Reports, for a period, the parcels that were delivered and not acknowledged by its
end, those for which the other node's evidence was late by 1 or 12 hours, refusals
and failures, deliveries that had to be tried again, days on which a peer's clock
was wrong, times in which a witness did not cosign the log, logs of others that
forked, records that were adopted with the keys and names they changed,
administrative acts on this node, a new era of its log among them, and per authority
the exports and other acts out of the ordinary that its office's journal has.

--from and --to are days in UTC, both in the period. The report of a period that is
over says the same whenever it is made, but for what came later, which stands
beside it. Test parcels are left out. With --as, parcels and office of one
authority only, and of records of this state what changed for it, the node and the
state.

The report tells what the node's own stores have. Evidence stands in the log
("comity log audit" verifies it), acts of an office in its hash-chained journal;
administrative acts, attempts and clocks are plain notes.`,
		Example: "  comity report exceptions --from 2026-11-01 --to 2026-11-30\n  comity report exceptions --as prosecution-service --json",
		RunE: func(c *cobra.Command, _ []string) error {
			begin, end, err := days(from, to, time.Now())
			if err != nil {
				return err
			}
			return p.look(c.Context(), func(node *control.Client) error {
				r, err := node.Exceptions(c.Context(), p.as, begin, end)
				if err != nil {
					return err
				}
				if p.json {
					return p.object(r)
				}
				return p.exceptions(r)
			})
		},
	}
	c.Flags().StringVar(&from, "from", "", "first `DAY`, such as 2026-11-01 (default: 30 days before the last)")
	c.Flags().StringVar(&to, "to", "", "last `DAY` (default: today)")
	return c
}

// days reads a period of whole days in UTC; end is the beginning of the day after.
func days(from, to string, now time.Time) (begin, end time.Time, err error) {
	last := now.UTC().Truncate(24 * time.Hour)
	if to != "" {
		if last, err = dayOf("--to", to); err != nil {
			return begin, end, err
		}
	}
	begin = last.AddDate(0, 0, -30)
	if from != "" {
		if begin, err = dayOf("--from", from); err != nil {
			return begin, end, err
		}
	}
	switch today := now.UTC().Truncate(24 * time.Hour); {
	case begin.After(last) && to == "":
		return begin, end, misuse("name a last day with --to, or an earlier first one", "the period would begin (%s) after today (%s)", begin.Format(time.DateOnly), today.Format(time.DateOnly))
	case begin.After(last):
		return begin, end, misuse("name its first day with --from and its last one with --to", "the period ends (%s) before it begins (%s)", last.Format(time.DateOnly), begin.Format(time.DateOnly))
	case begin.After(today):
		return begin, end, misuse("name days that have come", "the period begins (%s) after today (%s): nothing has happened in it yet", begin.Format(time.DateOnly), today.Format(time.DateOnly))
	}
	return begin, last.AddDate(0, 0, 1), nil
}

func dayOf(flag, text string) (time.Time, error) {
	day, err := time.Parse(time.DateOnly, text)
	if err != nil || day.Year() < 1970 || day.Year() > 9998 {
		return day, misuse("write it as 2026-11-30", "%s %q is not a day", flag, text)
	}
	return day, nil
}

// exceptions writes the report for people, a table for each section that has
// something.
func (p *program) exceptions(r *control.Exceptions) error {
	whose := "node " + string(r.Node)
	if r.As != "" {
		whose = string(r.As) + " at " + whose
	}
	p.say("Exceptions of %s, from %s to %s, made %s; all times UTC", whose,
		r.From.UTC().Format(time.DateOnly), r.Until.AddDate(0, 0, -1).UTC().Format(time.DateOnly), moment(r.Made))
	for _, section := range []func(*control.Exceptions) error{
		p.unacknowledged, p.overdue, p.negative, p.resent, p.clockDrift, p.witnessGaps, p.forkedLogs, p.keyChanges, p.nodeActs, p.officeActs,
	} {
		if err := section(r); err != nil {
			return err
		}
	}
	if len(r.Cut) > 0 {
		p.say("\nThere is more than is shown of: %s. Ask for a shorter period.", strings.Join(r.Cut, ", "))
	}
	return nil
}

// section begins a section: its title, and how much it has.
func (p *program) section(title string, n int) (some bool) {
	if n == 0 {
		p.say("\n%s: none", title)
		return false
	}
	p.say("\n%s: %d", title, n)
	return true
}

func (p *program) unacknowledged(r *control.Exceptions) error {
	if !p.section("Delivered and not acknowledged by the end of the period", len(r.Unacknowledged)) {
		return nil
	}
	t := p.table("  PARCEL", "DIRECTION", "FROM", "TO", "DELIVERED", "OPENED", "ANSWERED LATER")
	for _, u := range r.Unacknowledged {
		t.row("  "+string(u.Parcel), u.Direction, string(u.From), string(u.To), moment(u.Delivered), moment(u.Opened), moment(u.Answered))
	}
	return t.end()
}

func (p *program) overdue(r *control.Exceptions) error {
	if !p.section("Overdue: no evidence of the other node within 1 or 12 hours", len(r.Overdue)) {
		return nil
	}
	t := p.table("  PARCEL", "OVER", "FROM", "TO", "QUEUED", "EVIDENCE CAME", "NOW", "EXPIRES")
	for _, o := range r.Overdue {
		t.row("  "+string(o.Parcel), o.Limit, string(o.From), string(o.To), moment(o.Queued), moment(o.Answered), string(o.State), moment(o.Expires))
	}
	return t.end()
}

func (p *program) negative(r *control.Exceptions) error {
	if !p.section("Refused, failed or declined", len(r.Negative)) {
		return nil
	}
	t := p.table("  PARCEL", "EVENT", "FROM", "TO", "STORED", "SIGNED BY", "REASON")
	for _, n := range r.Negative {
		t.row("  "+string(n.Parcel), string(n.Event), string(n.From), string(n.To), moment(n.At), n.Issuer, fmt.Sprintf("%s: %s", n.Reason.Code, name(n.Reason.Text)))
	}
	return t.end()
}

func (p *program) resent(r *control.Exceptions) error {
	if !p.section("Tried more than once", len(r.Resent)) {
		return nil
	}
	t := p.table("  PARCEL", "IN VAIN", "BROKEN OFF", "FROM", "TO", "QUEUED", "LAST ERROR")
	for _, s := range r.Resent {
		t.row("  "+string(s.Parcel), fmt.Sprint(s.Failures), fmt.Sprint(s.Breaks), string(s.From), string(s.To), moment(s.Queued), name(s.LastError))
	}
	return t.end()
}

func (p *program) clockDrift(r *control.Exceptions) error {
	if !p.section("Days on which a peer's clock was beyond 5 minutes from ours", len(r.Clocks)) {
		return nil
	}
	t := p.table("  PEER", "DAY", "LOWEST", "HIGHEST", "LAST", "LAST NOTED")
	for _, c := range r.Clocks {
		t.row("  "+string(c.Peer), c.Day, signed(c.Least), signed(c.Most), signed(c.Last), moment(c.Noted))
	}
	return t.end()
}

func (p *program) witnessGaps(r *control.Exceptions) error {
	if !p.section("Witnesses that did not cosign this node's log for more than 1 hour", len(r.WitnessGaps)) {
		return nil
	}
	t := p.table("  WITNESS", "SINCE", "UNTIL", "LEAVES BEFORE", "LEAVES AFTER")
	for _, w := range r.WitnessGaps {
		after := "-"
		if w.Size > 0 {
			after = fmt.Sprint(w.Size)
		}
		t.row("  "+string(w.Witness), moment(w.Since), moment(w.Until), fmt.Sprint(w.After), after)
	}
	return t.end()
}

func (p *program) forkedLogs(r *control.Exceptions) error {
	if !p.section("Logs of other nodes that forked", len(r.Forks)) {
		return nil
	}
	t := p.table("  NODE", "FOUND", "LEAVES", "OTHER LEAVES", "LOG")
	for _, f := range r.Forks {
		t.row("  "+string(f.Node), moment(f.Found), fmt.Sprint(f.Size), fmt.Sprint(f.OtherSize), safe(f.Origin))
	}
	return t.end()
}

func (p *program) keyChanges(r *control.Exceptions) error {
	if !p.section("Records adopted", len(r.Records)) {
		return nil
	}
	t := p.table("  STATE", "RECORD", "ADOPTED", "TRUSTED BECAUSE", "CHANGE")
	for _, k := range r.Records {
		why := "it follows the one before"
		switch {
		case k.Own:
			why = "it is this node's own"
		case k.Confirmed:
			why = "its words were compared"
		case k.Listed:
			why = "stewards have listed it"
		}
		for i, change := range k.Changes {
			if i == 0 {
				t.row("  "+string(k.State), fmt.Sprint(k.Sequence), moment(k.Adopted), why, name(change))
			} else {
				t.row("", "", "", "", name(change))
			}
		}
	}
	return t.end()
}

func (p *program) nodeActs(r *control.Exceptions) error {
	if !p.section("Administrative acts", len(r.Acts)) {
		return nil
	}
	t := p.table("  AT", "ACT", "ON", "DETAIL")
	for _, a := range r.Acts {
		t.row("  "+moment(a.At), string(a.Kind), safe(a.Subject), safe(a.Detail))
	}
	return t.end()
}

func (p *program) officeActs(r *control.Exceptions) error {
	for _, o := range r.Offices {
		var ordinary []string
		for _, act := range []office.Act{office.ActSend, office.ActTakeIn, office.ActOpen, office.ActAcknowledge} {
			if n := o.Ordinary[act]; n > 0 {
				ordinary = append(ordinary, fmt.Sprintf("%s %d", act, n))
			}
		}
		title := fmt.Sprintf("Office of %s: acts out of the ordinary", o.Authority)
		if len(ordinary) > 0 {
			title += fmt.Sprintf(" (beside %s)", strings.Join(ordinary, ", "))
		}
		if p.section(title, len(o.Acts)) {
			t := p.table("  AT", "ACT", "PARCEL", "FROM", "DETAIL")
			for _, a := range o.Acts {
				t.row("  "+moment(a.At), string(a.Act), string(a.Parcel), string(a.From), name(a.Detail))
			}
			if err := t.end(); err != nil {
				return err
			}
		}
		if len(o.Contested) == 0 {
			continue
		}
		p.section(fmt.Sprintf("Office of %s: manifests under an identity already used", o.Authority), len(o.Contested))
		t := p.table("  AT", "PARCEL", "FROM", "CASE", "MESSAGE", "MANIFEST")
		for _, c := range o.Contested {
			t.row("  "+moment(c.At), string(c.Parcel), string(c.From), string(c.Case), fmt.Sprint(c.Sequence), c.Digest.String())
		}
		if err := t.end(); err != nil {
			return err
		}
	}
	return nil
}
