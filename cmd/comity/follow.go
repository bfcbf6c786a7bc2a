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
				if p.json {
					_, err = node.Follow(c.Context(), p.as, args[0], w.until, func(e control.Evidence) error { return p.line(e) })
					return err
				}
				m, err := node.Parcel(c.Context(), p.as, args[0])
				if err != nil {
					return err
				}
				_, err = p.wait(c.Context(), node, p.as, args[0], len(m.Transmissions) > 1, w)
				return err
			})
		},
	}
	c.Flags().StringVar(&until, "until", string(exchange.StatusAcknowledged), "`STATUS` to wait for: transmitted, delivered or acknowledged")
	c.Flags().StringVar(&timeout, "timeout", "", "`TIME` to wait at most (default: for ever)")
	return c
}
