package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"comity/node/control"
)

func (p *program) directoryExport() *cobra.Command {
	var format, out string
	var all bool
	c := &cobra.Command{
		Use: "export [-o FILE]", Args: words(0, 0),
		Short: "Write authorities as a table or as JSON",
		Long: `Writes the authorities that were imported, and with --all those of all records as
well, as a table (CSV, in UTF-8) or as JSON. Importing the file gives the same
listings again, and exporting those the same bytes. Where a cell has several lines,
each is one element of a list. A cell that a spreadsheet could take for a formula,
such as a telephone number with its plus sign, begins with an apostrophe.

Signatures are not in the file: to hand a record on, use "comity introduce".`,
		Example: "  comity directory export -o authorities.csv",
		RunE: func(c *cobra.Command, _ []string) error {
			if format == "" && out == "" {
				format = string(control.CSV)
			}
			f, err := formatOf(format, out)
			if err != nil {
				return err
			}
			return p.look(c.Context(), func(node *control.Client) error {
				e, err := node.ExportListings(c.Context(), f, all)
				if err != nil {
					return err
				}
				if out == "" {
					fmt.Fprint(p.stdout, e.File)
					return nil
				}
				if err := writeNew(out, []byte(e.File)); err != nil {
					return err
				}
				p.say("Wrote %s to %s.", authorities(e.Count), out)
				if e.Count == 0 && !all {
					p.say("None was imported here; with --all those of records are written as well.")
				}
				return nil
			})
		},
	}
	c.Flags().StringVarP(&out, "output", "o", "", "`FILE` to write; it must not exist")
	c.Flags().StringVar(&format, "format", "", "`FORMAT`: csv or json (default: as the name of the file ends, else csv)")
	c.Flags().BoolVar(&all, "all", false, "those of records as well")
	return c
}
