package main

import (
	"github.com/spf13/cobra"

	"comity/node/control"
)

func (p *program) decline() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "decline PARCEL", GroupID: "parcels", Args: words(1, 1),
		Short: "Formally reject a received parcel, with a reason",
		Long: `Signs the authority's formal rejection and sends it back with the reason, which
the sender reads. It is an answer to this parcel, such as "not our matter", and
not the decision on a request. It cannot be taken back.`,
		Example: `  comity decline 2f9a01 --reason "The competent authority is xb/ministry-of-justice."`,
		RunE: func(c *cobra.Command, args []string) error {
			if reason == "" {
				return misuse(`comity decline PARCEL --reason "…"`, "a rejection needs a reason: its sender reads it")
			}
			return p.ask(c.Context(), func(node *control.Client) error {
				e, err := node.Decline(c.Context(), p.as, args[0], reason)
				if err != nil {
					return err
				}
				return p.answered("Declined", e, node.Local())
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "`REASON`, a sentence that the sender reads")
	return c
}
