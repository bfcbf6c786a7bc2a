package operate

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"comity/crypto/keys"
	"comity/protocol"
	"comity/store"
)

// Database says where a node keeps its rows: the table [store] of comity.toml.
// The zero value is SQLite. Larger sealed bytes are files in the data directory
// in any case.
type Database struct {
	// Engine is SQLite or Postgres; empty means SQLite.
	Engine string `toml:"engine" comment:"sqlite: files in this directory. postgres: schemas of a PostgreSQL database."`
	// URLFile holds the connection string, which may hold a password and so
	// stands in no configuration: a path, or credential:NAME for a credential that
	// systemd hands to the service.
	URLFile string `toml:"url_file,omitempty" comment:"The file with the connection string, mode 0600; or credential:NAME for a systemd credential."`
	// OfficeURLFile is another one for the offices; empty means the same.
	OfficeURLFile string `toml:"office_url_file,omitempty" comment:"Another one for the offices, when their database is in other hands."`
}

// The engines.
const (
	SQLite   = "sqlite"
	Postgres = "postgres"
)

const (
	urlCredential    = "credential:"           //nolint:gosec // the word before its name is no secret
	credentialFolder = "CREDENTIALS_DIRECTORY" // systemd's, for the service alone
	maxURLFile       = 4 << 10
)

func (d Database) validate() error {
	switch d.Engine {
	case "", SQLite:
		if d.URLFile != "" || d.OfficeURLFile != "" {
			return errors.New(`store: url_file goes with engine = "postgres"`)
		}
	case Postgres:
		if d.URLFile == "" {
			return errors.New(`store: url_file is missing: want the path of a file that holds the connection string`)
		}
	default:
		return fmt.Errorf(`store: engine %q: want "sqlite" or "postgres"`, d.Engine)
	}
	return nil
}

// String says for people what holds the rows, without any secret.
func (d Database) String() string {
	if d.Engine == Postgres {
		return "PostgreSQL, as " + d.URLFile + " says"
	}
	return "SQLite, files in the data directory"
}

// gateway completes a configuration for the gateway's database.
func (d Database) gateway(l Layout, node protocol.NodeID, c store.Config) (store.Config, error) {
	c.Dir = l.Node()
	return d.place(l, c, d.URLFile, GatewaySchema(node))
}

// office does for the database of an office.
func (d Database) office(l Layout, node protocol.NodeID, a protocol.AuthorityID, c store.Config) (store.Config, error) {
	c.Dir = l.Office(a)
	file := d.OfficeURLFile
	if file == "" {
		file = d.URLFile
	}
	return d.place(l, c, file, OfficeSchema(node, a))
}

func (d Database) place(l Layout, c store.Config, file, schema string) (store.Config, error) {
	if d.Engine != Postgres {
		return c, nil
	}
	url, err := readURL(l, file)
	if err != nil {
		return c, fmt.Errorf("read the connection string: %w", err)
	}
	c.Postgres = &store.Postgres{URL: url, Schema: schema}
	return c, nil
}

func readURL(l Layout, file string) (store.Secret, error) {
	if name, ok := strings.CutPrefix(file, urlCredential); ok {
		return readCredential(name)
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(l.Dir, file)
	}
	text, err := keys.ReadPassword(file, maxURLFile)
	return store.Secret(strings.TrimSpace(string(text))), err
}

// readCredential reads what systemd hands to the service: a file in a folder
// that nobody else enters, so its own mode says nothing.
func readCredential(name string) (store.Secret, error) {
	dir := os.Getenv(credentialFolder)
	if dir == "" {
		return "", fmt.Errorf("there is no credential %s: run the node as a service that has LoadCredential=%s:PATH", name, name)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	text, err := root.ReadFile(name)
	if err == nil && len(text) > maxURLFile {
		err = fmt.Errorf("credential %s: more than %d bytes", name, maxURLFile)
	}
	return store.Secret(strings.TrimSpace(string(text))), err
}

// GatewaySchema is the PostgreSQL schema of a node's gateway. Several nodes may
// share a database.
func GatewaySchema(node protocol.NodeID) string {
	return schemaName("comity_" + string(node) + "_gateway")
}

// OfficeSchema is that of an office.
func OfficeSchema(node protocol.NodeID, a protocol.AuthorityID) string {
	return schemaName("comity_" + string(node) + "_office_" + a.Name())
}

// longestSchemaName is what is left of PostgreSQL's 63 bytes.
const longestSchemaName = 56

// schemaName shortens a name that PostgreSQL would cut without a word.
func schemaName(name string) string {
	if len(name) <= longestSchemaName {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return fmt.Sprintf("%s_%x", name[:longestSchemaName-17], sum[:8])
}
