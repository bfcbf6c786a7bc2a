package main

import (
	"time"

	"github.com/spf13/cobra"

	"comity/node/control"
	"comity/protocol"
)

func (p *program) peerPing() *cobra.Command {
	return &cobra.Command{
		Use: "ping NODE", Args: words(1, 1),
		Short: "Ask a pinned node whether it is there",
		Long: `Connects to a pinned node, if it is not connected, and exchanges records and
clocks with it. Its newest record is then known here. A node that is called over
TCP, because UDP did not pass, is first tried over QUIC again.`,
		Example: "  comity peer ping xb",
		RunE: func(c *cobra.Command, args []string) error {
			id, err := nodeID(args[0])
			if err != nil {
				return err
			}
			return p.look(c.Context(), func(node *control.Client) error {
				pong, err := node.Ping(c.Context(), id)
				if err != nil {
					return err
				}
				if p.json {
					return p.object(pong)
				}
				p.say("%s answers over %s in %s; its record is number %d; clocks: %s", pong.Node, transport(pong.Transport),
					(time.Duration(pong.Trip) * time.Microsecond).Round(10*time.Microsecond), pong.Record, signed(pong.Skew))
				return nil
			})
		},
	}
}

func nodeID(text string) (id protocol.NodeID, err error) {
	if err := id.UnmarshalText([]byte(text)); err != nil {
		return "", misuse(`"comity peer list" shows the pinned nodes`, "%q is not the name of a node: want a form like xb", text)
	}
	return id, nil
}
