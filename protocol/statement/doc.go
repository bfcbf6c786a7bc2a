// Package statement reads and writes strict JSON documents and holds "these
// exact bytes, this signature". It carries out SPEC.md, "Documents" (R-DOC):
// one text has one reading, and whatever another parser might read differently
// is refused. It knows no format; the packages beside it describe theirs as Go
// structs, and nothing else in this module parses or writes documents.
//
// A document's struct has a json tag on each exported field, and these further tags:
//
//	long:"N"      a string (or the bytes behind base64) of up to N bytes instead of protocol.MaxString
//	max:"N"       a list of at most N elements
//	carry:"text"  a []byte that stands in the document as text instead of base64
//	carry:"text,null"  likewise, and null stands for nil
//	optional:"yes"  a list or a pointer that is absent when nil; never null or empty
//
// A pointer field that is not optional may be null; no other may. An embedded struct without a json
// tag adds its members to those of the struct around it. Types that implement
// encoding.TextUnmarshaler judge their own text.
package statement
