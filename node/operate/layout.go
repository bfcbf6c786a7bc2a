package operate

import (
	"path/filepath"

	"comity/protocol"
)

// Layout names every file of a data directory. node/OPERATING.md says what
// each is trusted for.
type Layout struct{ Dir string }

// Config is the configuration, TOML.
func (l Layout) Config() string { return filepath.Join(l.Dir, "comity.toml") }

// Lock is held by whichever process has the node open.
func (l Layout) Lock() string { return filepath.Join(l.Dir, "lock") }

// Socket is where a running node answers commands, mode 0600.
func (l Layout) Socket() string { return filepath.Join(l.Dir, SocketName) }

// SocketName is how a socket of a running node is called in its folder.
const SocketName = "control.sock"

// Record is the state's own record; the signature stands beside it with ".asc".
func (l Layout) Record() string { return filepath.Join(l.Dir, "record", "record.json") }

// Node is the gateway's folder: its database, its sealed bytes and its keys.
func (l Layout) Node() string { return filepath.Join(l.Dir, "node") }

// NodeFile is one file of the gateway's folder.
func (l Layout) NodeFile(name string) string { return filepath.Join(l.Node(), name) }

// Office is the folder of one authority's office.
func (l Layout) Office(a protocol.AuthorityID) string {
	return filepath.Join(l.Dir, officeFolder, a.Name())
}

// OfficeFile is one file of an office's folder.
func (l Layout) OfficeFile(a protocol.AuthorityID, name string) string {
	return filepath.Join(l.Office(a), name)
}

// Federation is the folder for what the node keeps of the federation that it joined.
func (l Layout) Federation() string { return filepath.Join(l.Dir, "federation") }

// Offline is where Create leaves the keys that must be moved away; a running
// node never reads it.
func (l Layout) Offline() string { return filepath.Join(l.Dir, "offline") }

// OfflineFile is one file of the offline folder.
func (l Layout) OfflineFile(name string) string { return filepath.Join(l.Offline(), name) }

// Contains reports whether a path leads into the data directory.
func (l Layout) Contains(path string) bool {
	inside, err := filepath.Rel(l.Dir, path)
	return err == nil && filepath.IsLocal(inside)
}

// Names of files in the folders of gateway and office.
const (
	certificateFile = "certificate.gpg"
	nodeKeyFile     = "node.key"
	tlsFile         = "tls.pem"
	formerTLSFile   = "tls-former.pem" // the one before, while a peer may know no other
	logKeyFile      = "log.key"
	witnessKeyFile  = "witness.key"
	actKeyFile      = "act.key"
	attestKeyFile   = "attest.key"
	ageFolder       = "age"
	officeFolder    = "office" // of the data directory
	identitySuffix  = ".txt"   // of the files in it
)
