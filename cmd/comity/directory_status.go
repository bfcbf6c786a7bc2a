package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"comity/node/control"
)

func (p *program) directoryStatus() *cobra.Command {
	return &cobra.Command{
		Use: "status", Args: words(0, 0),
		Short: "Show which version of the federation's directory is held, and alarms",
		Long: `Shows which version of the directory this node holds, until when it is fresh, its
mirrors, and what is known against it: a directory that is stale, records that were
refused, mirrors that showed what must not be, and peers who know another directory
of the same version. None of it stops traffic. With --json both papers of such a
contradiction are shown, for evidence.`,
		RunE: func(c *cobra.Command, _ []string) error {
			return p.look(c.Context(), func(node *control.Client) error {
				st, err := node.DirectoryStatus(c.Context())
				if err != nil {
					return err
				}
				return p.directoryIs(st, "")
			})
		},
	}
}

func (p *program) directoryRefresh() *cobra.Command {
	return &cobra.Command{
		Use: "refresh", Args: words(0, 0),
		Short: "Ask the mirrors of the federation's directory now",
		Long: `Asks every mirror, adopts what follows, and shows what "status" shows. A running
node does it by itself seconds after it starts, then about once an hour, and soon
after a peer shows a key that is in no record here; nothing waits for it.

Leaves with 1 when no mirror gave anything. Parcels go on all the same, by the
records that are held.`,
		RunE: func(c *cobra.Command, _ []string) error {
			return p.ask(c.Context(), func(node *control.Client) error {
				st, err := node.RefreshDirectory(c.Context())
				if err != nil {
					return err
				}
				return errors.Join(p.directoryIs(st, ""), nothingGiven(st))
			})
		},
	}
}

// nothingGiven is for the operator's script: who asked for what is newer, and had it
// from nobody, must not take that for success.
func nothingGiven(st *control.DirectoryStatus) error {
	if st.Gave > 0 {
		return nil
	}
	return problem(`nothing stops: parcels go on by the records that are held, and a running node asks again by itself; other mirrors are given with "comity directory join ROOT --mirror URL"`,
		"no mirror of the directory gave anything (%s asked)", count(len(st.Mirrors), "mirror"))
}

// directoryIs shows how the node stands to its federation.
func (p *program) directoryIs(st *control.DirectoryStatus, first string) error {
	if p.json {
		return p.object(st)
	}
	if first != "" {
		p.say("%s", first)
	}
	if !st.Joined && len(st.Alarms) > 0 {
		p.directoryAlarms(st)
		return nil
	}
	if !st.Joined {
		p.say(`This node follows no federation. Join one with: comity directory join ROOT --mirror URL`)
		return nil
	}
	switch {
	case st.Adopted == nil:
		p.say("version    none was adopted yet")
	default:
		p.say("version    %d, SHA-256 %s, %d %s, under root %d", st.Adopted.Version, st.Adopted.Digest, st.Records, noun(int64(st.Records), "record", "records"), st.Root)
	}
	if st.Fresh.IsZero() {
		p.say("fresh      no")
	} else {
		p.say("fresh      until %s UTC", moment(st.Fresh))
	}
	for _, m := range st.Mirrors {
		p.say("mirror     %s", safe(m))
	}
	if st.Asked.IsZero() {
		p.say("asked      never yet")
	} else {
		p.say("asked      %s UTC", moment(st.Asked))
	}
	if st.Own != nil {
		if says, do := st.Own.Behind(); says != "" {
			p.say("own state  %s", says)
			p.say("           do: %s", p.typed(do))
		}
	}
	for _, id := range st.OnTheirWord {
		p.say("state %s   on the stewards' word, until its words are compared: comity peer pin FILE", id)
	}
	p.directoryAlarms(st)
	return nil
}

// directoryAlarms shows what an operator should look at, or nothing.
func (p *program) directoryAlarms(st *control.DirectoryStatus) {
	for _, a := range st.Alarms {
		p.say("ALARM      %s%s: %s", a.Kind, aged(a), safe(a.Text))
		if a.Do != "" {
			p.say("           do: %s", p.typed(safe(a.Do)))
		}
	}
	for _, d := range st.Differing {
		p.say("ALARM      peer %s knows version %d as %s, and it is %s here: stewards have signed two; compare them by telephone", d.Peer, d.Named.Version, d.Named.Digest.Short(), d.Here.Short())
	}
}

// aged is for how long an alarm has been true, where that is known.
func aged(a control.Alarm) string {
	if a.Age <= 0 {
		return ""
	}
	age := time.Duration(a.Age) * time.Second
	if days := int(age / (24 * time.Hour)); days > 0 {
		return fmt.Sprintf(" for %d %s", days, noun(int64(days), "day", "days"))
	}
	return fmt.Sprintf(" for %s", age.Round(time.Minute))
}
