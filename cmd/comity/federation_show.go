package main

import (
	"time"

	"github.com/spf13/cobra"
)

func (p *program) federationShow() *cobra.Command {
	return &cobra.Command{
		Use: "show DRAFT", Args: words(1, 1),
		Short: "Steward: only look at a draft",
		Long: `Shows what DRAFT would change, as this program itself finds it, and who has signed it.
It signs nothing and wants no keys. What contradicts what a steward signed or saw before
only "comity federation sign" can tell, by the steward's medium.`,
		Example: `  comity federation show edition-3.json`,
		RunE: func(_ *cobra.Command, args []string) error {
			d, err := p.readDraft(args[0])
			if err != nil {
				return p.federationError(err)
			}
			if p.json {
				v, err := viewOf(d, args[0], false)
				if err == nil {
					err = p.object(v)
				}
				if err != nil {
					return err
				}
			} else {
				if err := p.showDraft(d); err != nil {
					return err
				}
				p.progress(d)
			}
			return p.federationError(d.CheckTimes(time.Now()))
		},
	}
}
