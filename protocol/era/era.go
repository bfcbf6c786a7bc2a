// Package era is the statement by which a node begins its next log when the log
// before is lost: it was restored from a copy that is older than what it had
// signed (SPEC.md, section 13, "A node restored from a backup"). It holds the
// format; what the node does then is the node's.
package era

import (
	"comity/protocol"
	"comity/protocol/statement"
)

// Type is the first member of every statement.
const Type = "comity/era/v1"

// Statement names the log that was lost, as the node has it and as its peers hold
// it, so that the end of the one and the beginning of the next are told apart.
type Statement struct {
	Type     string          `json:"type"`
	Node     protocol.NodeID `json:"node"`
	Log      string          `json:"log"`                   // the origin of the new log
	Previous string          `json:"previous"`              // the origin of the lost one
	Restored *string         `json:"restored" long:"81920"` // the newest checkpoint of the copy, null when it was of an earlier log still
	Shown    []Shown         `json:"shown"`                 // later ones, by peer
	Record   protocol.Digest `json:"record"`                // of the record that names the new log
	Created  protocol.Time   `json:"created"`
}

// Shown is a checkpoint of the lost log that a peer held and the copy did not.
type Shown struct {
	Node       protocol.NodeID `json:"node"`
	Checkpoint string          `json:"checkpoint" long:"81920"`
}

// Parse reads a statement; the signature, by a node key of the record, and the
// checkpoints in it are for the caller.
func Parse(doc []byte) (*Statement, error) {
	s := new(Statement)
	if err := statement.Decode(doc, Type, protocol.MaxEra, s); err != nil {
		return nil, err
	}
	return s, s.Validate()
}

// Validate checks the rules that need nothing but the statement. Its errors are
// refusals.
func (s *Statement) Validate() error {
	node, number, err := protocol.ParseLogOrigin(s.Log)
	before, was, errBefore := protocol.ParseLogOrigin(s.Previous)
	switch {
	case s.Type != Type:
		return protocol.Refuse(protocol.Malformed, "era: the type is %s", protocol.Quote([]byte(s.Type)))
	case err != nil || errBefore != nil || node != s.Node || before != s.Node || number <= was:
		return protocol.Refuse(protocol.Malformed, "era: %s cannot follow %s at node %s", protocol.Quote([]byte(s.Log)), protocol.Quote([]byte(s.Previous)), s.Node)
	case s.Record.IsZero():
		return protocol.Refuse(protocol.Malformed, "era: the digest of the record is zero")
	case len(s.Shown) > protocol.MaxShown:
		return protocol.Refuse(protocol.Malformed, "era: %d checkpoints shown, at most %d", len(s.Shown), protocol.MaxShown)
	}
	return nil
}
