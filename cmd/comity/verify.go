package main

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"comity/cmd/comity-verify/anchors"
	"comity/node/control"
	"comity/protocol/bundle"
)

func (p *program) verify() *cobra.Command {
	var dir string
	var pq bool
	c := &cobra.Command{
		Use: "verify FILE", GroupID: "checks", Args: words(1, 1),
		Short: "Check an evidence bundle, without any node or network",
		Long: `Checks a file that "comity bundle" wrote: every byte of it, every signature, digest
and proof, and the cover sheet. Says by whom each evidence is signed, when it was made
at the earliest and the latest, on whose word that rests, and what is not proven.

DIR holds the introduction of each state as STATE.json, of the witnesses too, whose
words you have compared with that state. Without it everything may agree, and nothing
says whose keys they are: that leaves with 4. So does evidence that is contested,
because its key, or its log's, is marked compromised. Leaves with 3 when anything is
wrong or lacks what you ask for, and names the part of the file. A file named policy in DIR, a C2SP tlog-policy, may say which
witnesses must have cosigned.

No node, key or network is needed. The small program comity-verify does the same.`,
		Example: "  comity verify evidence.tar --trust anchors\n  comity verify evidence.tar --trust anchors --require-pq --json",
		RunE: func(_ *cobra.Command, args []string) error {
			var trust *bundle.Trust
			if dir != "" {
				var err error
				if trust, err = anchors.Read(dir); err != nil {
					return problem(advice(err, "put the introduction of each state there, as STATE.json"), "%v", err)
				}
			}
			report, err := anchors.Check(args[0], trust, bundle.Options{RequirePQ: pq})
			if err != nil {
				return unverified(args[0], err)
			}
			if p.json {
				err = p.object(report)
			} else {
				p.say("%s", report.Text())
			}
			return errors.Join(err, concluded(report, dir))
		},
	}
	c.Flags().StringVar(&dir, "trust", "", "folder `DIR` of the introductions that you hold")
	c.Flags().BoolVar(&pq, "require-pq", false, "refuse evidence that no third party cosigned with ML-DSA-44")
	return c
}

// advice is what the verifier says to do about an error; another where it says
// nothing.
func advice(err error, other string) string {
	var wrong *bundle.Fault
	if errors.As(err, &wrong) {
		return wrong.Advice()
	}
	return other
}

// unverified tells a bundle that is wrong from one that cannot be read.
func unverified(path string, err error) error {
	var wrong *bundle.Fault
	if is, hint := notABundle(path); is != "" {
		return problem(hint, "%s is no bundle, but %s", path, is)
	}
	switch {
	case errors.As(err, &wrong):
		says := "the bundle is wrong, in "
		if wrong.Unmet() {
			says = "the bundle lacks what you ask for, in "
		}
		return &control.Error{Code: control.Integrity, Message: says + err.Error(), Hint: wrong.Advice()}
	case errors.Is(err, fs.ErrNotExist):
		return problem("check the path", "%s: there is no such file", path)
	}
	return problem("", "%v", err)
}

// concluded turns what a report concludes into how the command leaves.
func concluded(r *bundle.Report, dir string) error {
	switch r.ExitCode() {
	case exitDone:
		return nil
	case exitIntegrity:
		return &control.Error{Code: control.Integrity, Message: "some of it comes after its key was announced to be compromised, in " + strings.Join(r.Blamed(), "; "), Hint: r.Advice()}
	}
	if r.Trusted {
		return &control.Error{Code: control.Unchecked, Message: "some of it is contested, in " + strings.Join(r.Blamed(), "; "), Hint: r.Advice()}
	}
	var who []string
	for _, s := range r.Unanchored() {
		who = append(who, string(s))
	}
	hint := "name a folder of introductions that you hold with --trust DIR; who made the bundle may have made the records in it too"
	if dir != "" {
		hint = r.Advice()
	}
	return &control.Error{Code: control.Unchecked, Message: "everything agrees, but you hold no anchor of " + strings.Join(who, " and ") + ": nothing says whose keys these are", Hint: hint}
}
