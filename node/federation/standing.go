package federation

import (
	"fmt"
	"time"

	"comity/protocol"
	"comity/protocol/envelope"
)

// AlarmKind says what an alarm is about.
type AlarmKind string

// The kinds of alarms. None stops anything (R-FED-8).
const (
	Staleness AlarmKind = "stale"     // nobody says any more that there is nothing newer
	Refused   AlarmKind = "refused"   // a listed record must not be adopted
	Unreached AlarmKind = "unreached" // a mirror gave nothing, or nothing new
	Hostile   AlarmKind = "hostile"   // a mirror showed what must not be
	OwnFault  AlarmKind = "trouble"   // on this side
)

// Alarm is a sentence for the operator.
type Alarm struct {
	Kind AlarmKind
	Text string
	// Since is when the directory ended, with Staleness; zero: not known.
	Since time.Time
	Code  protocol.Code // why, where there is one
	Do    string        // with OwnFault: what to do about it
}

// Standing is how the node stands to its federation.
type Standing struct {
	Joined  bool // and follows it; an alarm says when it did, and cannot any more
	Mirrors []string
	Root    int64               // number of the newest root
	Listed  *envelope.Directory // the newest version that was fetched; nil: none
	Records int                 // that it lists
	Fresh   time.Time           // until when it is fresh; zero: it is not
	Asked   time.Time           // when the mirrors were asked last, also by a process before this one; zero: never, as far as is known
	Gave    int                 // how many mirrors gave something then, or had nothing newer; 0 before this process asked
	Alarms  []Alarm
}

// Standing tells how the node stands now. It asks nobody.
func (f *Follower) Standing() Standing {
	f.mu.Lock()
	client, last, asked, mirrors, fault := f.client, f.last, f.asked, f.settings.Mirrors, f.fault
	f.mu.Unlock()
	if client == nil {
		var s Standing
		if a := f.astray(fault); a != nil {
			s.Alarms = append(s.Alarms, *a)
		}
		return s
	}
	s := Standing{Joined: true, Asked: asked, Mirrors: mirrors, Root: client.Files().Root, Fresh: client.Fresh()}
	if l := client.Edition(); l != nil {
		ref := l.Ref()
		s.Listed, s.Records = &ref, len(l.files)
	}
	if stale := client.Stale(); stale != nil {
		s.Alarms = append(s.Alarms, staleness(stale))
	}
	if last != nil {
		s.Gave = last.gave
		for _, a := range alarmsOf(last) {
			if a.Kind != Staleness { // it may have come, or gone, since
				s.Alarms = append(s.Alarms, a)
			}
		}
	}
	return s
}

// Lists tells which version of the directory is held, and the number of the newest
// record of a state in it; 0: it lists none. Version 0: none is held.
func (f *Follower) Lists(state protocol.StateID) (version, record int64) {
	f.mu.Lock()
	client := f.client
	f.mu.Unlock()
	if client == nil {
		return 0, 0
	}
	l := client.Edition()
	if l == nil {
		return 0, 0
	}
	if all := l.of(state); len(all) > 0 {
		record = all[len(all)-1].Sequence
	}
	return l.version, record
}

func staleness(s *Stale) Alarm { return Alarm{Kind: Staleness, Text: s.String(), Since: s.Since} }

// ownDo is what to do about trouble that a refresh had on this side.
const ownDo = "see the disk and the log of this node; records that are held stay in force, and the next refresh tries again; " +
	"should a file below the folder of the federation be damaged, start the node again: it says then what to do"

// alarmsOf are those that a refresh found.
func alarmsOf(o *outcome) (all []Alarm) {
	if o == nil {
		return nil
	}
	if o.err != nil {
		all = append(all, Alarm{Kind: OwnFault, Text: o.err.Error(), Do: ownDo})
	}
	for _, r := range o.refused {
		a := Alarm{Kind: Refused, Text: fmt.Sprintf("%s: %v", r.Item.name(), r.Err), Code: protocol.CodeOf(r.Err)}
		if a.Code == "" {
			a.Kind, a.Do = OwnFault, ownDo
		}
		all = append(all, a)
	}
	switch code := protocol.CodeOf(o.version); code {
	case "":
	case protocol.Expired:
		all = append(all, Alarm{Kind: Unreached, Text: o.version.Error(), Code: code})
	default:
		all = append(all, Alarm{Kind: Hostile, Text: o.version.Error(), Code: code})
	}
	if o.report == nil {
		return all
	}
	if o.report.Stale != nil {
		all = append(all, staleness(o.report.Stale))
	}
	for _, t := range o.report.Trouble {
		a := Alarm{Kind: Unreached, Text: fmt.Sprintf("%s: %v", t.Mirror, t.Err), Code: protocol.CodeOf(t.Err)}
		if a.Code != "" && a.Code != protocol.Expired { // one that lags behind the others harms nobody
			a.Kind = Hostile
		}
		all = append(all, a)
	}
	return all
}
