// Package schema holds the numbered migrations of both databases, one folder
// per engine. They are the only SQL that differs between engines, and they go
// forward only: a released file never changes again.
package schema

import "embed"

// Gateway holds the migrations of gateway.db for SQLite.
//
//go:embed gateway/sqlite/*.sql
var Gateway embed.FS

// Office holds the migrations of office.db for SQLite.
//
//go:embed office/sqlite/*.sql
var Office embed.FS

// Folders of the files inside the two systems above.
const (
	GatewaySQLite = "gateway/sqlite"
	OfficeSQLite  = "office/sqlite"
)
