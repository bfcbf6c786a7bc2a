// Package protocol holds the words that every Comity format shares: names of
// parties, identifiers, digests, times, priorities, reason codes and limits.
//
// It is pure, like everything below it: no I/O, clock, log or goroutine. The
// formats themselves are in the packages under it, and SPEC.md describes them
// for another implementer.
package protocol

// Version is the protocol version this program speaks, as it stands in the
// type member of every document ("comity/envelope/v1") and in every path of
// the wire ("/v1/…").
const Version = "v1"
