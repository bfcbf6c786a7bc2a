package main

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"comity/node/federation"
	"comity/node/operate"
)

func (p *program) federationKeys() *cobra.Command {
	var name, renew string
	var open bool
	c := &cobra.Command{
		Use: "keys FOLDER --name NAME", Args: words(1, 1),
		Short: "Steward: make one's own keys, or renew one of them",
		Long: `Makes a steward's two keys in FOLDER, on a medium of the steward's own: a root key,
which says who the stewards are, and an edition key, which says which records there
are. The medium has a file system with permissions, such as ext4, and FOLDER is open to
nobody else (chmod 700). Both keys are protected by one passphrase. NAME is short and in plain letters, such
as assembly-xa. "comity key protect offline --folder FOLDER" gives them another
passphrase. The card, NAME-1.json, has the public parts: hand it to the registrar.

With --renew root or --renew edition it makes the next one of these keys beside the
old one, and a card with it. The old one still counts, and must be kept, until the
registrar has published a root that names the new one; then destroy it.

Then take the medium away and lock it up, in two copies. It also has, in signed/
and seen/, what its steward has signed and seen: the commands look at that before
they sign anything more, so copy it anew after each signature.`,
		Example: `  comity federation keys /media/stick --name assembly-xa
  comity federation keys /media/stick --renew root`,
		RunE: func(c *cobra.Command, args []string) error {
			unlock, err := p.unlocking(c.Context(), operate.StewardHolder, federation.Protected(args[0]), open)
			if err != nil {
				return err
			}
			if renew != "" {
				return p.federationError(p.renewKey(args[0], federation.Kind(renew), unlock))
			}
			var own federation.StewardName
			if err := own.UnmarshalText([]byte(name)); err != nil {
				return misuse("comity federation keys FOLDER --name assembly-xa", "%s", plain(err))
			}
			card, path, err := federation.MakeSafe(args[0], own, unlock)
			if err != nil {
				return p.federationError(err)
			}
			return p.card(card, path, "")
		},
	}
	c.Flags().StringVar(&name, "name", "", "`NAME` of the steward, such as assembly-xa")
	c.Flags().StringVar(&renew, "renew", "", "`WHICH` key to renew: root or edition")
	c.Flags().BoolVar(&open, "unprotected", false, "without a passphrase: only where nothing is at stake")
	return c
}

func (p *program) renewKey(dir string, which federation.Kind, unlock federation.Unlock) error {
	if which != federation.RootKind && which != federation.EditionKind {
		return misuse("--renew root, or --renew edition", "a steward has no %q key", which)
	}
	safe, err := federation.OpenSafe(dir)
	if err != nil {
		return err
	}
	card, path, err := safe.Renew(which, unlock)
	if err != nil {
		return err
	}
	return p.card(card, path, which)
}

// card says what the steward does with it. Renewed is which key it has anew; "": they are
// the first ones.
func (p *program) card(s federation.Steward, path string, renewed federation.Kind) error {
	if p.json {
		return p.object(struct {
			federation.Steward
			Path string `json:"path"`
		}{s, path})
	}
	p.say("The keys of %s are in %s, and the public parts in the card", s.Name, filepath.Dir(path))
	p.say("  %s", path)
	p.say("  root key     %s", s.Root)
	p.say("  edition key  %s", s.Edition)
	p.say("\nHand the card to the registrar; nothing in it is secret.")
	if renewed == "" {
		p.say("The registrar types it after \"comity federation create\" for a new federation, or makes you one of the")
		p.say("stewards of a federation that exists, with: comity federation change %s --dir FOLDER", filepath.Base(path))
		p.say("Lock the medium away. You need it again when a draft comes to be signed.")
		return nil
	}
	p.say("The registrar types: comity federation change %s --dir FOLDER", filepath.Base(path))
	p.say("The %s key before stays beside the new one and still counts: keep both until the root that names the", renewed)
	p.say("new one is published, then destroy the old one. Renew the second copy of the medium, and lock both away.")
	return nil
}
