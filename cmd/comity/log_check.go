package main

import (
	"github.com/spf13/cobra"

	"comity/node/control"
)

func (p *program) logCheck() *cobra.Command {
	return &cobra.Command{
		Use: "check", Args: words(0, 0),
		Short: "Compute the node's whole log again and compare",
		Long: `Computes every leaf, hash and checkpoint of the node's own log again from the
documents that are stored, checks the signatures of the checkpoints, and that each
evidence issued here has its leaf. Leaves with 3 when anything differs.`,
		RunE: func(c *cobra.Command, _ []string) error {
			return p.ask(c.Context(), func(node *control.Client) error {
				r, err := node.CheckLog(c.Context())
				if err != nil {
					return err
				}
				if p.json {
					return p.object(r)
				}
				p.say("The log %s is whole:", r.Origin)
				p.say("  %-6d leaves, each computed again from its document", r.Leaves)
				p.say("  %-6d checkpoints, each signed over exactly these leaves", r.Checkpoints)
				p.say("  %-6d pieces of evidence issued here, each with its leaf", r.Evidence)
				p.say("  %-6d pieces of evidence of others", r.Foreign)
				p.say("  %-6d records, each with its leaf", r.Records)
				return nil
			})
		},
	}
}
