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
has not answered yet whether it has the parcel.

After "comity log new-era", parcels that this office had sent and lost are listed as
far as peers hold them: envelope and evidence, without kind and content. "comity show"
has their evidence.`,
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
				return p.sentTable(list)
			})
		},
	}
	c.Flags().Var(&limit, "limit", "`NUMBER` to list at most")
	return c
}

func (p *program) sentTable(list *control.Parcels) error {
	t := p.table("PARCEL", "TO", "KIND", "SENT (UTC)", "FILES", "STATUS")
	lost := 0
	for _, m := range list.Parcels {
		what, files := kind(&m), fileSum(&m)
		if m.Lost {
			lost++
			what, files = "lost here", "-"
		}
		for _, to := range m.Transmissions {
			t.row(string(m.Parcel), string(to.To), what, moment(m.Stored), files, standing(&to))
		}
	}
	if err := p.tableEnd(t, list); err != nil {
		return err
	}
	if lost > 0 {
		p.say("Lost here: this office lost %s with its node. Evidence is here again, from the peers; the content is with the recipients.", count(lost, "parcel"))
	}
	return nil
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
