package main

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"comity/crypto/pgp"
	"comity/node/control"
	"comity/node/gateway"
	"comity/node/operate"
	"comity/protocol"
	"comity/protocol/record"
)

// defaultPort is the port, UDP and TCP, of an endpoint that names none.
const defaultPort = "7443"

// initFlags are what init is told.
type initFlags struct {
	state, node, name, language string
	authorities, names          []string
	endpoint, listen, algorithm string
	protect                     bool
	postgres                    string
}

func (p *program) init() *cobra.Command {
	var f initFlags
	c := &cobra.Command{
		Use: "init", GroupID: "first", Args: words(0, 0),
		Short: "Create a node with its offices in an empty directory",
		Long: `Creates everything that a node and its offices need: keys, the state's first
record, an empty log, empty databases. It never changes what exists.

--endpoint is the address that other states dial, over UDP, or over TCP where UDP
does not pass; a port of 0 takes a free one, which is then kept. --listen is the address to serve on, if another one.

The rows stand in SQLite files inside the directory or, with --postgres-url-file,
in a PostgreSQL database (15 or newer). FILE, mode 0600, holds its connection
string, such as postgres://comity:PASSWORD@db.example.org/comity?sslmode=verify-full
and stays where it is: comity.toml names it. The account needs the right to
create schemas there: comity_NODE_gateway, and comity_NODE_office_NAME for each
authority. credential:NAME instead of FILE is a systemd credential.

The keys in the folder "offline" speak for the state and for its authorities.
The node never reads them: move them away from the machine.

--protect protects all key files by passphrases from the start, one each for the
node, for every office, for every act key with which people act,
and for the offline keys. A passphrase comes from --passphrase-file, a systemd
credential, or is asked for. Files for node and offices, and one for all, are
noted in comity.toml for "serve"; for an act key with a file of its own, people
are asked when they act.`,
		Example: `  comity init --dir node --state xa --name "State A" \
    --authority central-authority --authority-name "Central Authority" \
    --endpoint gateway.example.org:7443

  comity key passphrase /etc/comity/passphrase
  comity key passphrase offline.passphrase
  comity init --dir node --state xa --name "State A" \
    --authority central-authority --authority-name "Central Authority" \
    --endpoint gateway.example.org:7443 --protect \
    --passphrase-file /etc/comity/passphrase \
    --passphrase-file offline=offline.passphrase`,
		RunE: func(c *cobra.Command, _ []string) error {
			dir, err := p.directory()
			if err != nil {
				return err
			}
			plan, err := f.plan(dir)
			if err != nil {
				return err
			}
			if err := p.protectFromTheStart(c.Context(), &f, plan); err != nil {
				return err
			}
			state, err := operate.Create(c.Context(), *plan)
			if err != nil {
				return createError(dir, err)
			}
			return p.created(plan, state)
		},
	}
	flags := c.Flags()
	flags.StringVar(&f.state, "state", "", "`STATE`, two letters, such as xa")
	flags.StringVar(&f.node, "node", "", "name of the `NODE`, when the state runs several, such as xa-north (default: the state)")
	flags.StringVar(&f.name, "name", "", "`NAME` of the state for people")
	flags.StringVar(&f.language, "language", "en", "`LANGUAGE` of the names (BCP 47)")
	flags.StringArrayVar(&f.authorities, "authority", nil, "an `AUTHORITY` that the node hosts, such as central-authority; repeatable")
	flags.StringArrayVar(&f.names, "authority-name", nil, "its `NAME` for people; as often as --authority, in the same order")
	flags.StringVar(&f.endpoint, "endpoint", "", "`HOST:PORT` that peers dial")
	flags.StringVar(&f.listen, "listen", "", "`ADDRESS:PORT` to serve on (default: the endpoint's port on all addresses)")
	flags.StringVar(&f.postgres, "postgres-url-file", "", "keep the rows in PostgreSQL: the `FILE` with the connection string (default: SQLite)")
	flags.StringVar(&f.algorithm, "algorithm", "ed25519", "`KIND` of signing keys: ed25519 or p256 (for hardware tokens)")
	flags.BoolVar(&f.protect, "protect", false, "protect all keys by passphrases")
	return c
}

// createError adds the hint to what stands in the way of a new node.
func createError(dir string, err error) error {
	if _, statErr := os.Stat(operate.Layout{Dir: dir}.Config()); statErr == nil {
		return problem(`run it with "comity serve", or choose another directory with --dir`, "there is a node in %s already; nothing was changed", dir)
	}
	if entries, readErr := os.ReadDir(dir); readErr == nil && len(entries) > 0 || errors.Is(err, fs.ErrPermission) {
		return problem("choose an empty directory of your own with --dir", "%v", err)
	}
	return control.Explain(err)
}

// plan checks what was typed and chooses ports.
func (f *initFlags) plan(dir string) (*operate.Plan, error) {
	const example = `"comity help init" shows an example`
	plan := &operate.Plan{Dir: dir, Now: time.Now(), Algorithm: pgp.Algorithm(f.algorithm)}
	var missing []string
	for flag, given := range map[string]bool{
		"--state": f.state != "", "--name": f.name != "", "--authority": len(f.authorities) > 0, "--endpoint": f.endpoint != "",
	} {
		if !given {
			missing = append(missing, flag)
		}
	}
	switch {
	case len(missing) > 0:
		return nil, misuse(example, "a new node needs %s", strings.Join(slices.Sorted(slices.Values(missing)), ", "))
	case len(f.names) != len(f.authorities):
		return nil, misuse(example, "%s but %s: give each authority its name, in the same order",
			count(len(f.authorities), "--authority"), count(len(f.names), "--authority-name"))
	case plan.Algorithm != pgp.Ed25519 && plan.Algorithm != pgp.P256:
		return nil, misuse("", "--algorithm %q: want ed25519 or p256", f.algorithm)
	}
	if f.node == "" {
		f.node = f.state
	}
	var state protocol.StateID
	if err := errors.Join(state.UnmarshalText([]byte(f.state)), plan.Node.UnmarshalText([]byte(f.node))); err != nil {
		return nil, misuse(example, "%v", err)
	}
	if plan.Node.State() != state {
		return nil, misuse("", "--node %s: the name of a node begins with its state, %s", f.node, state)
	}
	plan.StateName = []record.Name{{Language: f.language, Text: f.name}}
	for i, short := range f.authorities {
		full := short
		if !strings.Contains(short, "/") {
			full = f.state + "/" + short
		}
		var id protocol.AuthorityID
		if err := id.UnmarshalText([]byte(full)); err != nil || id.State() != state {
			return nil, misuse(example, "--authority %q: want lower-case letters, digits and single hyphens, such as central-authority", short)
		}
		plan.Authorities = append(plan.Authorities, operate.PlannedAuthority{
			ID: id, Name: []record.Name{{Language: f.language, Text: f.names[i]}},
		})
	}
	if f.postgres != "" {
		plan.Store = operate.Database{Engine: operate.Postgres, URLFile: f.postgres}
		if !strings.HasPrefix(f.postgres, "credential:") {
			var err error
			if plan.Store.URLFile, err = filepath.Abs(f.postgres); err != nil {
				return nil, err
			}
		}
	}
	return plan, f.ports(plan)
}

// ports completes both addresses: a port of 0 takes a free one now, which the
// node keeps for good, because it stands in its record.
func (f *initFlags) ports(plan *operate.Plan) error {
	host, port, err := splitAddress(f.endpoint)
	if errors.Is(err, strconv.ErrRange) {
		return misuse("", "--endpoint %q: a port is 1 to 65535", f.endpoint)
	} else if err != nil || host == "" {
		return misuse("", "--endpoint %q: want host:port, such as gateway.example.org:7443", f.endpoint)
	}
	at, listenPort := "", port
	if f.listen != "" {
		if at, listenPort, err = splitAddress(f.listen); errors.Is(err, strconv.ErrRange) {
			return misuse("", "--listen %q: a port is 1 to 65535", f.listen)
		} else if err != nil {
			return misuse("", "--listen %q: want address:port, such as 0.0.0.0:7443", f.listen)
		}
	} else if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
		at = host // a node for this machine only
	}
	if listenPort == "0" {
		udp, tcp, err := gateway.Listen(net.JoinHostPort(at, "0"))
		if err != nil {
			return problem("choose the port with --listen", "find a free port: %v", err)
		}
		_, listenPort, _ = net.SplitHostPort(udp.LocalAddr().String())
		if err := errors.Join(udp.Close(), tcp.Close()); err != nil {
			return err
		}
	}
	if port == "0" {
		port = listenPort
	}
	plan.Listen = net.JoinHostPort(at, listenPort)
	plan.Endpoints = []string{net.JoinHostPort(host, port)}
	return nil
}

func splitAddress(text string) (host, port string, err error) {
	if host, port, err = net.SplitHostPort(text); err != nil {
		host, port, err = net.SplitHostPort(net.JoinHostPort(strings.Trim(text, "[]"), defaultPort))
	}
	if n, bad := strconv.ParseUint(port, 10, 16); bad != nil {
		return "", "", bad
	} else if strconv.FormatUint(n, 10) != port {
		return "", "", strconv.ErrSyntax
	}
	return host, port, err
}

// created tells what was made and what to do next.
func (p *program) created(plan *operate.Plan, state *record.State) error {
	layout := operate.Layout{Dir: plan.Dir}
	if p.json {
		var ids []protocol.AuthorityID
		for _, a := range plan.Authorities {
			ids = append(ids, a.ID)
		}
		return p.object(createdView{
			Dir: plan.Dir, Node: plan.Node, Authorities: ids, Listen: plan.Listen, Endpoints: plan.Endpoints,
			Record: state.Ref().Digest, Words: state.Words(), Digits: state.Digits(), Offline: layout.Offline(),
		})
	}
	p.say("Created node %s in %s.", plan.Node, plan.Dir)
	for _, a := range plan.Authorities {
		p.say("  office of   %s (%s)", a.ID, name(a.Name[0].Text))
	}
	p.say("  serves on   %s (UDP and TCP)", plan.Listen)
	p.say("  known as    %s", strings.Join(plan.Endpoints, ", "))
	if plan.Store.Engine != "" {
		p.say("  rows in     %s", plan.Store)
	}
	p.say("\nThe words of its record. Read them to the other side by telephone, never in")
	p.say("the same message as the introduction:\n")
	p.words(state.Words(), state.Digits())
	p.say("\nNow")
	p.say("  1. move %s off this machine: whoever has it speaks for the state;", layout.Offline())
	p.say("  2. comity serve --dir %s", quoted(plan.Dir))
	p.say("  3. comity introduce --dir %s -o %s.json", quoted(plan.Dir), plan.Node)
	p.say("     and give that file to the other side, who types: comity peer pin %s.json", plan.Node)
	return nil
}

type createdView struct {
	Dir         string                 `json:"dir"`
	Node        protocol.NodeID        `json:"node"`
	Authorities []protocol.AuthorityID `json:"authorities"`
	Listen      string                 `json:"listen"`
	Endpoints   []string               `json:"endpoints"`
	Record      protocol.Digest        `json:"record_sha256"`
	Words       []string               `json:"words"`
	Digits      string                 `json:"digits"`
	Offline     string                 `json:"offline"`
}

// words shows the words of a record in three lines of four, and its digits.
func (p *program) words(words []string, digits string) {
	for i := 0; i < len(words); i += 4 {
		p.say("  %s", strings.Join(words[i:min(i+4, len(words))], " "))
	}
	p.say("  or in digits: %s", digits)
}
