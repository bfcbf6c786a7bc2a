package main

import (
	"time"

	"github.com/spf13/cobra"

	"comity/node/federation"
	"comity/node/operate"
	"comity/protocol"
)

func (p *program) federationCreate() *cobra.Command {
	var threshold int
	var open bool
	c := &cobra.Command{
		Use: "create CARD CARD ... --dir FOLDER", Args: words(2, 32),
		Short: "Found a federation: draft its first root",
		Long: `Drafts the first root of a federation, in a new FOLDER, from the cards of its stewards.
A threshold of them signs together, two at least: whatever is published needs several
persons. Three stewards of three states, of whom two sign, can spare one who is away,
or whose keys are lost; where all must sign, nobody can be spared, ever.

The online key is made in FOLDER and protected by a passphrase of its own. With it
"comity federation stamp" says every day that there is nothing newer; it can list nothing.`,
		Example: `  comity federation create assembly-xa-1.json board-xb-1.json council-xc-1.json --threshold 2 --dir /srv/federation`,
		RunE: func(c *cobra.Command, args []string) error {
			cards, err := p.cards(args)
			if err != nil {
				return err
			}
			unlock, err := p.unlocking(c.Context(), operate.OnlineHolder, federation.Protected(p.dir), open)
			if err != nil {
				return err
			}
			return p.registry(federation.NewRegistry, func(r *federation.Registry) error {
				d, err := r.Create(cards, threshold, unlock, time.Now())
				if protocol.CodeOf(err) == protocol.Policy {
					return problem("nothing was drafted; name a card of each steward, and with --threshold how many of them sign: two at least, and fewer than there are, so that one can be away", "%s", sentenceOf(err))
				}
				if err != nil {
					return err
				}
				return p.handOut(d)
			})
		},
	}
	c.Flags().IntVar(&threshold, "threshold", federation.MinThreshold, "`HOW` many stewards sign together, two at least")
	c.Flags().BoolVar(&open, "unprotected", false, "the online key without a passphrase: only where nothing is at stake")
	return c
}
