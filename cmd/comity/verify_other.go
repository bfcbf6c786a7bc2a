package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
)

// otherFiles are what people hand to "comity verify" in place of a bundle: how such
// a file begins, or what stands near its beginning, what it is, and what checks it.
var otherFiles = []struct{ begins, has, is, hint string }{
	{begins: "%PDF-", is: "a PDF document", hint: "only the bundle itself can be checked: the .tar file that \"comity bundle\" wrote, of which this may be the printed cover sheet"},
	{has: "<!doctype html", is: "a page, perhaps the cover sheet of a bundle", hint: "only the bundle itself can be checked: the .tar file that \"comity bundle\" wrote"},
	{has: `"comity/disclosure/`, is: "a disclosure, which \"comity log disclose\" wrote", hint: "type: comity log check %s --trust DIR"},
	{has: `"comity/introduction/`, is: "an introduction", hint: "put it into the folder that --trust names, as STATE.json, once its words are compared"},
	{has: `"comity/record/`, is: "the record of a state", hint: "in an export, \"comity log check FOLDER\" checks it with all that belongs to it"},
	{has: `"comity/envelope/`, is: "an envelope", hint: "in an export, \"comity log check FOLDER\" checks it with all that belongs to it"},
	{has: `"comity/evidence/`, is: "one evidence", hint: "in an export, \"comity log check FOLDER\" checks it with all that belongs to it"},
	{begins: "age-encryption.org/", is: "a sealed parcel", hint: "in an export, \"comity log check FOLDER\" checks it with all that belongs to it"},
	{begins: "PK\x03\x04", is: "a ZIP archive", hint: "unpack it, and verify the .tar file in it"},
	{begins: "\x1f\x8b", is: "a compressed file", hint: "unpack it with gunzip, and verify the .tar file"},
}

// notABundle says what a file is that is plainly no bundle, and what checks it;
// nothing of one that may be a bundle, however damaged.
func notABundle(path string) (is, hint string) {
	if _, err := os.Stat(filepath.Join(path, "envelope.json")); err == nil {
		return "the folder of an export", "type: comity log check " + quoted(path) + " --trust DIR"
	}
	f, err := os.Open(path)
	if err != nil {
		return "", ""
	}
	defer f.Close() // only read from
	head, err := io.ReadAll(io.LimitReader(f, 256))
	if err != nil {
		return "", ""
	}
	lower := strings.ToLower(string(head))
	for _, o := range otherFiles {
		if o.begins != "" && strings.HasPrefix(string(head), o.begins) || o.has != "" && strings.Contains(lower, o.has) {
			return o.is, strings.ReplaceAll(o.hint, "%s", quoted(path))
		}
	}
	return "", ""
}
