package main

import (
	"slices"

	"github.com/spf13/cobra"

	"comity/node/control"
	"comity/protocol/disclosure"
	"comity/protocol/evidence"
)

func (p *program) logDisclose() *cobra.Command {
	var asked struct{ envelope, sealed, parcel, from, to string }
	var events []string
	var all bool
	var out string
	c := &cobra.Command{
		Use: "disclose", Args: words(0, 0),
		Short: "Answer an auditor's question about one parcel, and tell of no other",
		Long: `Writes a file that proves to an auditor that one parcel existed: with these
parties, digests and times. The question is the envelope's digest, the digest of
the sealed bytes, or parcel id, sender and recipient together; all that is given
must hold. The file has the question and the evidence that answers it, each with
the proof of its leaf, under a checkpoint that witnesses cosigned as soon as there is
one, and nothing of any other parcel or record.

It holds the first evidence that this node issued, unless --event names others or
--all asks for all that is here. A question that fits several recipients is asked
again with --to: each has a file of its own. When nothing matches, the file says
only that, which is no proof that there was no parcel, and the command leaves with 1.
With --as, it looks among the parcels of one authority only.

"comity log check FILE" verifies it, on a machine without a node with --trust.`,
		Example: "  comity log disclose --envelope 5452… -o answer.json\n" +
			"  comity log disclose --parcel 019c… --from xa/central-authority --to xb/prosecution-service --event RelayAcceptance -o answer.json",
		RunE: func(c *cobra.Command, _ []string) error {
			var q disclosure.Query
			for _, err := range []error{
				given(&q.Envelope, "--envelope", asked.envelope), given(&q.Sealed, "--sealed", asked.sealed),
				given(&q.Parcel, "--parcel", asked.parcel), given(&q.From, "--from", asked.from), given(&q.To, "--to", asked.to),
			} {
				if err != nil {
					return err
				}
			}
			var chosen []evidence.Event
			for _, text := range events {
				e := evidence.Event(text)
				if !slices.Contains(evidence.Events(), e) {
					return misuse("choose from "+joined(evidence.Events()), "--event: there is no event %q", text)
				}
				chosen = append(chosen, e)
			}
			return p.look(c.Context(), func(node *control.Client) error {
				d, err := node.Disclose(c.Context(), p.as, q, chosen, all)
				if err != nil {
					return err
				}
				return p.disclosed(d, out)
			})
		},
	}
	f := c.Flags()
	f.StringVar(&asked.envelope, "envelope", "", "SHA-256 of the envelope, `DIGEST` in hexadecimal")
	f.StringVar(&asked.sealed, "sealed", "", "SHA-256 of the sealed bytes, `DIGEST` in hexadecimal")
	f.StringVar(&asked.parcel, "parcel", "", "the whole id of the `PARCEL`")
	f.StringVar(&asked.from, "from", "", "sending `AUTHORITY`")
	f.StringVar(&asked.to, "to", "", "receiving `AUTHORITY`")
	f.StringArrayVar(&events, "event", nil, "`EVENT` whose evidence to disclose, several times if need be")
	f.BoolVar(&all, "all", false, "disclose all evidence of the parcel")
	f.StringVarP(&out, "output", "o", "", "`FILE` to write; it must not exist (default: standard output)")
	c.MarkFlagsMutuallyExclusive("event", "all")
	return c
}

// given reads a value that judges its own text; an empty one stays nil.
func given[T any, P interface {
	*T
	UnmarshalText([]byte) error
}](into **T, flag, text string) error {
	if text == "" {
		return nil
	}
	v := new(T)
	if err := P(v).UnmarshalText([]byte(text)); err != nil {
		return misuse("write it as \"comity sent --json\", \"comity show\" or an envelope has it", "%s: %s", flag, plain(err))
	}
	*into = v
	return nil
}

// disclosed writes the file and says what is in it.
func (p *program) disclosed(d *control.Disclosed, out string) error {
	if err := p.writeOut(out, []byte(d.File)); err != nil {
		return err
	}
	switch {
	case out != "" && p.json:
		if err := p.object(d); err != nil {
			return err
		}
	case out != "" && d.Found:
		p.say("Wrote to %s what proves parcel %s from %s to %s:", out, d.Way.Parcel, d.Way.From, d.Way.To)
		for _, e := range d.Events {
			p.say("  %s", e)
		}
		p.say("It tells of no other parcel. The auditor types: comity log check %s --trust FOLDER", quoted(out))
	}
	if d.Found {
		return nil
	}
	return &control.Error{
		Code:    control.NotFound,
		Message: "nothing here matches the question; the file says only that, and is no proof that there was no parcel",
		Hint:    `"comity inbox --json" and "comity sent --json" show what is here`,
	}
}

// writeOut writes a new file or, without a name, to standard output.
func (p *program) writeOut(path string, data []byte) error {
	if path != "" {
		return writeNew(path, data)
	}
	_, err := p.stdout.Write(data)
	return err
}
