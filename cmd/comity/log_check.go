package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"comity/node/control"
)

func (p *program) logCheck() *cobra.Command {
	var trust string
	c := &cobra.Command{
		Use: "check [FOLDER|FILE]", Args: words(0, 1),
		Short: "Compute the node's log again, or check the proofs of an export or a disclosure",
		Long: `Without FOLDER or FILE: computes every leaf, hash and checkpoint of the node's own log
again from the documents that are stored, checks the signatures of the checkpoints,
and that each evidence issued here has its leaf. Evidence of others that was taken in
has a leaf here as well. It says that the log is whole; that the documents in it are
genuine, "comity log audit" verifies too.

With FOLDER, which "comity parcel export" wrote: checks the sealed bytes, every
signature, every digest, the proof that each evidence stands in the log of its
issuer, and who has cosigned that log and when, against the records in the folder. For
those records the introductions in the folder given with --trust vouch, or the node,
for those that it has adopted; without either everything may agree and the identities
are still unchecked, which leaves with 4. No key is needed, and nothing is opened.

With FILE, which "comity log disclose" wrote: checks every signature and proof in it,
by the introductions that stand as STATE.json in the folder given with --trust, or by
the records that the node has adopted. Introductions from before a log was lost stand
in the folder "earlier" in that one. A file in which nothing is disclosed proves
nothing, and leaves with 1.

Leaves with 3 when anything differs.`,
		Example: "  comity log check\n  comity log check OUT --trust anchors\n  comity log check answer.json --trust anchors",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 && isFile(args[0]) {
				return p.checkDisclosure(c.Context(), args[0], trust)
			}
			if len(args) == 1 {
				return p.checkExport(c.Context(), args[0], trust)
			}
			if trust != "" {
				return misuse("name the folder or file too, as in: comity log check OUT --trust "+quoted(trust), "--trust goes with a FOLDER of \"comity parcel export\", or with a FILE of \"comity log disclose\"")
			}
			return p.look(c.Context(), func(node *control.Client) error {
				r, err := node.CheckLog(c.Context())
				if err != nil {
					return err
				}
				if p.json {
					return p.object(r)
				}
				p.say("The log %s is whole:", r.Origin)
				p.tally(r.Leaves, "leaf", "leaves", ", each computed again from its document")
				p.tally(r.Checkpoints, "checkpoint", "checkpoints", ", each signed over exactly these leaves")
				p.tally(r.Evidence, "piece", "pieces", " of evidence issued here, each with its leaf")
				p.tally(r.Foreign, "piece", "pieces", fmt.Sprintf(" of evidence of others, %d of them with a leaf here too", r.ForeignLeaves))
				p.tally(r.Records, "record", "records", ", each with its leaf")
				if r.Directories > 0 {
					p.tally(r.Directories, "version", "versions", " of a directory, each with its leaf")
				}
				switch {
				case r.Lost:
					p.say("It follows a log that was lost; its first leaf names that one.")
				case r.Eras > 0:
					p.say("It follows an earlier log of this node, whose keys were replaced; its first leaf names that one.")
				}
				return nil
			})
		},
	}
	c.Flags().StringVar(&trust, "trust", "", "`FOLDER` with the introductions that the auditor holds, as STATE.json")
	return c
}

// isFile reports whether a path names a file, or standard input.
func isFile(path string) bool {
	info, err := os.Stat(path)
	return path == "-" || err == nil && info.Mode().IsRegular()
}
