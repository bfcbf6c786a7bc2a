package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"comity/node/control"
)

func (p *program) parcelExport() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use: "export PARCEL -o FOLDER", Args: words(1, 1),
		Short: "Write a sealed parcel with its evidence for stock tools",
		Long: `Writes a new folder with the sealed parcel, its envelope, all evidence with proofs,
and the certificates to check them with. A person with age, tar, gpgv, sqv, jq and
sha256sum can check it without this program: protocol/SPEC.md has the recipe.
Nothing is decrypted. A parcel to several recipients has one folder for each.`,
		Example: "  comity parcel export 2f9a01 -o OUT",
		RunE: func(c *cobra.Command, args []string) error {
			if out == "" {
				return misuse("comity parcel export PARCEL -o FOLDER", "name the folder to write with -o")
			}
			path, err := filepath.Abs(out)
			if err != nil {
				return err
			}
			if err := exportable(path); err != nil {
				return err
			}
			return p.look(c.Context(), func(node *control.Client) error {
				m, err := node.Export(c.Context(), p.as, args[0], path)
				if err != nil {
					return err
				}
				if p.json {
					return p.object(m)
				}
				events := 0
				for _, t := range m.Transmissions {
					events += len(t.Evidence)
				}
				p.say("Exported parcel %s with %s to %s.", m.Parcel, evidences(events), safe(out))
				return nil
			})
		},
	}
	c.Flags().StringVarP(&out, "output", "o", "", "`FOLDER` to write; it must not exist or be empty")
	return c
}

// exportable complains about a place before the node is asked to write there.
func exportable(path string) error {
	if _, err := os.Stat(filepath.Dir(path)); errors.Is(err, fs.ErrNotExist) {
		return problem("make it first, or name another place with -o", "%s: there is no such folder", filepath.Dir(path))
	}
	entries, err := os.ReadDir(path)
	if errors.Is(err, syscall.ENOTDIR) || len(entries) > 0 {
		return problem("choose another name with -o", "%s exists already and is not empty: nothing was changed", path)
	}
	return nil // what else may stand in the way, the export says
}

func evidences(n int) string { return count(n, "piece") + " of evidence" }
