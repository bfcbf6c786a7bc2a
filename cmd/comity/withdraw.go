package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"comity/node/control"
	"comity/protocol"
	"comity/protocol/exchange"
)

func (p *program) withdraw() *cobra.Command {
	var to string
	c := &cobra.Command{
		Use: "withdraw PARCEL", GroupID: "parcels", Args: words(1, 1),
		Short: "Take a sent parcel back, unless it has arrived",
		Long: `Signs the authority's withdrawal of a parcel. What has not left the node is
withdrawn at once. Otherwise the recipient's node may have it already and decides:
until it answers, or the parcel expires, the withdrawal is pending, and nothing
more of the parcel is sent. What has arrived stays there: ask the recipient in a
message to set it aside. Leaves with 1 when it was too late for every recipient.

A withdrawal cannot be taken back; send the parcel again if need be.`,
		Example: "  comity withdraw 2f9a01\n  comity withdraw 2f9a01 --to xb/prosecution-service",
		RunE: func(c *cobra.Command, args []string) error {
			var one protocol.AuthorityID
			if to != "" {
				if err := one.UnmarshalText([]byte(to)); err != nil {
					return misuse("", "--to %q is not an authority's name, such as xb/prosecution-service", to)
				}
			}
			return p.ask(c.Context(), func(node *control.Client) error {
				w, err := node.Withdraw(c.Context(), p.as, args[0], one)
				if err != nil {
					return err
				}
				return p.withdrawn(w)
			})
		},
	}
	c.Flags().StringVar(&to, "to", "", "withdraw it from this `AUTHORITY` alone")
	return c
}

// withdrawn tells what became of it, for each recipient. It is an error when it
// was too late for all.
func (p *program) withdrawn(w *control.Withdrawals) error {
	late, pending := 0, 0
	for i := range w.Withdrawals {
		if one := &w.Withdrawals[i]; one.TooLate() {
			late++
		} else if one.Status == exchange.StatusWithdrawing {
			pending++
		}
	}
	if p.json {
		if err := p.object(w); err != nil {
			return err
		}
	} else {
		p.say("Parcel %s from %s:", w.Parcel, w.From)
		for i := range w.Withdrawals {
			p.say("  %s: %s", w.Withdrawals[i].To, withdrawnSentence(&w.Withdrawals[i]))
		}
		switch {
		case w.Delayed != "":
			fmt.Fprintf(p.stderr, "comity: note: %s\n", safe(w.Delayed))
		case pending > 0 && !w.Running:
			p.say("The node is not running. Nobody is asked before: comity serve")
		}
	}
	if late == len(w.Withdrawals) {
		return problem("ask the recipient in a message of the case to set it aside", "nothing was withdrawn")
	}
	return nil
}

// withdrawnSentence says what an officer wants to know.
func withdrawnSentence(w *control.Withdrawal) string {
	switch w.Status {
	case exchange.StatusWithdrawn:
		return fmt.Sprintf("withdrawn on %s UTC; the recipient does not have it", moment(w.Decided))
	case exchange.StatusWithdrawing:
		return fmt.Sprintf("withdrawal pending; the recipient's node is asked until %s UTC, and nothing more is sent", moment(w.Expires))
	case exchange.StatusFailed, exchange.StatusRefused:
		return fmt.Sprintf("too late: it was %s on %s UTC", w.Status, moment(w.Decided))
	default:
		return fmt.Sprintf("too late: it arrived on %s UTC and is %s", moment(w.Decided), w.Status)
	}
}
