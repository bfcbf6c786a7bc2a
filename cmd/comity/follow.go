package main

import (
	"github.com/spf13/cobra"

	"comity/node/control"
	"comity/protocol/exchange"
)

func (p *program) follow() *cobra.Command {
	var until, timeout string
	c := &cobra.Command{
		Use: "follow PARCEL", GroupID: "parcels", Args: words(1, 1),
		Short: "Show evidence about a parcel as it arrives",
		Long: `Shows all evidence about a parcel, then waits for more until the parcel has the
status asked for with every recipient. With --json, one evidence a line. Leaves
with 1 when the parcel can no longer get there.`,
		Example: "  comity follow 2f9a01 --until delivered --timeout 10m",
		RunE: func(c *cobra.Command, args []string) error {
			w, err := waitFor(until, timeout)
			if err != nil {
				return err
			}
			return p.look(c.Context(), func(node *control.Client) error {
				each := func(e control.Evidence) error { return p.line(e) }
				if !p.json {
					m, err := node.Parcel(c.Context(), p.as, args[0])
					if err != nil {
						return err
					}
					each = p.tell(len(m.Transmissions) > 1)
				}
				_, err = p.wait(c.Context(), node, args[0], w, each)
				return err
			})
		},
	}
	c.Flags().StringVar(&until, "until", string(exchange.StatusAcknowledged), "`STATUS` to wait for: transmitted, delivered or acknowledged")
	c.Flags().StringVar(&timeout, "timeout", "", "`TIME` to wait at most (default: for ever)")
	return c
}
