package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"comity/node/control"
)

func (p *program) logAudit() *cobra.Command {
	var bodies bool
	c := &cobra.Command{
		Use: "audit", Args: words(0, 0),
		Short: "Verify everything that the node and its offices hold once more",
		Long: `Verifies all that the node's stores hold, as an auditor would who trusts none of
them: the whole log as "comity log check" does, and beyond it every signature.
"log check" says that the log is whole and has the documents; "log audit" says that
the documents are genuine too:

  each record, and that it follows the one before or was confirmed by a person
  each envelope and withdrawal, by the record of its sender
  each evidence, own and foreign: signature, role, that it is about its envelope,
    and the proof of its leaf in the log of its issuer
  each cosignature of the node's own log: that the witness made it, and that what
    it cosigned is the log that stands here
  the states of other logs that were seen, followed or cosigned
  in each office the chain of the journal, every manifest, approval and list of
    files, and the copies of evidence
  and each column of the databases that says what a document says

Sealed bodies in rows are hashed again; with --bodies, those in files too, which
reads all of them. What no document says, such as when a row was written, or how
often a delivery was tried, nobody can verify. It needs no key, changes nothing,
runs beside "comity serve" or without it, and lists every finding with its place;
then it leaves with 3. With --as, the office of one authority is audited, and
neither the others nor the node.`,
		Example: "  comity log audit\n  comity log audit --bodies --json",
		RunE: func(c *cobra.Command, _ []string) error {
			bar := p.bars()
			return p.look(c.Context(), func(node *control.Client) error {
				a, err := node.Audit(c.Context(), p.as, bodies, func(e control.AuditProgress) error {
					bar.rows("auditing "+e.Store, e.Done, e.Total)
					return nil
				})
				bar.end()
				if err != nil {
					return err
				}
				return p.audited(a)
			})
		},
	}
	c.Flags().BoolVar(&bodies, "bodies", false, "read the large sealed bodies too")
	return c
}

// audited tells what was gone through, or what is wrong.
func (p *program) audited(a *control.Audit) error {
	if p.json {
		if err := p.object(a); err != nil {
			return err
		}
	}
	if len(a.Findings) > 0 {
		return p.findings(a)
	}
	if p.json {
		return nil
	}
	read := "; those in files by their size, --bodies reads them"
	if a.BodiesRead {
		read = ", each of them read"
	}
	if a.As != "" {
		p.say("Everything that the office of %s holds is in order:", a.As)
		p.tally(a.Evidence, "piece", "pieces", " of evidence: signature, role and subject")
		p.tally(a.Bodies, "sealed body", "sealed bodies", read)
		p.offices(a)
		return nil
	}
	p.say("Everything that the node holds is in order. The log %s and what stands in it:", a.Origin)
	p.tally(a.Leaves, "leaf", "leaves", " and "+count(int(a.Checkpoints), "checkpoint")+", each computed again")
	p.tally(a.Records, "record", "records", ", each following from the one before, listed or confirmed by a person")
	if a.Directories > 0 {
		p.tally(a.Directories, "version", "versions", " of a directory, each adopted by a statement of this node")
	}
	p.tally(a.Transmissions, "envelope", "envelopes", " and "+count(int(a.Withdrawals), "withdrawal")+", signed by whom they name")
	p.tally(a.Evidence, "piece", "pieces", " of evidence, copies of offices included: signature, role and subject")
	p.tally(a.Proofs, "proof", "proofs", " of others' evidence, under the logs of their issuers")
	p.tally(a.Cosignatures, "cosignature", "cosignatures", " of witnesses, each on a checkpoint that stands here")
	p.tally(a.PeerLogs+a.Followed+a.Cosigned, "state", "states", fmt.Sprintf(" of other logs, %d of them cosigned by this node", a.Cosigned))
	if a.Forks > 0 {
		p.tally(a.Forks, "log", "logs", " of others that forked: the evidence is kept; call their operators")
	}
	p.tally(a.Bodies, "sealed body", "sealed bodies", read)
	if a.Former+a.FormerCosignatures+a.Waiting > 0 {
		p.say("A log of this node was lost, and what follows rests on its peers alone:")
		p.tally(a.Former, "piece", "pieces", " of evidence issued here in that time: signed by this node, with a leaf in this log; when it stood in the lost one, only they can prove")
		p.tally(a.FormerCosignatures, "cosignature", "cosignatures", " of states of that log, which nobody here can compare any more")
		p.tally(a.Waiting, "transmission", "transmissions", " of which peers have still to give the bytes, or to tell what became of them")
	}
	p.offices(a)
	return nil
}

// offices tells what was gone through in each office.
func (p *program) offices(a *control.Audit) {
	for _, o := range a.Offices {
		p.say("Office of %s:", o.Authority)
		p.tally(o.Journal, "entry", "entries", " of the journal, each following from the one before")
		p.tally(o.Messages, "message", "messages", ", with manifest, approvals and files")
	}
}

// tally is a line of a list that counts.
func (p *program) tally(n int64, one, many, rest string) {
	p.say("  %-6d %s%s", n, noun(n, one, many), rest)
}

// findings lists what is wrong. The error leaves with 3.
func (p *program) findings(a *control.Audit) error {
	if !p.json {
		for _, f := range a.Findings {
			p.say("%s: %s: %s", f.Store, safe(f.Place), safe(f.What))
		}
	}
	more := ""
	if a.GaveUp {
		more = " at least"
	}
	hint := "stop the node and keep the directory as it is; a copy from before its last signature must not be served"
	if a.Older {
		hint = `bring back the newest copy of this directory; if there is none, type "comity log new-era --offline FOLDER"`
	}
	return &control.Error{
		Code:    control.Integrity,
		Message: "what is stored is not as it was signed: " + count(len(a.Findings), "finding") + more,
		Hint:    hint,
	}
}
