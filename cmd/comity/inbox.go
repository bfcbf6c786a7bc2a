package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"comity/node/control"
)

func (p *program) inbox() *cobra.Command {
	var unread bool
	var limit int
	c := &cobra.Command{
		Use: "inbox", GroupID: "parcels", Args: words(0, 0),
		Short: "List received parcels, the newest first",
		Long: `Lists what was received and verified in full. A parcel is new, opened,
acknowledged or declined. What is still on its way, or did not verify, is not here.`,
		RunE: func(c *cobra.Command, _ []string) error {
			return p.ask(c.Context(), func(node *control.Client) error {
				list, err := node.Inbox(c.Context(), p.as, unread, limit)
				if err != nil {
					return err
				}
				if p.json {
					return p.object(list)
				}
				if len(list.Parcels) == 0 {
					p.say("Nothing has been received.")
					return nil
				}
				t := p.table("PARCEL", "FROM", "KIND", "RECEIVED", "FILES", "STATUS")
				for _, m := range list.Parcels {
					t.row(string(m.Parcel), string(m.From), string(m.Kind), moment(m.Stored), fileSum(&m), m.State)
				}
				return p.tableEnd(t, list)
			})
		},
	}
	c.Flags().BoolVar(&unread, "new", false, "only those that nobody has opened")
	c.Flags().IntVar(&limit, "limit", 100, "`NUMBER` to list at most")
	return c
}

// fileSum is how many files a parcel has and how large they are together.
func fileSum(m *control.Parcel) string { return fmt.Sprintf("%d (%s)", m.FileCount, bytes(m.Bytes)) }

func (p *program) tableEnd(t *table, list *control.Parcels) error {
	if err := t.end(); err != nil {
		return err
	}
	if list.More {
		p.say("There are older ones: --limit shows more.")
	}
	return nil
}
