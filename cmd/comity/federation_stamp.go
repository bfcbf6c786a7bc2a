package main

import (
	"time"

	"github.com/spf13/cobra"

	"comity/node/federation"
	"comity/node/operate"
	"comity/protocol"
)

func (p *program) federationStamp() *cobra.Command {
	return &cobra.Command{
		Use: "stamp", Args: words(0, 0),
		Short: "Say with the online key that the edition is still the newest",
		Long: `Signs with the online key which edition is the newest, and that it is so now. Run it
once a day, by a timer; a stamp counts for 7 days, and a node that sees none that
counts raises an alarm. Nothing else depends on it: no traffic stops.`,
		Example: "  comity federation stamp --dir /srv/federation --passphrase-file online=/etc/comity/online.passphrase",
		RunE: func(c *cobra.Command, _ []string) error {
			unlock, err := p.unlocking(c.Context(), operate.OnlineHolder, true, false)
			if err != nil {
				return err
			}
			return p.registry(federation.OpenRegistry, func(r *federation.Registry) error {
				before, err := r.Status()
				if err != nil {
					return err
				}
				if before.Edition == nil {
					return problem("comity federation add INTRODUCTION … drafts the first one", "nothing is listed yet: there is nothing to stamp")
				}
				if err := r.Stamp(unlock, time.Now()); err != nil {
					return err
				}
				after, err := r.Status()
				if err != nil {
					return err
				}
				if p.json {
					return p.object(p.statusView(after))
				}
				p.say("Stamped: edition %d is the newest. The stamp counts until %s UTC.", after.Edition.Ref().Version, moment(protocol.At(after.Stamped)))
				return nil
			})
		},
	}
}
