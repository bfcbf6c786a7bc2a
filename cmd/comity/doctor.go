package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/spf13/cobra"

	"comity/node/control"
	"comity/node/operate"
	"comity/protocol"
)

func (p *program) doctor() *cobra.Command {
	var names []string
	c := &cobra.Command{
		Use: "doctor [NODE...]", GroupID: "checks", Args: cobra.ArbitraryArgs,
		Short: "Check the node, and the way to other nodes end to end",
		Long: `Checks this node: files and their modes, offline keys, dates of keys and records,
disk, log, peers. For each peer named, it also sends a test parcel to an authority
there and waits until the office has unsealed and verified it. A test parcel has no
effect and is in no inbox and no count. It is sent in the name of an authority, so
--as names one where the node hosts several; if that one's act key has a passphrase
of its own, the command asks for it, because the parcel is signed as any other.

Each line is ok, warn or fail, and says what to do. Leaves with 1 when one fails.`,
		Example: `  comity doctor
  comity doctor xb`,
		RunE: func(c *cobra.Command, args []string) error {
			var peers []protocol.NodeID
			for _, text := range append(names, args...) {
				id, err := nodeID(text)
				if err != nil {
					return err
				}
				peers = append(peers, id)
			}
			return p.examine(c.Context(), peers)
		},
	}
	c.Flags().StringArrayVar(&names, "peer", nil, "`NODE` to send a test parcel to; repeatable, also without --peer")
	return c
}

func (p *program) examine(ctx context.Context, peers []protocol.NodeID) error {
	dir, err := p.directory()
	if err != nil {
		return err
	}
	_, missing := os.Stat(operate.Layout{Dir: dir}.Config())
	alone := errors.Is(missing, os.ErrNotExist) // no node, or the folder of an office's officers
	if alone && !control.Running(ctx, dir) {
		_, err := control.ReadConfig(dir)
		return err
	}
	worst := control.OK
	show := func(check control.Check) error {
		if check.Verdict == control.Fail || worst == control.OK {
			worst = check.Verdict
		}
		return p.check(check)
	}
	var files []control.Check
	if !alone {
		files = control.Examine(dir, time.Now())
	}
	for _, check := range files {
		if err := show(check); err != nil {
			return err
		}
	}
	node, err := p.dial(ctx)
	if err != nil {
		var e *control.Error
		if errors.As(err, &e) {
			return errors.Join(err, show(control.Check{Name: "node", Verdict: control.Fail, Finding: e.Message, Do: e.Hint}))
		}
		return err
	}
	if err := errors.Join(node.Doctor(ctx, p.as, peers, show), node.Close()); err != nil {
		return err
	}
	if worst == control.Fail {
		return problem("do what stands under each of them, then run it again", "not everything is in order")
	}
	return nil
}

func (p *program) check(c control.Check) error {
	if p.json {
		return p.line(c)
	}
	p.say("%-4s  %-13s  %s", c.Verdict, c.Name, safe(c.Finding))
	if c.Do != "" {
		p.say("      %-13s  do: %s", "", safe(p.typed(c.Do)))
	}
	return nil
}
