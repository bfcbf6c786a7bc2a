package main

import (
	"errors"
	"io/fs"

	"github.com/spf13/cobra"

	"comity/crypto/keys"
	"comity/crypto/seal"
)

func (p *program) keyPassphrase() *cobra.Command {
	return &cobra.Command{
		Use: "passphrase FILE", Args: words(1, 1),
		Short: "Make a strong passphrase in a new file",
		Long: `Makes a passphrase of 140 random bits and writes it to a new file that only its
owner can read. It is not shown. Keep a copy on paper, apart from the machine:
without it, protected keys are lost.`,
		Example: "  comity key passphrase /etc/comity/node.passphrase",
		RunE: func(_ *cobra.Command, args []string) error {
			err := keys.WriteNew(args[0], []byte(seal.GeneratePassphrase()+"\n"))
			switch {
			case errors.Is(err, fs.ErrExist):
				return problem("choose another name, or move that file away", "%s exists already; nothing was overwritten", args[0])
			case errors.Is(err, fs.ErrNotExist):
				return problem("create the folder first", "%v", err)
			case err != nil:
				return problem("", "%v", err)
			}
			if p.json {
				return p.object(pathView{args[0]})
			}
			p.say("Wrote a new passphrase to %s. Keep a copy on paper, apart from this machine.", args[0])
			return nil
		},
	}
}
