package main

import (
	"time"

	"github.com/spf13/cobra"

	"comity/node/federation"
	"comity/node/operate"
	"comity/protocol"
)

func (p *program) federationChange() *cobra.Command {
	var leaving []string
	var change federation.Change
	var open bool
	c := &cobra.Command{
		Use: "change [CARD ...]", Args: words(0, 32),
		Short: "Draft the next root: other stewards, renewed keys, another online key",
		Long: `Drafts the root that follows. A CARD is that of a new steward, or of one who has
renewed a key; --leaving names one who is steward no more. With --online another
online key is made beside the old one, which still counts until the root is published.
Without any of these the root is only renewed, before it ends: once a year. A card that
says what the root says already, or has a key that was replaced, is refused.

Enough of the stewards before and enough of the new ones have to sign; most of the
time they are the same persons. Nodes follow from root to root by themselves.`,
		Example: `  comity federation change assembly-xa-2.json --dir /srv/federation
  comity federation change department-xd-1.json --leaving council-xc --dir /srv/federation
  comity federation change --online --dir /srv/federation`,
		RunE: func(c *cobra.Command, args []string) error {
			var err error
			if change.Cards, err = p.cards(args); err != nil {
				return err
			}
			for _, l := range leaving {
				change.Leaving = append(change.Leaving, federation.StewardName(l))
			}
			if change.Unlock, err = p.unlocking(c.Context(), operate.OnlineHolder, federation.Protected(p.dir), open); err != nil {
				return err
			}
			return p.registry(federation.OpenRegistry, func(r *federation.Registry) error {
				d, err := r.Change(change, time.Now())
				if protocol.CodeOf(err) == protocol.Policy {
					return problem(`nothing was drafted; "comity federation status" says who the stewards are, and how many of them sign`, "%s", sentenceOf(err))
				}
				if err != nil {
					return err
				}
				counts, err := r.CountsUnder(d.Draft)
				if err != nil {
					return err
				}
				if err := p.handOut(d); err != nil || counts || p.json {
					return err
				}
				p.say("\nToo few of those who signed the edition stay stewards: once this root is published, the edition")
				p.say("counts no more, and nodes raise an alarm until there is another. Better give this draft up first,")
				p.say("and let those who stay renew the edition: comity federation add --dir %s", quoted(p.dir))
				return nil
			})
		},
	}
	c.Flags().StringArrayVar(&leaving, "leaving", nil, "`NAME` of a steward who leaves; repeatable")
	c.Flags().IntVar(&change.Threshold, "threshold", 0, "`HOW` many stewards sign together (default: as before)")
	c.Flags().BoolVar(&change.NewOnline, "online", false, "make another online key")
	c.Flags().BoolVar(&open, "unprotected", false, "the online key without a passphrase: only where nothing is at stake")
	return c
}
