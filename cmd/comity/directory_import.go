package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"comity/node/control"
)

// maxListingsFile is how many bytes a file of listings has at most: 10,000
// authorities of ordinary size.
const maxListingsFile = 48 << 20

func (p *program) directoryImport() *cobra.Command {
	var format string
	var whole bool
	c := &cobra.Command{
		Use: "import FILE", Args: words(1, 1),
		Short: "Import authorities that are not on the network",
		Long: `Reads authorities of other states from a table (CSV) or a JSON file, as "export"
writes them, so that "find" knows them and says on which channel to reach them.
Nobody has signed what is in the file: it is worth as much as where it came from.
An authority that a record lists is shown as the record has it, whatever the file
says. One that the directory has with a later date of confirmation stays as it is.

With one mistake in the file nothing is imported. --whole makes the file the whole
of the imported authorities: those that are not in it go.`,
		Example: "  comity directory import authorities.csv",
		RunE: func(c *cobra.Command, args []string) error {
			f, err := formatOf(format, args[0])
			if err != nil {
				return err
			}
			data, err := p.readInput(args[0], maxListingsFile)
			if err != nil {
				return err
			}
			return p.importListings(c.Context(), f, data, whole)
		},
	}
	c.Flags().StringVar(&format, "format", "", "`FORMAT`: csv or json (default: as the name of the file ends)")
	c.Flags().BoolVar(&whole, "whole", false, "remove imported authorities that are not in the file")
	return c
}

func (p *program) importListings(ctx context.Context, f control.Format, data []byte, whole bool) error {
	return p.look(ctx, func(node *control.Client) error {
		done, err := node.ImportListings(ctx, f, data, whole)
		if err != nil {
			return err
		}
		if p.json {
			return p.object(done)
		}
		p.say("%d new, %d changed, %d as they were.", done.New, done.Changed, done.Unchanged)
		if done.Older > 0 {
			p.say("%s older in the file than here, and %s as it was.", are(done.Older), noun(int64(done.Older), "stays", "each stays"))
		}
		if done.Gone > 0 {
			p.say("%s gone, because the file does not have %s.", are(done.Gone), noun(int64(done.Gone), "it", "them"))
		}
		if done.Known > 0 {
			p.say("%s on the network, and shown as a record has %s.", are(done.Known), noun(int64(done.Known), "it", "them"))
		}
		return nil
	})
}

func formatOf(flag, path string) (control.Format, error) {
	switch f := control.Format(flag); {
	case f == control.CSV || f == control.JSON:
		return f, nil
	case flag == "" && control.FormatOf(path) != "":
		return control.FormatOf(path), nil
	case flag == "":
		return "", misuse("say it with --format csv or --format json", "the name %q does not say whether it is CSV or JSON", path)
	}
	return "", misuse("", "--format %q: want csv or json", flag)
}

// are is a number of authorities and its verb.
func are(n int) string { return fmt.Sprintf("%d %s", n, noun(int64(n), "is", "are")) }
