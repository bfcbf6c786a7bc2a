package control

import (
	"time"
)

// checkWitness tells what is wrong between a peer's log and ours: nothing of it
// stops a parcel.
func (s *Service) checkWitness(p Peer, each func(Check)) {
	name := "log of " + string(p.Node)
	if p.LogFault != "" {
		each(bad(name, "call its operator; should it have forked, your authority too: its evidence proves nothing by its log any more", "it has %s", p.LogFault))
	}
	name = "witness " + string(p.Node)
	switch age := time.Duration(p.Unwitnessed) * time.Second; {
	case age > 0 && p.Witnessed == 0:
		each(warn(name, "see whether it can be reached, and call its operator", "it has never cosigned our log; the oldest checkpoint waits since %s", age.Round(time.Minute)))
	case age > 0:
		each(warn(name, "see whether it can be reached, and call its operator",
			"it cosigned our log up to %d leaves; what came after is not yet witnessed by it, the oldest since %s", p.Witnessed, age.Round(time.Minute)))
	}
}
