package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"comity/node/control"
	"comity/protocol"
)

func (p *program) inbox() *cobra.Command {
	var unread bool
	limit := atMost(100)
	c := &cobra.Command{
		Use: "inbox", GroupID: "parcels", Args: words(0, 0),
		Short: "List received parcels, the newest first",
		Long: `Lists what was received and verified in full. A parcel is new, opened,
acknowledged or declined. What is still on its way, or did not verify, is not here.
After "comity log new-era", what was received and lost stands below until it is here
again.`,
		RunE: func(c *cobra.Command, _ []string) error {
			return p.look(c.Context(), func(node *control.Client) error {
				list, err := node.Inbox(c.Context(), p.as, unread, int(limit))
				if err != nil {
					return err
				}
				if p.json {
					return p.object(list)
				}
				for _, a := range list.Locked {
					fmt.Fprintf(p.stderr, "comity: the office of %s is locked: what arrives for it waits until the node is started with its passphrase.\n", a)
				}
				if len(list.Parcels) == 0 {
					p.say("Nothing has been received.")
					p.awaited(list.Awaited)
					return nil
				}
				err = p.received(list)
				p.awaited(list.Awaited)
				return err
			})
		},
	}
	c.Flags().BoolVar(&unread, "new", false, "only those that nobody has opened")
	c.Flags().Var(&limit, "limit", "`NUMBER` to list at most")
	return c
}

// received lists received parcels.
func (p *program) received(list *control.Parcels) error {
	t := p.table("PARCEL", "FROM", "KIND", "RECEIVED (UTC)", "FILES", "STATUS")
	for _, m := range list.Parcels {
		t.row(string(m.Parcel), string(m.From), kind(&m), moment(m.Stored), fileSum(&m), m.State)
	}
	return p.tableEnd(t, list)
}

// awaited tells of parcels that were received and lost with the node.
func (p *program) awaited(all []control.Way) {
	if len(all) == 0 {
		return
	}
	p.say("Received before the node was restored, and lost with it; a running node asks the sender's node for the bytes:")
	for _, w := range all {
		p.say("  %s from %s to %s", w.Parcel, w.From, w.To)
	}
	p.say("Should they not appear, ask the sender to send them anew.")
}

// kind is the kind of a message, with its priority unless that is routine.
func kind(m *control.Parcel) string {
	if m.Priority == protocol.Routine {
		return string(m.Kind)
	}
	return fmt.Sprintf("%s, %s", m.Kind, m.Priority)
}

// atMost is how many parcels a list has at most.
type atMost int

// String shows the number.
func (n *atMost) String() string { return strconv.Itoa(int(*n)) }

// Type names it in the help.
func (n *atMost) Type() string { return "number" }

// Set takes what was typed.
func (n *atMost) Set(text string) error {
	number, err := strconv.ParseUint(text, 10, 31)
	if err != nil || number == 0 {
		return errors.New("want a whole number, 1 or more")
	}
	*n = atMost(number)
	return nil
}

// fileSum is how many files a parcel has and how large they are together.
func fileSum(m *control.Parcel) string { return fmt.Sprintf("%d (%s)", m.FileCount, bytes(m.Bytes)) }

func (p *program) tableEnd(t *table, list *control.Parcels) error {
	if err := t.end(); err != nil {
		return err
	}
	if list.More {
		p.say("There are older ones: --limit shows up to %d, and \"comity show PARCEL\" any.", control.MaxList)
	}
	return nil
}
