package vectors

import (
	"strings"
	"time"

	"comity/protocol"
	"comity/protocol/adoption"
	"comity/protocol/envelope"
	"comity/protocol/statement"
)

// adoptions writes how a node states which version of a directory it took (SPEC.md, section 21).
func (w *writer) adoptions() {
	lines := "records/xa/1 " + protocol.Sum([]byte("the introduction of xa")).String() + "\nrecords/xb/1 " + protocol.Sum([]byte("the introduction of xb")).String() + "\n"
	s := adoption.Statement{
		Type: adoption.Type, Node: "xa", Directory: envelope.Directory{Version: 7, Digest: protocol.Sum([]byte(lines))},
		Edition: protocol.Sum([]byte("7.targets.json")), Root: adoption.Root{Version: 2, Digest: protocol.Sum([]byte("2.root.json"))},
		Record: protocol.Sum([]byte("record 1 of xa")), Created: protocol.At(day.Add(2 * time.Hour)),
	}
	g := must(statement.Encode(&s))
	w.add("adoption", "adoption/adoption", "", "R-FED-9", "version 7, which lists record 1 of xa and of xb", doc(g))
	zero := strings.Repeat("0", 64)
	for _, c := range []struct{ name, rule, why, old, now string }{
		{"version-zero", "R-FED-9", "versions count from 1", `"version": 7`, `"version": 0`},
		{"root-zero", "R-FED-9", "roots count from 1", `"version": 2`, `"version": 0`},
		{"no-directory", "R-NAME-4", "the digest of the directory is zero", s.Directory.Digest.String(), zero},
		{"no-edition", "R-NAME-4", "the digest of the edition is zero", s.Edition.String(), zero},
		{"no-record", "R-NAME-4", "the digest of the record is zero", s.Record.String(), zero},
		{"edition-missing", "R-DOC-4", "every member is present", "  \"edition\": \"" + s.Edition.String() + "\",\n", ""},
		{"edition-null", "R-DOC-4", "no member may be null", `"edition": "` + s.Edition.String() + `"`, `"edition": null`},
	} {
		w.add("adoption", "adoption/"+c.name, protocol.Malformed, c.rule, c.why, doc(edit(w, g, c.old, c.now)))
	}
	w.add("adoption", "adoption/next-version", protocol.UnsupportedVersion, "R-DOC-3", "a statement of a version to come", doc(edit(w, g, "adoption/v1", "adoption/v2")))
}
