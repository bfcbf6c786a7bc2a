// Package schema holds the numbered migrations of both databases, one folder
// per engine. They are the only SQL that differs between engines, and they go
// forward only: a released file never changes again. The files of one number
// make the same tables with the same columns on both engines.
package schema

import (
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

//go:embed gateway/*/*.sql office/*/*.sql
var files embed.FS

// Gateway returns the migrations of the gateway's database for one engine.
func Gateway(d goose.Dialect) (fs.FS, error) { return folder("gateway", d) }

// Office returns the migrations of an office's database for one engine.
func Office(d goose.Dialect) (fs.FS, error) { return folder("office", d) }

func folder(database string, d goose.Dialect) (fs.FS, error) {
	engine, ok := map[goose.Dialect]string{goose.DialectSQLite3: "sqlite", goose.DialectPostgres: "postgres"}[d]
	if !ok {
		return nil, fmt.Errorf("no migrations for %s", d)
	}
	return fs.Sub(files, database+"/"+engine)
}
