package main

import (
	"github.com/spf13/cobra"
)

func (p *program) authorityGroup() *cobra.Command {
	return group("authority", "Add an authority to this node, and list those that it hosts", "first", p.authorityAdd(), p.authorityList())
}
