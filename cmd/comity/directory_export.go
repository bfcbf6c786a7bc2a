package main

import (
	"github.com/spf13/cobra"

	"comity/node/control"
)

// exportedListings is what was written, for programs.
type exportedListings struct {
	Path  string `json:"path"`
	Count int    `json:"count"`
}

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
			switch {
			case format != "" || out != "":
			case p.json:
				format = string(control.JSON)
			default:
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
				if err := p.writeOut(out, []byte(e.File)); err != nil || out == "" {
					return err
				}
				if p.json {
					return p.object(exportedListings{out, e.Count})
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
