package main

import (
	"context"
	"time"

	"comity/node/control"
	"comity/node/federation"
	"comity/node/operate"
	"comity/protocol"
	"comity/protocol/record"
)

// amendment is what a change of the node's own record needs, once it is clear that
// it can be made: the medium is named and the node does not run. verb says what to do
// between stop and start.
func (p *program) amendment(ctx context.Context, offline, verb, why string) (a operate.Amendment, err error) {
	dir, err := p.directory()
	if err != nil {
		return a, err
	}
	if offline == "" {
		return a, problem("name the medium with the offline keys: --offline FOLDER", "%s", why)
	}
	if control.Running(ctx, dir) {
		if _, err := control.ReadConfig(dir); control.CodeOf(err) == control.NoNode {
			return a, anOffice(dir)
		}
		return a, problem("stop it, "+verb+", and start it again: what waits is sent then", "a node runs on %s", dir)
	}
	from, err := p.passphrases(ctx, nil)
	return operate.Amendment{Dir: dir, Offline: offline, Passphrases: from, Now: time.Now}, err
}

// anOffice refuses what is the node's in the folder of the officers of one authority.
func anOffice(dir string) error {
	return problem("the operator of the node does that, in its data directory", "%s has the socket of an office, and not the node", dir)
}

// publishedView is the next record of the node's state, for programs.
type publishedView struct {
	State  protocol.StateID `json:"state"`
	Record int64            `json:"record"`
	Digest protocol.Digest  `json:"record_sha256"`
	Until  protocol.Time    `json:"valid_until"`
	Log    string           `json:"log"`
	// Follows says that peers adopt it by themselves. Otherwise they compare the words.
	Follows bool     `json:"follows"`
	Words   []string `json:"words"`
	Digits  string   `json:"digits"`
}

func viewOfPublished(s *record.State, follows bool) publishedView {
	r := s.Record()
	return publishedView{
		State: r.State, Record: r.Sequence, Digest: s.Ref().Digest, Until: r.Valid.Until, Log: r.Node.Log.Origin,
		Follows: follows, Words: s.Words(), Digits: s.Digits(),
	}
}

// amended says what to do after a change of the node's own record.
func (p *program) amended(offline, dir string, made *operate.Rotated) {
	p.say("Take %s off this machine again, then type: comity serve --dir %s", offline, quoted(dir))
	if made.Broken == nil {
		p.peersGet(dir)
		return
	}
	p.say("\nPeers do NOT adopt it by themselves, because an offline key had its time before it")
	p.say("signed (%s).", plain(made.Broken))
	p.say("Give each the new introduction (comity introduce), and compare these words by telephone:\n")
	p.words(made.State.Words(), made.State.Digits())
}

// peersGet says how others come to have the node's new record.
func (p *program) peersGet(dir string) {
	p.say("Peers get the record at the next contact.")
	if federation.IsDirectory(federation.FolderIn(operate.Layout{Dir: dir}.Federation())) {
		p.say("Hand it to the registrar of the federation as well: comity introduce -o FILE --dir %s", quoted(dir))
	}
}

// ownAuthority is the hosted authority that --as names, or the only one.
func (p *program) ownAuthority(dir string) (protocol.AuthorityID, error) {
	config, err := control.ReadConfig(dir)
	if err != nil {
		return "", control.Explain(err)
	}
	return control.Choose(config.Authorities, p.as)
}
