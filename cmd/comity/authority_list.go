package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"comity/node/control"
)

func (p *program) authorityList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Args: words(0, 0),
		Short: "List the authorities that this node hosts, and what each takes up",
		Long: `Lists the authorities of this node's record: the number of each entry, until when its
newest keys are valid, how many parcels of it wait to be delivered, what its sealed
parcels take up on the disk, and how much more it may take. On a node with several
authorities each has a share that the others cannot take from it; one that has
filled its own is told so when it sends, and parcels to it wait at their senders.

It counts, and shows no parcel.`,
		Example: "  comity authority list",
		RunE: func(c *cobra.Command, _ []string) error {
			return p.look(c.Context(), func(node *control.Client) error {
				all, err := node.Hosted(c.Context(), p.as)
				if err != nil {
					return err
				}
				if p.json {
					return p.object(all)
				}
				t := p.table("AUTHORITY", "ENTRY", "KEYS UNTIL", "QUEUED", "KEPT", "MAY TAKE", "NAME")
				for _, a := range all.Authorities {
					if !a.Here {
						t.row(string(a.ID), fmt.Sprint(a.Entry), a.Until.UTC().Format(time.DateOnly), "-", "-", "-", name(a.Name)+" (its office does not run here)")
						continue
					}
					queued := fmt.Sprint(a.Queued)
					if a.QueueShare > 0 {
						queued += " of " + fmt.Sprint(a.QueueShare)
					}
					t.row(string(a.ID), fmt.Sprint(a.Entry), a.Until.UTC().Format(time.DateOnly), queued, bytes(a.Kept), bytes(a.MayTake), name(a.Name))
				}
				return t.end()
			})
		},
	}
}
