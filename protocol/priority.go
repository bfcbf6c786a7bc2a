package protocol

// Priority orders a queue; it changes nothing in law.
type Priority string

// The priorities, from the slowest to the fastest.
const (
	Routine   Priority = "routine"
	Urgent    Priority = "urgent"
	Emergency Priority = "emergency"
)

// Rank orders priorities: 0 leaves first.
func (p Priority) Rank() int {
	switch p {
	case Emergency:
		return 0
	case Urgent:
		return 1
	default:
		return 2
	}
}

// UnmarshalText refuses anything but one of the three words.
func (p *Priority) UnmarshalText(b []byte) error {
	switch v := Priority(b); v {
	case Routine, Urgent, Emergency:
		*p = v
		return nil
	}
	return Refuse(Malformed, "priority %s: want routine, urgent or emergency", Quote(b))
}
