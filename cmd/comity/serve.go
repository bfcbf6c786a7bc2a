package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"comity/node/control"
	"comity/node/gateway"
	"comity/node/operate"
	"comity/protocol"
)

func (p *program) serve() *cobra.Command {
	var verbose bool
	c := &cobra.Command{
		Use: "serve", GroupID: "first", Args: words(0, 0),
		Short: "Run the node and its offices until stopped",
		Long: `Runs the node and its offices: receives, delivers, verifies, and answers commands.
It only opens what "comity init" created and never creates anything. Before it signs
anything it asks its peers what they hold of its log, for 30 s at most. It logs to
standard error and stops within seconds on SIGTERM or SIGINT; a power cut does
no harm. Protected keys want their passphrases: from --passphrase-file, systemd
credentials (comity-node, comity-office-AUTHORITY), comity.toml, or the terminal.
Without the node's it does not start; an office without its own stays locked, and
what arrives for it is taken and waits. Leaves with 3 when there is no node in the directory, or when what is
stored there must not be used.`,
		RunE: func(c *cobra.Command, _ []string) error {
			dir, err := p.directory()
			if err != nil {
				return err
			}
			level := slog.LevelInfo
			if verbose {
				level = slog.LevelDebug
			}
			logger := slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: level}))
			return p.runNode(c.Context(), dir, logger)
		},
	}
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "log more")
	return c
}

func (p *program) runNode(ctx context.Context, dir string, logger *slog.Logger) error {
	if control.Running(ctx, dir) {
		return problem("end that one first", "a node already runs on %s", dir)
	}
	config, err := control.ReadConfig(dir)
	if err != nil {
		return err
	}
	operate.LimitMemory(logger) // before anything is opened, which divides what there is
	udp, tcp, err := gateway.Listen(config.Listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return problem(`see which program has the port, or change it in comity.toml, and tell peers with "comity node change --endpoint HOST:PORT"`, "the address %s is taken", config.Listen)
	} else if err != nil {
		return problem("change listen in comity.toml to an address of this machine", "listen on %s: %v", config.Listen, err)
	}
	defer udp.Close()
	defer tcp.Close()
	from, err := p.passphrases(ctx, holdersIn(dir))
	if err != nil {
		return err
	}
	defer calmCollector()()
	node, err := control.Open(ctx, dir, operate.Options{Conn: udp, TCP: tcp, Logger: logger, Passphrases: from})
	if err != nil {
		return err
	}
	if locked := node.Locked[operate.NodeHolder]; locked != nil {
		return errors.Join(control.Explain(locked), node.Close())
	}
	tellLocked(node, logger)
	if err := control.NoteStart(ctx, node, buildVersion()); err != nil {
		logger.Warn("the start is not noted for the report of exceptions", "error", err) // a full disk must not keep a node from starting
	}
	err = p.together(ctx, node, logger)
	return control.Explain(errors.Join(err, node.Close()))
}

// tellLocked says which offices do without their keys, and what that means.
func tellLocked(node *operate.Node, logger *slog.Logger) {
	for _, a := range node.Config.Authorities {
		if locked := node.Locked[operate.OfficeHolder(a)]; locked != nil {
			logger.Warn("an office is locked: what arrives for it is taken and waits until its passphrase is given", "authority", string(a), "error", locked)
		}
		if node.Locked[operate.ActHolder(a)] != nil {
			logger.Info("people unlock the act key with their passphrase when they act", "authority", string(a))
		}
	}
}

// ready waits until the node may sign, and says what it waits for when that takes longer
// than a moment.
func (p *program) ready(ctx context.Context, node *operate.Node) error {
	ready := make(chan error, 1)
	go func() { ready <- node.Gateway.Ready(ctx) }()
	moment := time.NewTimer(time.Second)
	defer moment.Stop()
	select {
	case err := <-ready:
		return err
	case <-moment.C:
	}
	if peers, err := node.Gateway.Peers(ctx); err == nil && node.Gateway.Standing().Waits {
		p.say("comity: asking %s what %s of this node's log, %s at most", count(len(peers), "peer"), noun(int64(len(peers)), "it holds", "they hold"), protocol.CompareWait)
	}
	return <-ready
}

// together runs the node and answers commands, and ends both when one ends.
func (p *program) together(ctx context.Context, node *operate.Node, logger *slog.Logger) error {
	server, err := control.Listen(node, logger)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var serving sync.WaitGroup
	var serveErr error
	serving.Go(func() {
		serveErr = server.Serve(ctx)
		cancel() // without its socket a node cannot be told anything
	})
	serving.Go(func() {
		// Not before it may sign: what turns out to be an older copy was never ready.
		if p.ready(ctx, node) == nil {
			p.say("comity: node %s is ready on %s", node.Config.Node, node.Config.Listen)
		}
	})
	err = node.Run(ctx)
	cancel()
	serving.Wait()
	logger.Info("stopped", "node", node.Config.Node)
	return errors.Join(err, serveErr)
}
