package bundle

import (
	"slices"
	"strconv"
	"strings"

	"comity/protocol"
	"comity/protocol/record"
)

// policyName is the file in a folder of anchors that says how many witnesses a
// verifier wants.
const policyName = "policy"

// policy is a C2SP tlog-policy: which witnesses, in which groups, must have
// cosigned. It only asks for more than the rules of a bundle do: parties still
// count for nobody, and nor does a witness without an anchor (R-BND-10).
type policy struct {
	logs   []string // verifier keys; none: any log
	groups []group  // in the order in which they are defined: members before
	quorum string   // the name of one; empty: none is asked for
}

// group is satisfied by so many of its members; a witness is a group of no
// members, by its own key.
type group struct {
	name    string
	key     string
	need    int
	members []string
}

// parsePolicy reads the text of a policy: lines of words, of which "log",
// "witness", "group" and "quorum" are known. Names are defined before they are
// used, each once, and there is exactly one quorum.
func parsePolicy(text string) (*policy, error) {
	p := &policy{}
	seen := false
	for i, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		ok := false
		switch words[0] {
		case "log":
			if ok = len(words) == 2 || len(words) == 3; ok {
				p.logs = append(p.logs, words[1])
			}
		case "witness":
			ok = (len(words) == 3 || len(words) == 4) && p.define(group{name: words[1], key: words[2]})
		case "group":
			ok = len(words) >= 4 && p.defineGroup(words[1], words[2], words[3:])
		case "quorum":
			ok = len(words) == 2 && !seen && (words[1] == "none" || p.has(words[1]))
			if seen = true; ok && words[1] != "none" {
				p.quorum = words[1]
			}
		}
		if !ok {
			return nil, protocol.Refuse(protocol.Malformed, "line %d is none of a tlog-policy, or names what was not defined before", i+1)
		}
	}
	if !seen {
		return nil, protocol.Refuse(protocol.Malformed, "it has no quorum line")
	}
	return p, nil
}

func (p *policy) has(name string) bool {
	return slices.ContainsFunc(p.groups, func(g group) bool { return g.name == name })
}

func (p *policy) define(g group) bool {
	if g.name == "none" || p.has(g.name) {
		return false
	}
	p.groups = append(p.groups, g)
	return true
}

func (p *policy) defineGroup(name, threshold string, members []string) bool {
	need := len(members)
	switch threshold {
	case "all":
	case "any":
		need = 1
	default:
		n, err := strconv.Atoi(threshold)
		if err != nil || n < 1 || n > len(members) || strconv.Itoa(n) != threshold {
			return false
		}
		need = n
	}
	for i, m := range members {
		if !p.has(m) || slices.Contains(members[:i], m) {
			return false
		}
	}
	return p.define(group{name: name, need: need, members: members})
}

// satisfied reports whether witnesses with these keys are enough. Each group is
// counted once, whatever the nesting.
func (p *policy) satisfied(keys []string) bool {
	done := map[string]bool{}
	for _, g := range p.groups {
		n := 0
		for _, m := range g.members {
			if done[m] {
				n++
			}
		}
		done[g.name] = slices.Contains(keys, g.key) || len(g.members) > 0 && n >= g.need
	}
	return p.quorum == "" || done[p.quorum]
}

// obeys refuses a bundle that does less than the verifier's policy asks for.
func (x *examined) obeys(t *Trust) error {
	if t == nil || t.policy == nil {
		return nil
	}
	p := t.policy
	for _, f := range x.facts {
		var keys []string
		for _, s := range f.sightings() {
			if log := x.histories.logOf(s.Origin); len(p.logs) > 0 && !slices.Contains(p.logs, log.Keys.Ed25519) && !slices.Contains(p.logs, log.Keys.MLDSA44) {
				return unmet(s.member, "add a line for that log to your file policy, if you trust it", "your policy does not know the log %s", s.Origin)
			}
			for _, c := range s.seen {
				if x.counts(c, t) {
					keys = append(keys, c.keys.Ed25519, c.keys.MLDSA44)
				}
			}
		}
		if !p.satisfied(keys) {
			advice := "ask for a bundle that is made once they have seen the log, or mend your file policy"
			if who := x.unheard(t, f); len(who) > 0 {
				advice = introduce(who)
			}
			return unmet(evidenceBase(f.Event)+cosignedProof, advice, "the quorum %q of your policy did not witness the %s", p.quorum, f.Event)
		}
	}
	return nil
}

// logOf returns the log with this origin, as a record lists it.
func (all histories) logOf(origin string) (l record.Log) {
	for _, h := range all {
		for _, s := range h {
			if s.Record().Node.Log.Origin == origin {
				l = s.Record().Node.Log
			}
		}
	}
	return l
}
