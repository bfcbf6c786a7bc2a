package store

import (
	"errors"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Postgres says which schema of which PostgreSQL database to use.
type Postgres struct {
	// URL is the connection string, as libpq has it.
	URL Secret
	// Schema holds the tables: one schema is one database of ours. It must not
	// be used by anything else.
	Schema string
}

// Secret is text that never shows: a connection string may hold a password.
type Secret string

const redacted = "[redacted]"

func (Secret) String() string { return redacted }

// GoString keeps the text out of %#v.
func (Secret) GoString() string { return redacted }

// LogValue keeps the text out of logs.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText keeps the text out of JSON and TOML.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// errConnection does not say what stands in the string, nor what is wrong where.
var errConnection = errors.New("the connection string cannot be read (it is not shown: it may hold a password); " +
	"want one line such as postgres://comity@db.example.org/comity?sslmode=verify-full or postgres://comity@/comity?host=/run/postgresql")

// errPlain: an office's database holds who asks whom for what.
var errPlain = errors.New("the connection to the database would cross the network without a verified server: " +
	"add sslmode=verify-full to the connection string")

const (
	// connectPatience bounds one attempt to reach the server.
	connectPatience = 10 * time.Second
	// silencePatience is how long a connection may hear nothing of a server that
	// should have answered, or that is probed: a transaction waits no longer for a
	// machine that has died.
	silencePatience = 60 * time.Second
)

// readConnection reads a connection string. What is missing in it comes from the
// places that libpq knows, such as PGHOST and the password file.
func readConnection(url Secret) (*pgx.ConnConfig, error) {
	c, err := pgx.ParseConfig(strings.TrimSpace(string(url)))
	if err != nil || strings.TrimSpace(string(url)) == "" {
		return nil, errConnection
	}
	if !verified(&pgconn.FallbackConfig{Host: c.Host, TLSConfig: c.TLSConfig}) {
		return nil, errPlain
	}
	for _, f := range c.Fallbacks {
		if !verified(f) {
			return nil, errPlain
		}
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectPatience
	}
	c.DialFunc = (&net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: silencePatience / 2, Interval: silencePatience / 6, Count: 3},
		Control:         boundSilence,
	}).DialContext
	c.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	// Of several servers, the one that takes writes: a standby may be behind.
	c.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsPrimary
	return c, nil
}

// verified reports whether a connection stays on this machine, or is made only
// to a server that shows a certificate which is checked.
func verified(f *pgconn.FallbackConfig) bool {
	if strings.HasPrefix(f.Host, "/") || strings.HasPrefix(f.Host, "@") || f.Host == "localhost" {
		return true
	}
	if ip := net.ParseIP(f.Host); ip != nil && ip.IsLoopback() {
		return true
	}
	return f.TLSConfig != nil && (!f.TLSConfig.InsecureSkipVerify || f.TLSConfig.VerifyPeerCertificate != nil || f.TLSConfig.VerifyConnection != nil)
}
