package main

import (
	"strings"

	"github.com/spf13/cobra"

	"comity/node/control"
)

func (p *program) acknowledge() *cobra.Command {
	return &cobra.Command{
		Use: "acknowledge PARCEL", GroupID: "parcels", Args: words(1, 1),
		Short: "Formally acknowledge a received parcel",
		Long: `Signs the authority's formal acknowledgement of receipt and sends it back. It
says that the authority has the parcel, not that it agrees with it. It cannot be
taken back. No program does this by itself.`,
		RunE: func(c *cobra.Command, args []string) error {
			return p.ask(c.Context(), func(node *control.Client) error {
				e, err := node.Acknowledge(c.Context(), p.as, args[0])
				if err != nil {
					return err
				}
				return p.answered("Acknowledged", e, node.Local())
			})
		},
	}
}

// answered tells what was signed.
func (p *program) answered(done string, e *control.Answer, offline bool) error {
	if p.json {
		return p.object(e)
	}
	if e.Repeat {
		p.say("Was %s already, on %s UTC; nothing was sent again.", strings.ToLower(done), moment(e.Time))
		return nil
	}
	p.say("%s parcel %s from %s.", done, e.Parcel, e.From)
	p.evidence(e.Evidence, false)
	if offline {
		p.say("The node is not running. The sender hears of it after: comity serve")
	}
	return nil
}
