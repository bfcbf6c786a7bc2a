package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"comity/protocol"
)

func (p *program) version() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Say which version this is", Args: words(0, 0),
		RunE: func(*cobra.Command, []string) error {
			version := buildVersion()
			if p.json {
				return p.object(map[string]string{"version": version, "protocol": protocol.Version, "go": runtime.Version()})
			}
			p.say("comity %s, protocol %s, %s", version, protocol.Version, runtime.Version())
			return nil
		},
	}
}

// buildVersion is the version that the linker wrote into this program.
func buildVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
