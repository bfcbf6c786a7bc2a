package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"comity/node/control"
	"comity/protocol"
)

func (p *program) directoryGroup() *cobra.Command {
	return group("directory", "Who is competent for what, and how to reach them", "peers", p.directoryFind(), p.directoryShow(), p.directoryEntry(), p.directoryPublish(),
		p.directoryImport(), p.directoryExport(), p.directoryJoin(), p.directoryRefresh(), p.directoryStatus(), p.directoryMirror())
}

func (p *program) directoryShow() *cobra.Command {
	return &cobra.Command{
		Use: "show AUTHORITY", Args: words(1, 1),
		Short: "Show what an authority says of itself",
		Long: `Shows an authority of this state, of one whose record this node has adopted, or
one that was imported and is not on the network: what it is competent for, what it
requires, when and how it is reached, and when it last confirmed all that. Times of
day are those of its own clock.`,
		Example: "  comity directory show xb/prosecution-service",
		RunE: func(c *cobra.Command, args []string) error {
			id, err := authorityNamed(args[0])
			if err != nil {
				return err
			}
			return p.look(c.Context(), func(node *control.Client) error {
				l, err := node.Listing(c.Context(), id)
				if err != nil {
					return err
				}
				if p.json {
					return p.object(l)
				}
				p.listing(l)
				return nil
			})
		},
	}
}

// authorityNamed reads the name of an authority that was typed.
func authorityNamed(text string) (id protocol.AuthorityID, err error) {
	if err := id.UnmarshalText([]byte(text)); err != nil {
		return "", misuse(whereNamesAre(text),
			"%q is not the name of an authority: want a form like xb/prosecution-service", text)
	}
	return id, nil
}

// whereNamesAre says how to find the name of an authority that was meant by a text.
func whereNamesAre(text string) string {
	if id := protocol.StateID(""); id.UnmarshalText([]byte(text)) == nil {
		return fmt.Sprintf(`"comity directory find --state %s" shows the authorities of that state`, text)
	}
	return `"comity directory find" shows the authorities that this node knows, and "comity directory find --help" how to ask for one`
}

// heading says who an authority is, how parcels are addressed to it, and how old
// is what it says.
func (p *program) heading(l *control.Listing) {
	p.say("%s, %s (%s)", name(inAll(l.Name)), name(inAll(l.StateName)), l.State)
	switch {
	case l.Network == nil:
		p.say("  address      none: %s is not on the network; imported, and signed by nobody", l.Authority)
	case l.Own:
		p.say("  address      %s, of this state, on node %s", l.Authority, l.Network.Node)
	default:
		p.say("  address      comity send --to %s; on node %s, by record %d", l.Authority, l.Network.Node, l.Network.Record)
	}
	if l.Listed {
		p.say("  trust        on the stewards' word: nobody here has compared the words of state %s", l.State)
	}
	p.say("  confirmed    %s", confirmedWhen(l))
}

// listing shows all that an authority says. What it has not told is left out.
func (p *program) listing(l *control.Listing) {
	p.heading(l)
	if l.Particulars == nil {
		p.say("  It has told nothing more of itself.")
		return
	}
	var f facts
	f.particulars(l)
	p.facts(f)
}

func confirmedWhen(l *control.Listing) string {
	switch {
	case l.Confirmed.IsZero():
		return "never: ask before you rely on it"
	case l.Stale:
		return moment(l.Confirmed) + " UTC, OLD: ask before you rely on it"
	}
	return moment(l.Confirmed) + " UTC"
}
