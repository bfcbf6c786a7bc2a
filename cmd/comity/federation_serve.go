package main

import (
	"net"

	"github.com/spf13/cobra"

	"comity/node/federation"
)

func (p *program) federationServe() *cobra.Command {
	var listen string
	c := &cobra.Command{
		Use: "serve --listen ADDRESS", Args: words(0, 0),
		Short: "Serve what is published to nodes, as the first mirror",
		Long: `Serves the folder "directory" to whoever asks, until stopped: what is published, and
nothing else. It needs no key. Nodes believe signatures and not where files come from,
so plain HTTP does, and any web server can do the same with a copy of that folder.`,
		Example: "  comity federation serve --listen 192.0.2.7:8080 --dir /srv/federation",
		RunE: func(c *cobra.Command, _ []string) error {
			if listen == "" {
				return misuse("--listen 192.0.2.7:8080", "on which address?")
			}
			directory := ""
			err := p.registry(federation.OpenRegistry, func(r *federation.Registry) error {
				directory = r.Directory()
				return nil
			})
			if err != nil {
				return err
			}
			l, err := (&net.ListenConfig{}).Listen(c.Context(), "tcp", listen)
			if err != nil {
				return problem("choose an address of this machine, and a port that is free", "%v", err)
			}
			p.say("comity: a mirror of %s is ready on http://%s/", quoted(p.dir), l.Addr())
			return federation.ServeMirror(c.Context(), l, directory)
		},
	}
	c.Flags().StringVar(&listen, "listen", "", "`ADDRESS` and port to serve on")
	return c
}
