package main

import (
	"github.com/spf13/cobra"

	"comity/node/federation"
)

func (p *program) federationGiveUp() *cobra.Command {
	return &cobra.Command{
		Use: "give-up", Args: words(0, 0),
		Short: "Take the open draft off the table",
		Long: `Takes the draft that is with the stewards off the table, so that another can be made.
Its paper is kept in the folder given-up. Tell every steward: signatures on it still
exist. An edition that was given up leaves its number unused; a root cannot, so
whoever has signed it signs the next draft of that number with --instead.`,
		Example: "  comity federation give-up --dir /srv/federation",
		RunE: func(*cobra.Command, []string) error {
			return p.registry(federation.OpenRegistry, func(r *federation.Registry) error {
				name, err := r.GiveUp()
				if err != nil {
					return err
				}
				if name == "" {
					return problem(`"comity federation status" says what is published`, "no draft is with the stewards")
				}
				p.say("Given up: %s. Tell every steward.", name)
				return nil
			})
		},
	}
}
