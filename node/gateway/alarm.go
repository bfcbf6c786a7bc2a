package gateway

import "errors"

// errPeerOlder says that the peer shows less of itself than it did before.
var errPeerOlder = errors.New("the node runs on an older copy of itself")

// alarmOfFork tells the operator that the peer's log told two stories.
func (l *link) alarmOfFork() {
	l.raise(errors.New("its log has forked: it signed two states of which neither extends the other, and both are kept here as evidence"))
}

// raise remembers an alarm about the peer for the operator to see, until this
// node restarts. It stops no traffic.
func (l *link) raise(alarm error) {
	if l.noteAlarm(alarm) {
		l.logger().Error("something is wrong with a peer: call its operator", "error", alarm)
	}
}

// suspect remembers such an alarm likewise. A node that was restored asks its peers
// when it starts, and stops (R-OLD-1), so its operator hears of it at once; and when
// the log is lost for good, its next record says so.
func (l *link) suspect(alarm error) {
	if l.noteAlarm(alarm) {
		l.logger().Warn("a peer shows less of itself than before: it was restored from a backup, and should stop by itself; call its operator if it goes on", "error", alarm)
	}
}

// noteAlarm reports whether nothing was wrong with the peer before.
func (l *link) noteAlarm(alarm error) (first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first = l.alarm == nil
	l.alarm = alarm
	return first
}

// settle forgets an alarm: what it was about has been answered for.
func (l *link) settle() {
	l.mu.Lock()
	l.alarm = nil
	l.mu.Unlock()
}
