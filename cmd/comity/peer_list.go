package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"comity/node/control"
	"comity/node/gateway"
)

func (p *program) peerList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Args: words(0, 0),
		Short: "List the pinned nodes and what waits for them",
		RunE: func(c *cobra.Command, _ []string) error {
			return p.look(c.Context(), func(node *control.Client) error {
				all, err := node.Peers(c.Context())
				if err != nil {
					return err
				}
				if p.json {
					return p.object(all)
				}
				if err := p.peers(all); err != nil {
					return err
				}
				st, err := node.DirectoryStatus(c.Context())
				if err != nil {
					return err
				}
				p.directoryAlarms(st)
				return nil
			})
		},
	}
}

func (p *program) peers(all []control.Peer) error {
	if len(all) == 0 {
		p.say(`No state is pinned yet. Get their introduction and type: comity peer pin FILE`)
		return nil
	}
	t := p.table("NODE", "REACHABLE", "OVER", "RECORD", "WAITING", "LAST CONTACT (UTC)", "CLOCK", "NAME AND LAST ERROR")
	for _, peer := range all {
		reachable, over, waiting, trust := "-", "-", "-", fmt.Sprint(peer.Record)
		if peer.Reachable != nil {
			reachable = "no"
			if *peer.Reachable {
				reachable, over = "yes", transport(peer.Transport)
			}
		}
		if peer.Waiting > 0 {
			waiting = fmt.Sprintf("%d (%s)", peer.Waiting, bytes(peer.Bytes))
		}
		last := name(peer.Name)
		if peer.Listed {
			last += " (on the stewards' word)"
		}
		if peer.LastError != "" && (peer.Reachable == nil || !*peer.Reachable) {
			last += ": " + safe(peer.LastError)
		} else if !peer.RestUntil.IsZero() {
			last += fmt.Sprintf(": asks to wait, resting until %s UTC: %s", moment(peer.RestUntil), safe(peer.RestWhy))
		}
		if peer.LogFault != "" {
			last += ": its log has " + safe(peer.LogFault)
		} else if peer.Unwitnessed > 0 {
			last += fmt.Sprintf(": has not cosigned our log for %s", (time.Duration(peer.Unwitnessed) * time.Second).Round(time.Minute))
		}
		clock := "-"
		if !peer.Contact.IsZero() {
			clock = signed(peer.Skew)
		}
		t.row(string(peer.Node), reachable, over, trust, waiting, moment(peer.Contact), clock, last)
	}
	return t.end()
}

// transport writes what a connection runs on, as people write it.
func transport(t gateway.Transport) string { return strings.ToUpper(string(t)) }

// signed writes a difference of clocks.
func signed(milliseconds int64) string {
	d := time.Duration(milliseconds) * time.Millisecond
	if d.Abs() < time.Second {
		return "same"
	}
	return fmt.Sprintf("%+.0f s", d.Seconds())
}
