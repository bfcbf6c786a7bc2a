package main

import (
	"github.com/spf13/cobra"

	"comity/node/operate"
)

func (p *program) keyUnprotect() *cobra.Command {
	var folder string
	c := &cobra.Command{
		Use: "unprotect WHOSE", Args: words(1, 1),
		Short: "Take the passphrase off key files",
		Long: `Takes the passphrase off the key files of WHOSE, as "comity key protect" names
them: they lie open again, and whoever can read the disk or a copy of it has them.
The node must not run. If it is interrupted, type it again.`,
		Example: "  comity key unprotect office-central-authority",
		RunE: func(c *cobra.Command, args []string) error {
			dir, err := p.directory()
			if err != nil {
				return err
			}
			h := operate.Holder(args[0])
			if err := onlyOffline(h, folder); err != nil {
				return err
			}
			return p.protect(c.Context(), dir, h, folder, nil, "")
		},
	}
	c.Flags().StringVar(&folder, "folder", "", "`FOLDER` that the offline keys were moved to")
	return c
}
