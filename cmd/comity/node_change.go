package main

import (
	"errors"
	"net"

	"github.com/spf13/cobra"

	"comity/node/control"
	"comity/node/operate"
	"comity/protocol/record"
)

func (p *program) nodeChange() *cobra.Command {
	var offline, name, language string
	var change operate.ChangePlan
	c := &cobra.Command{
		Use: "change [--endpoint HOST:PORT]... [--name NAME] [--limit BYTES] --offline FOLDER", Args: words(0, 0),
		Short: "Publish another address, name or limit of this node",
		Long: `Has the state's offline key on FOLDER sign the next record, with what is named
here changed and all else as it was. --endpoint may be given up to eight times, and names
all addresses of the node; peers try them in this order. The node must not run meanwhile:
stop it, change, start it; take FOLDER off the machine again. When it starts it calls
every peer, and hands over the record.

Where it serves is another matter: "listen" in comity.toml.`,
		Example: "  comity node change --endpoint gateway.example.org:7443 --endpoint 192.0.2.7:7443 --offline /media/offline",
		RunE: func(c *cobra.Command, _ []string) error {
			if len(change.Endpoints) == 0 && name == "" && change.Sealed == 0 {
				return misuse(`"comity help node change" shows an example`, "name what is to change: --endpoint, --name or --limit")
			}
			if name != "" {
				change.Name = []record.Name{{Language: language, Text: name}}
			}
			var err error
			if change.Amendment, err = p.amendment(c.Context(), offline, "change", "the state's offline key has to sign the next record"); err != nil {
				return err
			}
			state, err := operate.ChangeNode(c.Context(), change)
			if errors.Is(err, operate.ErrNoChange) {
				return problem(`"comity introduce" shows the present record`, "nothing was published: %v", err)
			} else if err != nil {
				return control.Explain(err)
			}
			if p.json {
				return p.object(viewOfPublished(state, true))
			}
			r := state.Record()
			p.say("Record %d of state %s is published: %s at %v, with parcels of up to %s.", r.Sequence, r.State, r.Node.ID, r.Node.Endpoints, bytes(r.Node.Limits.Sealed))
			if err := p.listensElsewhere(change.Dir, r.Node.Endpoints); err != nil {
				return err
			}
			p.amended(offline, change.Dir, &operate.Rotated{State: state})
			return nil
		},
	}
	flags := c.Flags()
	flags.StringArrayVar(&change.Endpoints, "endpoint", nil, "`HOST:PORT` that peers dial; repeatable")
	flags.StringVar(&name, "name", "", "`NAME` of the state for people")
	flags.StringVar(&language, "language", "en", "`LANGUAGE` of the name (BCP 47)")
	flags.Int64Var(&change.Sealed, "limit", 0, "`BYTES` of the largest sealed parcel that the node takes")
	flags.StringVar(&offline, "offline", "", "`FOLDER` that the offline keys were moved to")
	return c
}

// listensElsewhere says so when no endpoint of the record has the port on which the node
// listens. Behind a router that may be meant; otherwise nobody reaches the node.
func (p *program) listensElsewhere(dir string, endpoints []string) error {
	config, err := control.ReadConfig(dir)
	if err != nil {
		return control.Explain(err)
	}
	_, port, err := net.SplitHostPort(config.Listen)
	if err != nil {
		return nil //nolint:nilerr // serve refuses it, and says why
	}
	for _, e := range endpoints {
		if _, named, err := net.SplitHostPort(e); err == nil && named == port {
			return nil
		}
	}
	p.say("The node itself still listens on %s: unless a router passes on what comes to the new port, change listen in %s.", config.Listen, operate.Layout{Dir: dir}.Config())
	return nil
}
