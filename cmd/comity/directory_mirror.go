package main

import (
	"net"

	"github.com/spf13/cobra"

	"comity/node/federation"
	"comity/node/operate"
)

func (p *program) directoryMirror() *cobra.Command {
	var listen string
	c := &cobra.Command{
		Use: "mirror [FOLDER] --listen ADDRESS", Args: words(0, 1),
		Short: "Hand out the federation's directory to other nodes",
		Long: `Serves the files of the directory that this node has fetched, or those in FOLDER,
until it is stopped. It is a process of its own, beside "comity serve": it opens no
key and no database, asks nobody who he is, and whoever overwhelms it harms no
parcel. Nobody has to trust it, because all files are signed; so it speaks plain
HTTP, and a proxy with TLS may stand before it.`,
		Example: `  comity directory mirror --listen 0.0.0.0:7480
  comity directory mirror /srv/federation/directory --listen 127.0.0.1:7480`,
		RunE: func(c *cobra.Command, args []string) error {
			dir, err := p.directory()
			if err != nil {
				return err
			}
			folder := federation.FolderIn(operate.Layout{Dir: dir}.Federation())
			if len(args) == 1 {
				folder = args[0]
			}
			if !federation.IsDirectory(folder) {
				return noDirectory(folder)
			}
			on, err := (&net.ListenConfig{}).Listen(c.Context(), "tcp", listen)
			if err != nil {
				return problem("give an address of this machine with a free port, such as 0.0.0.0:7480", "listen on %q: %v", listen, err)
			}
			p.say("comity: a mirror of the directory is ready on http://%s/", on.Addr())
			return federation.ServeMirror(c.Context(), on, folder)
		},
	}
	c.Flags().StringVar(&listen, "listen", "", "`ADDRESS` and port to serve on, over TCP")
	_ = c.MarkFlagRequired("listen")
	return c
}

// noDirectory says where the directory is, should the folder that was named be near it.
func noDirectory(folder string) error {
	hint := `join a federation first ("comity directory join"), or name the folder`
	if inside := federation.FolderIn(folder); federation.IsDirectory(inside) {
		hint = "name the folder in it: " + quoted(inside)
	} else if federation.IsDirectory(federation.FolderIn(operate.Layout{Dir: folder}.Federation())) {
		hint = "that is the directory of a node; name it with --dir: comity directory mirror --listen ADDRESS --dir " + quoted(folder)
	}
	return problem(hint, "there is no directory of a federation in %s", folder)
}
