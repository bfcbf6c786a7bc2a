package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"comity/node/control"
	"comity/node/federation"
	"comity/protocol"
	"comity/protocol/bundle"
)

// How the demo of a federation is told.

func (d *federationDemo) federationOpening() {
	if d.p.json {
		return
	}
	d.p.say("%d states, which have never met, share a directory.\n", len(d.sides))
	d.p.say("Each runs a gateway of its own; here they are separate programs on one machine.")
	d.p.say("Stewards of several states keep a directory of their records together. Nobody")
	d.p.say("stands between the states, and no steward can speak for one.")
}

func (d *federationDemo) steward(name federation.StewardName, dir string) {
	d.step(step{Step: "steward", Side: string(name), Dir: dir})
	d.say("%s makes two keys on a medium of their own, to be locked away.", name)
}

func (d *federationDemo) founded(c *council) {
	words := strings.Fields(c.words)
	d.step(step{Step: "root", Words: words})
	d.say("")
	d.say("The root says that two of the three sign together, always. They read each other its")
	d.say("twelve words by telephone, and %s and %s sign it:", c.names[0], c.names[1])
	d.say("")
	d.say("   %s", strings.Join(words[:6], " "))
	d.say("   %s", strings.Join(words[6:], " "))
}

func (d *federationDemo) listed(c *council, draft *federation.Drafted) {
	d.chapter("The stewards list the states")
	for i, a := range draft.Added() {
		d.step(step{Step: "list", Side: d.sides[i].state, Authority: d.sides[i].authority, Words: a.State.Words()})
		d.say("State %s reads:  %s", d.sides[i].label, strings.Join(d.sides[i].words[:6], " "))
		d.say("                %s", strings.Join(d.sides[i].words[6:], " "))
	}
	d.step(step{Step: "edition", Path: filepath.Join(d.dir, "federation", "directory")})
	d.say("")
	d.say("The words fit the records (here the program compared them), so %s and %s sign the", c.names[1], c.names[2])
	d.say("edition. Each record in it is signed by its own state, whose keys no steward has.")
}

func (d *federationDemo) mirrored(c *council) {
	d.step(step{Step: "mirror", Address: c.mirror, PID: d.mirror.child.Process.Pid})
	d.say("A mirror serves it at %s. Nobody has to trust a mirror.", c.mirror)
}

func (d *federationDemo) joined(s *side, st *control.DirectoryStatus, peers int) {
	d.step(step{Step: "join", Side: s.state, Authority: s.authority, Directory: st.Adopted, Peers: peers})
	d.say("State %s compares the twelve words of the root, joins, and knows %s.", s.label, count(peers, "state"))
}

func (d *federationDemo) crossing(c *crossing) {
	d.step(step{Step: "send", Side: c.from.state, Parcel: c.parcel, Authority: c.to.authority})
}

func (d *federationDemo) crossed(c *crossing, events int) {
	d.say("State %s to state %s: delivered, opened, acknowledged; %s came back.", c.from.label, c.to.label, count(events, "signed statement"))
}

func (d *federationDemo) provedCrossing(c *crossing, b *control.Bundle, r *bundle.Report) {
	d.step(step{Step: "bundle", Side: c.from.state, Parcel: c.parcel, Path: b.Path, Bytes: b.Bytes, Checked: &checked{r.Signatures, r.Proofs, r.Members}})
	d.say("State %s to state %s: %d signatures and %d proofs hold, offline.", c.from.label, c.to.label, r.Signatures, r.Proofs)
}

func (d *federationDemo) federationClosing(all []*crossing) {
	took := time.Since(d.start)
	if d.p.json {
		end := demoEnd{OK: true, Seconds: took.Seconds(), States: len(d.sides)}
		for _, c := range all {
			end.Parcels = append(end.Parcels, c.parcel)
		}
		if d.kept {
			end.Dir = d.dir
		}
		_ = d.p.line(end)
		return
	}
	d.p.say("\nDone in %.0f seconds. %s crossed between %d states; no introduction was exchanged between", max(took.Seconds(), 1), count(len(all), "request"), len(d.sides))
	d.p.say("any two of them. Envelopes name the directory that each side holds, so two states that")
	d.p.say("were shown different ones would notice.")
	if !d.kept {
		d.p.say("\nThe temporary directory is removed now. To keep everything: comity demo --states %d --dir D", len(d.sides))
		return
	}
	d.p.say("\nEverything is kept in %s. See what the stewards have done with", d.dir)
	d.p.say("  comity federation status --dir %s", quoted(filepath.Join(d.dir, "federation")))
	d.p.say("run a node again with")
	d.p.say("  comity serve --dir %s", quoted(d.sides[0].dir))
	d.p.say("and check evidence as an auditor does, with")
	d.p.say("  comity verify %s --trust %s", quoted(filepath.Join(d.dir, fmt.Sprintf("evidence-%s-to-%s-%s.tar", all[0].from.state, all[0].to.state, short(all[0].parcel)))), quoted(filepath.Join(d.dir, "trust")))
	d.p.say("No key has a passphrase: this is a demonstration.")
}

// short is how the files of a crossing name its parcel.
func short(id protocol.ParcelID) string { return string(id[len(id)-6:]) }
