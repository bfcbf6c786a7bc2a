package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"comity/node/control"
	"comity/protocol"
)

func (p *program) show() *cobra.Command {
	return &cobra.Command{
		Use: "show PARCEL", GroupID: "parcels", Args: words(1, 1),
		Short:   "Show a parcel, its files and all evidence about it",
		Example: "  comity show 2f9a01",
		RunE: func(c *cobra.Command, args []string) error {
			return p.look(c.Context(), func(node *control.Client) error {
				m, err := node.Parcel(c.Context(), p.as, args[0])
				if err != nil {
					return err
				}
				if p.json {
					return p.object(m)
				}
				p.parcelHead(m)
				p.say("")
				if !m.Lost {
					if err := p.files(m); err != nil {
						return err
					}
				}
				for _, t := range m.Transmissions {
					p.say("\nTo %s: %s", t.To, standing(&t))
					p.history(&t, len(m.Transmissions) > 1)
				}
				return nil
			})
		},
	}
}

func (p *program) parcelHead(m *control.Parcel) {
	p.say("Parcel %s, %s %s UTC", m.Parcel, m.Direction, moment(m.Stored))
	p.say("  from     %s", m.From)
	for _, t := range m.Transmissions {
		p.say("  to       %s", t.To)
	}
	if m.Lost {
		p.say("This office has lost it with its node. What peers hold is here again: the envelope, and all")
		p.say("evidence. Case, kind and content are not: the recipient has them.")
		return
	}
	p.say("  kind     %s, %s", m.Kind, m.Priority)
	p.say("  case     %s, message %d of its sender", m.Case, m.Sequence)
	if m.State != "" {
		p.say("  status   %s", m.State)
	}
	if m.Test {
		p.say("  This is a test without effect.")
	}
}

// history tells what happened, in the order of time.
func (p *program) history(t *control.Transmission, several bool) {
	told := false
	for _, e := range t.Evidence {
		// What ends a withdrawn parcel is signed a moment before the withdrawal is stored.
		ends := e.Reason != nil && e.Reason.Code == protocol.Withdrawn
		if !told && (ends || e.Time.After(t.Withdrawn.Time)) {
			p.withdrawal(t)
			told = true
		}
		p.evidence(e, several)
		if e.Proof {
			p.say("      %s", witnessedBy(e.Witnesses))
		}
	}
	if !told {
		p.withdrawal(t)
	}
}

// witnessedBy says who has witnessed an evidence, and when.
func witnessedBy(all []control.Cosignature) string {
	if len(all) == 0 {
		return "not yet witnessed"
	}
	said := make([]string, len(all))
	for i, c := range all {
		said[i] = fmt.Sprintf("%s at %s UTC", c.Witness, moment(c.Time))
	}
	return "witnessed by " + strings.Join(said, ", ")
}

// withdrawal tells of this authority's withdrawal, if there is one.
func (p *program) withdrawal(t *control.Transmission) {
	if t.Withdrawn.IsZero() {
		return
	}
	p.say("  %s UTC  withdrawn by an officer of this authority", moment(t.Withdrawn))
	if !t.Expires.IsZero() {
		p.say("      the recipient's node is asked until %s UTC; nothing more is sent", moment(t.Expires))
	}
}

func (p *program) files(m *control.Parcel) error {
	t := p.table("FILE", "SIZE", "ROLE", "TYPE", "NAME")
	for _, f := range m.Files {
		t.row(fmt.Sprint(f.Number), bytes(f.Size), string(f.Role), safe(f.MediaType), name(f.Name))
	}
	return t.end()
}
