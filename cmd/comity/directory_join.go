package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"comity/node/control"
	"comity/protocol"
)

func (p *program) directoryJoin() *cobra.Command {
	var heard string
	var mirrors []string
	c := &cobra.Command{
		Use: "join ROOT --mirror URL...", Args: words(1, 1),
		Short: "Follow the directory of a federation",
		Long: `Shows the root of a federation and its words. Call a steward at a number that you
knew before, let him read the twelve words (or the digits) to you, and join only if
they are the same: all that the directory says rests on them. Each root has words of
its own: ask for those of the root whose number you see. An older root does as well; the
node follows from it to the newest.

From then on the node asks the mirrors about once an hour, adopts records that
follow from those it holds, and knows new states on the stewards' word, until their
own words are compared with "comity peer pin". States that were pinned before stay
as they are. Mirrors that are down stop nothing. Joining once more with a root of
the same federation changes the mirrors.

On a terminal you are asked. Elsewhere give what you heard with --words.`,
		Example: `  comity directory join root.json --mirror https://directory.example/
  comity directory join root.json --mirror http://10.0.0.7:7480/ --words "ripple ocean … twelve words"`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(mirrors) == 0 {
				return misuse("give the address that the stewards hand out: --mirror https://directory.example/", "no mirror is named")
			}
			file, err := p.readInput(args[0], protocol.MaxRoot)
			if err != nil {
				return err
			}
			root, err := control.ReadRoot(file)
			if err != nil {
				return err
			}
			if !p.json {
				p.introducesRoot(root)
			}
			if heard == "" {
				if heard, err = p.compareRoot(c.Context(), root, args[0]); err != nil {
					return err
				}
			}
			return p.ask(c.Context(), func(node *control.Client) error {
				st, err := node.JoinFederation(c.Context(), file, heard, mirrors)
				if err != nil {
					return err
				}
				return p.directoryIs(st, "Joined.")
			})
		},
	}
	c.Flags().StringArrayVar(&mirrors, "mirror", nil, "`URL` of a mirror of the directory; repeatable")
	c.Flags().StringVar(&heard, "words", "", "the twelve `WORDS`, or the digits, that a steward read to you")
	return c
}

func (p *program) introducesRoot(r *control.Root) {
	p.say("This file says that it is root %d of a federation, valid until %s UTC:", r.Version, moment(r.Until))
	p.say("  %d stewards, of whom %d sign the next root, and %d of %d an edition", r.Stewards, r.Threshold, r.EditionThreshold, r.EditionStewards)
	if len(r.Names) > 0 {
		p.say("  it calls them %s", joined(r.Names))
	}
	p.say("\nIf it is theirs, a steward reads these words of root %d to you:\n", r.Version)
	p.words(r.Words, r.Digits)
	p.say("")
}

// compareRoot asks the person, who has the words before his eyes and a steward on the
// telephone.
func (p *program) compareRoot(ctx context.Context, r *control.Root, file string) (string, error) {
	if file == "-" || !p.asks() {
		return "", misuse(`give what the steward read to you: comity directory join ROOT --mirror URL --words "…"`,
			"%s to compare the words", p.nobody())
	}
	yes, err := p.confirmed(ctx, fmt.Sprintf("Did the steward read exactly these words of root %d to you? [y/N] ", r.Version))
	if err != nil {
		return "", err
	}
	if !yes {
		return "", problem(fmt.Sprintf("call a steward at a number that you knew before, and ask for the words of root %d, or for the newest root.json", r.Version),
			"not joined: the words of root %d were not confirmed", r.Version)
	}
	return strings.Join(r.Words, " "), nil
}
