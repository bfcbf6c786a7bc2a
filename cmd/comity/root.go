package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"comity/node/control"
)

// Exit codes, as the help lists them.
const (
	exitDone      = 0
	exitFailed    = 1
	exitMisuse    = 2
	exitIntegrity = 3
	exitUnchecked = 4
)

const about = `Comity carries requests for judicial cooperation between the authorities of two
states, sealed on the way and proved by signed evidence at every step.

See it work:          comity demo
Start a node:         comity init, then comity serve
Meet another state:   comity introduce, then comity peer pin FILE
Meet many at once:    comity directory join ROOT --mirror URL
Send a request:       comity send --to xb/prosecution-service --file request.pdf
Receive:              comity inbox, comity open PARCEL 1, comity acknowledge PARCEL

A parcel may be named by the first or last characters of its id, at least six:
best its last six, because the first are a time.

Exit codes: 0 done, 1 failed, 2 misuse, 3 integrity (what is stored must not be
used as it is) or no node in this directory, 4 consistent but identities
unchecked.`

// program is what one run of the command has: its streams, its environment and
// the flags that every command knows.
type program struct {
	env    map[string]string
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer

	dir     string
	as      string
	json    bool
	started bool // the command line was understood

	passphraseFiles []string // [WHOSE=]FILE
}

// run is the whole program: main and the script tests call it. It returns the
// exit code.
func run(ctx context.Context, args, env []string, stdin io.Reader, stdout, stderr io.Writer) int {
	out := &output{Writer: stdout}
	p := &program{env: map[string]string{}, stdin: stdin, stdout: out, stderr: stderr}
	for _, pair := range env {
		key, value, _ := strings.Cut(pair, "=")
		p.env[key] = value
	}
	root := p.root()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(out)
	root.SetErr(stderr)
	command, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil && out.err != nil:
		err = problem("make room where its output goes; the command itself need not be typed again", "it was done, but not all that it says could be written: %v", out.err)
	case err == nil:
		return exitDone
	case !p.started:
		err = misuse(`type "`+command.CommandPath()+` --help"`, "%v", err)
	}
	return p.complain(ctx, err)
}

func (p *program) root() *cobra.Command {
	version := p.version()
	asked := false
	root := &cobra.Command{
		Use:           "comity",
		Short:         "Sealed transmission between the authorities of states",
		Long:          about,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(c *cobra.Command, _ []string) error {
			// Cobra looks only afterwards, when it is too late to be a misuse.
			if err := cmp.Or(c.ValidateRequiredFlags(), c.ValidateFlagGroups()); err != nil {
				return err
			}
			p.started = true
			p.as = cmp.Or(p.as, p.env["COMITY_AS"])
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error {
			if asked {
				return version.RunE(c, nil)
			}
			return c.Help()
		},
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.Args = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknown(c, args[0])
		}
		return nil
	}
	flags := root.PersistentFlags()
	flags.StringVar(&p.dir, "dir", "", "data directory `D` of the node (default $COMITY_DIR, else ~/.comity)")
	flags.StringVar(&p.as, "as", "", "`AUTHORITY` to act for, when the node hosts several (default $COMITY_AS)")
	flags.BoolVar(&p.json, "json", false, "write JSON for programs")
	flags.StringArrayVar(&p.passphraseFiles, "passphrase-file", nil, aboutPassphrases)

	root.Flags().BoolVar(&asked, "version", false, "say which version this is")
	root.SetHelpCommand(help())
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		if says, _, number := strings.Cut(err.Error(), ": strconv."); number {
			return errors.New(says + ": want a whole number")
		}
		return err
	})

	// Commands stand in the order in which they are needed, not by the alphabet.
	cobra.EnableCommandSorting = false
	root.AddGroup(
		&cobra.Group{ID: "first", Title: "To begin with:"},
		&cobra.Group{ID: "peers", Title: "Other states:"},
		&cobra.Group{ID: "parcels", Title: "Parcels:"},
		&cobra.Group{ID: "checks", Title: "Checks:"},
	)
	peer := group("peer", "Pin, list and ping the nodes of other states", "peers", p.peerPin(), p.peerList(), p.peerPing())
	parcel := group("parcel", "Export a parcel for stock tools", "checks", p.parcelExport())
	key := group("key", "Protect, renew and replace keys, and announce stolen ones", "checks",
		p.keyProtect(), p.keyUnprotect(), p.keyPassphrase(), p.keyRenew(), p.keyRotate(), p.keyCompromised())
	node := group("node", "Publish another address, name or limit of this node", "first", p.nodeChange())
	logs := group("log", "Check the node's log", "checks", p.logCheck(), p.logNewEra(), p.logAudit(), p.logDisclose())
	report := group("report", "Report exceptions of a period", "checks", p.reportExceptions())
	for _, c := range []*cobra.Command{
		p.demo(), p.init(), p.serve(), node, p.authorityGroup(), p.introduce(), peer, p.directoryGroup(), p.federationGroup(), p.send(), p.sent(), p.show(), p.follow(), p.withdraw(),
		p.inbox(), p.open(), p.acknowledge(), p.decline(), p.doctor(), p.bundle(), p.verify(), parcel, logs, report, key, version,
	} {
		root.AddCommand(c)
	}
	return root
}

// group is a command that only has commands.
func group(name, short, in string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: name, Short: short, GroupID: in,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknown(c, args[0])
			}
			return nil
		},
	}
	c.AddCommand(commands...)
	return c
}

// help is cobra's, but for words that are no command: they are a misuse.
func help() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "Show what a command does, with examples",
		RunE: func(c *cobra.Command, args []string) error {
			about, rest, err := c.Root().Find(args)
			if err == nil && len(rest) > 0 {
				err = unknown(about, rest[0])
			}
			if err != nil {
				return misuse(`type "comity --help"`, "%v", err)
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

func unknown(c *cobra.Command, word string) error {
	text := fmt.Sprintf("there is no command %q", strings.TrimSpace(c.CommandPath()+" "+word))
	for _, distance := range []int{1, 2} { // the nearest first
		c.SuggestionsMinimumDistance = distance
		if near := c.SuggestionsFor(word); len(near) > 0 {
			text += fmt.Sprintf("; did you mean %q?", c.CommandPath()+" "+near[0])
			break
		}
	}
	return errors.New(text)
}

// words checks the number of arguments and says what is wanted: form is how
// the help shows them.
func words(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) >= least && len(args) <= most {
			return nil
		}
		_, form, _ := strings.Cut(c.Use, " ")
		form = strings.TrimSpace(form)
		switch {
		case most == 0:
			return fmt.Errorf("%q takes no words after it, got %q", c.CommandPath(), args[0])
		case len(args) < least:
			return fmt.Errorf("%q wants %s", c.CommandPath(), form)
		}
		return fmt.Errorf("%q wants only %s, got %d words", c.CommandPath(), form, len(args))
	}
}

// directory returns the data directory: the flag, the environment, the home.
func (p *program) directory() (string, error) {
	dir := p.dir
	if dir == "" {
		dir = p.env["COMITY_DIR"]
	}
	if dir == "" {
		home := p.env["HOME"]
		if home == "" {
			return "", misuse("name one with --dir", "there is no data directory: neither --dir, nor COMITY_DIR, nor HOME is set")
		}
		dir = filepath.Join(home, ".comity")
	}
	return filepath.Abs(dir)
}

// dial reaches the node. The caller closes the client.
func (p *program) dial(ctx context.Context) (*control.Client, error) {
	dir, err := p.directory()
	if err != nil {
		return nil, err
	}
	from, err := p.passphrases(ctx, holdersIn(dir))
	if err != nil {
		return nil, err
	}
	return control.DialWith(ctx, dir, from)
}

// look is ask for what needs no key: it works whether or not there is a
// passphrase, and asks nobody for one.
func (p *program) look(ctx context.Context, f func(*control.Client) error) error {
	dir, err := p.directory()
	if err != nil {
		return err
	}
	c, err := control.Dial(ctx, dir)
	if err != nil {
		return err
	}
	return errors.Join(f(c), c.Close())
}

// ask dials, asks, and closes.
func (p *program) ask(ctx context.Context, f func(*control.Client) error) error {
	c, err := p.dial(ctx)
	if err != nil {
		return err
	}
	return errors.Join(f(c), c.Close())
}

// readInput reads a small file, or standard input for "-".
func (p *program) readInput(path string, limit int64) ([]byte, error) {
	in := p.stdin
	if path != "-" {
		f, err := os.Open(path)
		if errors.Is(err, os.ErrNotExist) {
			return nil, problem("check the path", "%s: there is no such file", path)
		} else if err != nil {
			return nil, problem("", "%v", err)
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil && info.IsDir() {
			return nil, problem("name the file in it", "%s is a folder", path)
		}
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err != nil {
		return nil, problem("", "read %s: %v", path, err)
	}
	if int64(len(data)) > limit {
		return nil, problem("see whether it is the right file", "%s is longer than %d bytes", path, limit)
	}
	return data, nil
}
