package operate

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"

	"github.com/pelletier/go-toml/v2"

	"comity/protocol"
)

// Config is comity.toml. Unknown members are refused; nothing in it is secret.
type Config struct {
	// Node is the name of this node, as in its record.
	Node protocol.NodeID `toml:"node" comment:"The name of this node, as in its record."`
	// Listen is the address to serve on, over UDP and TCP.
	Listen string `toml:"listen" comment:"The address to serve on, over UDP and TCP. Peers dial the endpoints of the record."`
	// Authorities are those whose offices this process runs.
	Authorities []protocol.AuthorityID `toml:"authorities" comment:"The authorities whose offices run in this process."`
	// QueueShare bounds how many parcels of one authority wait to be delivered, where
	// the node hosts several; 0 means gateway.DefaultQueueShare.
	QueueShare int64 `toml:"queue_share,omitempty" comment:"How many parcels of one authority may wait to be delivered, where this node hosts several; without it 10000."`
	// PassphraseFiles are where the passphrases of protected keys stand, by holder.
	PassphraseFiles map[Holder]string `toml:"passphrase_files,omitempty" comment:"Files with the passphrases of protected keys, mode 0600: node, office-AUTHORITY, act-AUTHORITY.\nA systemd credential comity-node, comity-office-AUTHORITY … is used before them."`
	// Officers are the folders in which the officers of an authority, by its name, reach
	// its office and no other.
	Officers map[string]string `toml:"officers,omitempty" comment:"Folders in which officers of one authority reach their office, and nothing else: NAME = \"/run/comity/NAME\"."`
	// Store says where the rows are kept.
	Store Database `toml:"store,omitempty" comment:"Where the rows are kept."`
}

// maxConfig bounds the configuration file.
const maxConfig = 64 << 10

// ConfigError says what is wrong in a configuration file, and in which line.
type ConfigError struct {
	Path string
	why  error
}

func (e *ConfigError) Error() string { return fmt.Sprintf("read %s: %v", e.Path, e.why) }

func (e *ConfigError) Unwrap() error { return e.why }

// ReadConfig reads and checks a configuration. A ConfigError shows the line; a
// missing file wraps [fs.ErrNotExist].
func ReadConfig(path string) (Config, error) {
	var c Config
	f, err := os.Open(path)
	if err != nil {
		return c, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil {
		return c, err
	} else if info.Size() > maxConfig {
		return c, &ConfigError{path, fmt.Errorf("larger than %d bytes", maxConfig)}
	}
	if err := toml.NewDecoder(f).DisallowUnknownFields().Decode(&c); err != nil {
		var strict *toml.StrictMissingError
		var decode *toml.DecodeError
		switch {
		case errors.As(err, &strict):
			err = errors.New("\n" + strict.String())
		case errors.As(err, &decode):
			err = errors.New("\n" + decode.String())
		}
		return c, &ConfigError{path, err}
	}
	if err := c.validate(); err != nil {
		return c, &ConfigError{path, err}
	}
	return c, nil
}

// validate collects every fault at once.
func (c Config) validate() error {
	var faults []error
	if c.Node == "" {
		faults = append(faults, errors.New(`node is missing: want a line like node = "xa"`))
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		faults = append(faults, fmt.Errorf("listen %q: want address:port, such as \"0.0.0.0:7443\"", c.Listen))
	}
	for _, a := range c.Authorities {
		if a.State() != c.Node.State() {
			faults = append(faults, fmt.Errorf("authority %s does not belong to state %s", a, c.Node.State()))
		}
	}
	for h, path := range c.PassphraseFiles {
		if !slices.Contains(c.holders(), h) {
			faults = append(faults, fmt.Errorf("passphrase_files: there are no keys of %q here; want one of %s", h, c.holders()))
		} else if !filepath.IsAbs(path) {
			faults = append(faults, fmt.Errorf("passphrase_files: %s = %q: want a path that begins with /", h, path))
		}
	}
	for name, folder := range c.Officers {
		if !slices.ContainsFunc(c.Authorities, func(a protocol.AuthorityID) bool { return a.Name() == name }) {
			faults = append(faults, fmt.Errorf("officers: this node does not host an authority %q", name))
		} else if !filepath.IsAbs(folder) {
			faults = append(faults, fmt.Errorf("officers: %s = %q: want a path that begins with /", name, folder))
		}
	}
	if c.QueueShare < 0 {
		faults = append(faults, fmt.Errorf("queue_share %d: want 1 or more", c.QueueShare))
	}
	faults = append(faults, c.Store.validate())
	return errors.Join(faults...)
}

// holders are those whose keys a running node may need.
func (c Config) holders() []Holder {
	all := []Holder{NodeHolder}
	for _, a := range c.Authorities {
		all = append(all, OfficeHolder(a), ActHolder(a))
	}
	return all
}

func (c Config) encode() ([]byte, error) { return toml.Marshal(c) }
