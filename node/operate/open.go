package operate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"comity/crypto/keys"
	"comity/crypto/merkle"
	"comity/crypto/pgp"
	"comity/node/federation"
	"comity/node/gateway"
	"comity/node/office"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/record"
	"comity/protocol/statement"
	"comity/store"
)

// ErrNoNode says that a directory holds no node. Nothing is created in its place.
var ErrNoNode = errors.New("there is no node in this directory")

// Options are what a caller may choose when it opens a node.
type Options struct {
	// Conn is the UDP socket to serve and dial on; nil opens the node without a
	// network, as commands do while it is not running.
	Conn net.PacketConn
	// TCP is the TCP port of the same number, for peers that UDP does not reach;
	// nil: only QUIC is spoken. Run closes it.
	TCP net.Listener
	// Resolve turns an endpoint of a record into an address; nil resolves as usual.
	Resolve func(ctx context.Context, endpoint string) (net.Addr, error)
	Now     func() time.Time
	Logger  *slog.Logger
	// Store may replace how databases are opened; the zero value is the usual way.
	Store store.Config
	// Mirrors carries requests to the mirrors of a federation; nil: as usual.
	Mirrors http.RoundTripper
	// Passphrases open protected keys. nil leaves them closed: then what needs
	// them answers with a LockedError, and everything else works.
	Passphrases *Passphrases
}

// Node is an open node: everything in one process. Close it.
type Node struct {
	Layout  Layout
	Config  Config
	Gateway *gateway.Gateway
	// Federation follows the federation that the node joined, if any.
	Federation *federation.Follower
	Offices    map[protocol.AuthorityID]*office.Office
	// Locked are the holders whose passphrase is missing or wrong, with the keys
	// that stay closed. With the node's own among them Run returns at once.
	Locked map[Holder]*LockedError

	confirmed atomic.Pointer[gateway.Gateway] // who knows whether peers confirm the clock; nil: nobody yet

	acting  sync.Mutex // held while an act key is opened
	lock    *Lock
	closers []func() error
}

// Open takes the lock and opens everything that Create made. It returns
// ErrNoNode for a directory without a node and ErrLocked when another process
// has it. Keys whose passphrase is missing or wrong do not stop it, see Locked.
func Open(ctx context.Context, dir string, o Options) (_ *Node, err error) {
	n := &Node{Layout: Layout{dir}, Offices: map[protocol.AuthorityID]*office.Office{}, Locked: map[Holder]*LockedError{}}
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
	n.Federation = federation.OpenFollower(federation.FollowerConfig{
		Dir: n.Layout.Federation(), Own: n.Config.Node.State(), Node: follows{n.Gateway}, Now: o.Now, Logger: o.Logger, Transport: o.Mirrors,
	})
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
	cfg, err := n.Config.Store.gateway(n.Layout, n.Config.Node, n.database(o))
	if err != nil {
		return err
	}
	db, err := store.OpenGateway(ctx, cfg)
	if err != nil {
		return err
	}
	n.closers = append(n.closers, db.Close)
	if err := settleNext(ctx, n.Layout, db, n.Config.Node.State()); err != nil {
		return err
	}
	own, err := ReadRecord(n.Layout)
	if err != nil {
		return err
	}
	c := gateway.Config{
		Own: own, Conn: o.Conn, TCP: o.TCP, Resolve: o.Resolve, Now: o.Now, Logger: o.Logger, Original: n.original,
		Kept: n.kept, QueueShare: n.Config.QueueShare, Unknown: func(protocol.NodeID) { n.Federation.Nudge() },
	}
	if err := n.readGatewayKeys(&c, n.keyring(NodeHolder, o)); err != nil {
		if c.Locked = n.lockedBy(err); c.Locked == nil {
			return err
		}
	}
	c.Store = db
	n.Gateway, err = gateway.New(ctx, c)
	n.confirmed.Store(n.Gateway)
	return err
}

// database is how this node opens its databases.
func (n *Node) database(o Options) store.Config {
	cfg := o.Store
	cfg.Now = o.Now
	cfg.Confirmed = func() bool {
		g := n.confirmed.Load()
		return g != nil && g.ClockConfirmed()
	}
	return cfg
}

// readGatewayKeys reads what the gateway signs and shows itself with.
func (n *Node) readGatewayKeys(c *gateway.Config, k *keyring) (err error) {
	if c.NodeKey, err = readSecret(k, n.Layout.NodeFile(nodeKeyFile), n.Layout.NodeFile(certificateFile)); err != nil {
		return err
	}
	if c.TLS, err = readTLS(k, n.Layout.NodeFile(tlsFile)); err != nil {
		return err
	}
	former, err := readTLS(k, n.Layout.NodeFile(formerTLSFile))
	if err == nil {
		c.Former = &former
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	logSecret, err := k.read(n.Layout.NodeFile(logKeyFile))
	if err != nil {
		return err
	}
	if c.Log, err = merkle.ParseSigner(logSecret); err != nil {
		return fmt.Errorf("read %s: %w", n.Layout.NodeFile(logKeyFile), err)
	}
	witnessSecret, err := k.read(n.Layout.NodeFile(witnessKeyFile))
	if err != nil {
		return err
	}
	if c.Witness, err = merkle.ParseCosigner(witnessSecret); err != nil {
		return fmt.Errorf("read %s: %w", n.Layout.NodeFile(witnessKeyFile), err)
	}
	return nil
}

// original asks the office that sent a parcel for its sealed bytes.
func (n *Node) original(ctx context.Context, from protocol.AuthorityID, digest protocol.Digest) (exchange.Sealed, error) {
	o, ok := n.Offices[from]
	if !ok {
		return nil, store.ErrNotFound
	}
	return o.Original(ctx, digest)
}

// kept is how many sealed bytes an authority's office keeps. While the offices are
// being opened, and of one that the record lists and this process does not run, it is
// none.
func (n *Node) kept(ctx context.Context, a protocol.AuthorityID) (int64, error) {
	o, ok := n.Offices[a]
	if !ok {
		return 0, nil
	}
	return o.Kept(ctx)
}

func (n *Node) keyring(h Holder, o Options) *keyring {
	return &keyring{holder: h, from: o.Passphrases, config: n.Config}
}

// lockedBy notes which holder's keys stay closed. It returns nil for any other error.
func (n *Node) lockedBy(err error) error {
	var locked *LockedError
	if !errors.As(err, &locked) {
		return nil
	}
	n.Locked[locked.Holder] = locked
	return locked
}

func (n *Node) openOffice(ctx context.Context, a protocol.AuthorityID, o Options) error {
	member, ok := n.Gateway.OwnState().Authority(a)
	if !ok {
		return fmt.Errorf("the record of this node does not list it: remove it from %s or publish a record that does", n.Layout.Config())
	}
	c := office.Config{Authority: a, Gateway: n.Gateway, Now: o.Now, Logger: o.Logger}
	if err := n.readOfficeKeys(&c, n.keyring(OfficeHolder(a), o)); err != nil {
		if c.Locked = n.lockedBy(err); c.Locked == nil {
			return err
		}
	}
	var err error
	act := n.keyring(ActHolder(a), o)
	act.from = act.from.unattended() // a person is asked when the person acts
	if c.Act, err = n.readAct(a, act); err != nil {
		if c.ActLocked = n.lockedBy(err); c.ActLocked == nil {
			return err
		}
	}
	for role, key := range map[evidence.Role]*pgp.Secret{evidence.Act: c.Act, evidence.Attest: c.Attest} {
		if key == nil {
			continue
		}
		if err := member.Key(role, key.Digest(), o.Now()); err != nil {
			o.Logger.Warn("a key of the office is not usable", "authority", a, "error", err)
		}
	}
	cfg := n.database(o)
	if cfg, err = n.Config.Store.office(n.Layout, n.Config.Node, a, cfg); err != nil {
		return err
	}
	db, err := store.OpenOffice(ctx, cfg, a)
	if err != nil {
		return err
	}
	n.closers = append(n.closers, db.Close)
	c.Store = db
	n.Offices[a], err = office.New(c)
	return err
}

// readOfficeKeys reads what an office uses unattended.
func (n *Node) readOfficeKeys(c *office.Config, k *keyring) (err error) {
	a := c.Authority
	if c.Attest, err = readSecret(k, n.Layout.OfficeFile(a, attestKeyFile), n.Layout.OfficeFile(a, certificateFile)); err != nil {
		return err
	}
	if c.Identities, err = readIdentities(k, n.Layout.OfficeFile(a, ageFolder)); err != nil {
		return err
	}
	cert, err := readTLS(k, n.Layout.OfficeFile(a, tlsFile))
	if err != nil {
		return err
	}
	c.ConsigneeKey = keys.SPKI(cert.Leaf)
	return nil
}

// readAct reads the key with which people act for an authority.
func (n *Node) readAct(a protocol.AuthorityID, k *keyring) (*pgp.Secret, error) {
	return readSecret(k, n.Layout.OfficeFile(a, actKeyFile), n.Layout.OfficeFile(a, certificateFile))
}

// follows is what the follower of a federation needs of this node.
type follows struct{ *gateway.Gateway }

// Held is what the gateway holds of the states' records.
func (f follows) Held(ctx context.Context) (federation.Held, error) { return f.HeldRecords(ctx) }

// Run runs gateway, offices and the follower of the federation until ctx ends or one of them fails, and
// returns when all have stopped.
func (n *Node) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	parts := []func(context.Context) error{n.Gateway.Run, n.Federation.Run}
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
		cancel() // one part without the others is not a node, and its error is told once
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
