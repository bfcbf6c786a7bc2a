// Command comity is the whole product for officers and operators: it creates
// and runs a node with its offices, introduces it to others, sends and opens
// parcels, and checks what is stored. One file holds one subcommand and is
// named by its words; its help text is the manual.
//
// A command asks the node through package control, whether the node runs or not.
// Those that change the record of a stopped node, or only read it, use package
// operate, and those of stewards package federation. Whatever comes from a peer is
// made harmless before it reaches a terminal.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
