package operate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"comity/crypto/keys"
	"comity/crypto/merkle"
	"comity/crypto/pgp"
	"comity/crypto/seal"
	"comity/node/gateway"
	"comity/node/office"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/record"
	"comity/protocol/statement"
	"comity/store"
)

// ErrNoNode says that a directory holds no node. Nothing is created in its place.
var ErrNoNode = errors.New("there is no node in this directory")

// maxKeyFile bounds every key file; an age identity with comments is the longest.
const maxKeyFile = 16 << 10

// Options are what a caller may choose when it opens a node.
type Options struct {
	// Conn is the UDP socket to serve and dial on; nil opens the node without a
	// network, as commands do while it is not running.
	Conn net.PacketConn
	// Resolve turns an endpoint of a record into an address; nil resolves as usual.
	Resolve func(ctx context.Context, endpoint string) (net.Addr, error)
	Now     func() time.Time
	Logger  *slog.Logger
	// Store may replace how databases are opened; the zero value is the usual way.
	Store store.Config
}

// Node is an open node: everything in one process. Close it.
type Node struct {
	Layout  Layout
	Config  Config
	Gateway *gateway.Gateway
	Offices map[protocol.AuthorityID]*office.Office

	lock    *Lock
	closers []func() error
}

// Open takes the lock and opens everything that Create made. It returns
// ErrNoNode for a directory without a node and ErrLocked when another process
// has it.
func Open(ctx context.Context, dir string, o Options) (_ *Node, err error) {
	n := &Node{Layout: Layout{dir}, Offices: map[protocol.AuthorityID]*office.Office{}}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	n.Config, err = ReadConfig(n.Layout.Config())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open %s: %w", dir, ErrNoNode)
	} else if err != nil {
		return nil, err
	}
	if err := keys.MkdirPrivate(dir); err != nil { // it exists: this only looks at its mode
		return nil, err
	}
	if n.lock, err = TakeLock(n.Layout); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close())
		}
	}()
	if err := n.openGateway(ctx, o); err != nil {
		return nil, fmt.Errorf("open node %s: %w", n.Config.Node, err)
	}
	for _, a := range n.Config.Authorities {
		if err := n.openOffice(ctx, a, o); err != nil {
			return nil, fmt.Errorf("open office %s: %w", a, err)
		}
	}
	return n, nil
}

// ReadRecord reads and verifies the state's own record of a data directory. It
// needs no lock.
func ReadRecord(l Layout) (*record.State, error) {
	doc, err := os.ReadFile(l.Record())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open %s: %w", l.Dir, ErrNoNode)
	} else if err != nil {
		return nil, err
	}
	sig, err := os.ReadFile(l.Record() + ".asc")
	if err != nil {
		return nil, err
	}
	state, err := record.Verify(statement.Signed{Document: doc, Signature: sig}, nil)
	if err != nil {
		return nil, fmt.Errorf("read own record %s: %w", l.Record(), err)
	}
	return state, nil
}

func (n *Node) openGateway(ctx context.Context, o Options) error {
	own, err := ReadRecord(n.Layout)
	if err != nil {
		return err
	}
	nodeKey, err := readSecret(n.Layout.NodeFile(nodeKeyFile), n.Layout.NodeFile(certificateFile))
	if err != nil {
		return err
	}
	pem, err := keys.Read(n.Layout.NodeFile(tlsFile), maxKeyFile)
	if err != nil {
		return err
	}
	cert, err := keys.ParseTLS(pem)
	if err != nil {
		return fmt.Errorf("read %s: %w", n.Layout.NodeFile(tlsFile), err)
	}
	logSecret, err := keys.Read(n.Layout.NodeFile(logKeyFile), maxKeyFile)
	if err != nil {
		return err
	}
	logKey, err := merkle.ParseSigner(logSecret)
	if err != nil {
		return fmt.Errorf("read %s: %w", n.Layout.NodeFile(logKeyFile), err)
	}
	cfg := o.Store
	cfg.Dir, cfg.Now = n.Layout.Node(), o.Now
	db, err := store.OpenGateway(ctx, cfg)
	if err != nil {
		return err
	}
	n.closers = append(n.closers, db.Close)
	n.Gateway, err = gateway.New(ctx, gateway.Config{
		Store: db, Own: own, NodeKey: nodeKey, TLS: cert, Log: logKey,
		Conn: o.Conn, Resolve: o.Resolve, Now: o.Now, Logger: o.Logger,
	})
	return err
}

func (n *Node) openOffice(ctx context.Context, a protocol.AuthorityID, o Options) error {
	member, ok := n.Gateway.OwnState().Authority(a)
	if !ok {
		return fmt.Errorf("the record of this node does not list it: remove it from %s or publish a record that does", n.Layout.Config())
	}
	act, err := readSecret(n.Layout.OfficeFile(a, actKeyFile), n.Layout.OfficeFile(a, certificateFile))
	if err != nil {
		return err
	}
	attest, err := readSecret(n.Layout.OfficeFile(a, attestKeyFile), n.Layout.OfficeFile(a, certificateFile))
	if err != nil {
		return err
	}
	if err := errors.Join(
		member.Key(evidence.Act, act.Digest(), o.Now()),
		member.Key(evidence.Attest, attest.Digest(), o.Now())); err != nil {
		o.Logger.Warn("a key of the office is not usable", "authority", a, "error", err)
	}
	identities, err := readIdentities(n.Layout.OfficeFile(a, ageFolder))
	if err != nil {
		return err
	}
	pem, err := keys.Read(n.Layout.OfficeFile(a, tlsFile), maxKeyFile)
	if err != nil {
		return err
	}
	cert, err := keys.ParseTLS(pem)
	if err != nil {
		return fmt.Errorf("read %s: %w", n.Layout.OfficeFile(a, tlsFile), err)
	}
	cfg := o.Store
	cfg.Dir, cfg.Now = n.Layout.Office(a), o.Now
	db, err := store.OpenOffice(ctx, cfg, a)
	if err != nil {
		return err
	}
	n.closers = append(n.closers, db.Close)
	n.Offices[a], err = office.New(office.Config{
		Authority: a, Store: db, Gateway: n.Gateway, Act: act, Attest: attest, Identities: identities,
		ConsigneeKey: keys.SPKI(cert.Leaf), Now: o.Now, Logger: o.Logger,
	})
	return err
}

func readSecret(path, certificate string) (*pgp.Secret, error) {
	public, err := os.ReadFile(certificate)
	if err != nil {
		return nil, err
	}
	cert, err := pgp.ParseCertificate(public, protocol.MaxCertificate)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", certificate, err)
	}
	b, err := keys.Read(path, maxKeyFile)
	if err != nil {
		return nil, err
	}
	s, err := pgp.ParseSecret(b, cert)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return s, nil
}

// readIdentities reads every age identity file of an office, newest name first.
func readIdentities(dir string) (seal.Identities, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all seal.Identities
	for i := len(entries) - 1; i >= 0; i-- {
		if !strings.HasSuffix(entries[i].Name(), ".txt") {
			continue
		}
		path := filepath.Join(dir, entries[i].Name())
		text, err := keys.Read(path, maxKeyFile)
		if err != nil {
			return nil, err
		}
		id, err := seal.ParseIdentity(string(text))
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		all = append(all, id)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("read %s: no age identity (a file that ends in .txt) is there", dir)
	}
	return all, nil
}

// Run runs gateway and offices until ctx ends or one of them fails, and
// returns when all have stopped.
func (n *Node) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	parts := []func(context.Context) error{n.Gateway.Run}
	for _, o := range n.Offices {
		parts = append(parts, o.Run)
	}
	done := make(chan error, len(parts))
	for _, run := range parts {
		go func() { done <- run(ctx) }()
	}
	var errs []error
	for range parts {
		err := <-done
		if err != nil && !errors.Is(err, context.Canceled) {
			errs = append(errs, err)
		}
		cancel(err) // one part without the others is not a node
	}
	return errors.Join(errs...)
}

// Close closes the databases and gives the lock back. Run must have returned.
func (n *Node) Close() error {
	var errs []error
	for i := len(n.closers) - 1; i >= 0; i-- {
		errs = append(errs, n.closers[i]())
	}
	n.closers = nil
	if n.lock != nil {
		errs = append(errs, n.lock.Release())
		n.lock = nil
	}
	return errors.Join(errs...)
}
