package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"comity/node/control"
)

func (p *program) sent() *cobra.Command {
	limit := atMost(100)
	c := &cobra.Command{
		Use: "sent", GroupID: "parcels", Args: words(0, 0),
		Short: "List sent parcels and where they stand, the newest first",
		Long: `Lists what was sent. A parcel is queued, transmitted (durable at the recipient's
node), delivered (handed to the recipient's office), acknowledged or declined by
an officer, refused, failed, or withdrawn. Each of these words rests on signed
evidence. "Withdrawal pending" rests on the withdrawal alone: the recipient's node
has not answered yet whether it has the parcel.`,
		RunE: func(c *cobra.Command, _ []string) error {
			return p.look(c.Context(), func(node *control.Client) error {
				list, err := node.Sent(c.Context(), p.as, int(limit))
				if err != nil {
					return err
				}
				if p.json {
					return p.object(list)
				}
				if len(list.Parcels) == 0 {
					p.say("Nothing has been sent.")
					return nil
				}
				t := p.table("PARCEL", "TO", "KIND", "SENT (UTC)", "FILES", "STATUS")
				for _, m := range list.Parcels {
					for _, to := range m.Transmissions {
						t.row(string(m.Parcel), string(to.To), kind(&m), moment(m.Stored), fileSum(&m), standing(&to))
					}
				}
				return p.tableEnd(t, list)
			})
		},
	}
	c.Flags().Var(&limit, "limit", "`NUMBER` to list at most")
	return c
}

// standing is where a sent parcel stands, and while it is queued, why.
func standing(t *control.Transmission) string {
	if t.Waits == "" {
		return string(t.Status)
	}
	text := fmt.Sprintf("%s: %s", t.Status, safe(t.Waits))
	if !t.Next.IsZero() {
		text += fmt.Sprintf("; tried again at %s UTC", moment(t.Next))
	}
	return text
}
