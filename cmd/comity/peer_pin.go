package main

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"comity/node/control"
	"comity/protocol"
)

func (p *program) peerPin() *cobra.Command {
	var heard string
	c := &cobra.Command{
		Use: "pin FILE", Args: words(1, 1),
		Short: "Trust another state's introduction after comparing its words",
		Long: `Shows whose introduction FILE is and the words of its record. Call the other
side at a number that you knew before, let them read their twelve words (or the
digits) to you, and pin the record only if they are the same. The words are all
that the trust between two states rests on, so nothing can skip the comparison.

Only a record that follows from a pinned one, by the state's own keys, needs no new
words, unless it names another offline key or tells of a theft: then the thief may have
sent it. Usually the node has it by itself from the next contact.

On a terminal you are asked. Elsewhere give what you heard with --words.`,
		Example: `  comity peer pin xb.json
  comity peer pin xb.json --words "ripple ocean … twelve words"`,
		RunE: func(c *cobra.Command, args []string) error {
			file, err := p.readInput(args[0], protocol.MaxIntroduction)
			if err != nil {
				return err
			}
			i, err := control.ReadIntroduction(file)
			if err != nil {
				return err
			}
			if heard == "" {
				before, err := p.follows(c.Context(), file)
				if err != nil {
					return err
				}
				if before > 0 {
					return p.pinNext(c.Context(), i, file, before)
				}
			}
			if !p.json {
				p.introduces(i)
				p.say("\nIf it is theirs, they read these words to you:\n")
				p.words(i.Words, i.Digits)
				p.say("")
			}
			if heard == "" {
				if heard, err = p.compare(c.Context(), i, args[0]); err != nil {
					return err
				}
			}
			return p.pin(c.Context(), file, heard)
		},
	}
	c.Flags().StringVar(&heard, "words", "", "the twelve `WORDS`, or the digits, that the other side read to you")
	return c
}

// follows returns the number of the record from which the one in a file follows; 0:
// its words have to be compared. It needs no key.
func (p *program) follows(ctx context.Context, file []byte) (before int64, err error) {
	err = p.look(ctx, func(node *control.Client) error {
		f, err := node.Follows(ctx, file)
		if err == nil {
			before = f.Before
		}
		return err
	})
	return before, err
}

// pinNext takes a record that follows. Who compares words for it all the same gives
// them with --words.
func (p *program) pinNext(ctx context.Context, i *control.Introduction, file []byte, before int64) error {
	if !p.json {
		p.introduces(i)
		p.say("\nIt follows from record %d, which this node has, by the keys of state %s itself: no words", before, i.State)
		p.say("need to be compared.\n")
	}
	return p.pin(ctx, file, "")
}

func (p *program) introduces(i *control.Introduction) {
	p.say("This file says that it introduces")
	p.say("  state       %s (%s), record %d, valid until %s UTC", i.State, name(i.Name), i.Sequence, moment(i.Until))
	p.say("  node        %s at %s", i.Node, safe(strings.Join(i.Endpoints, ", ")))
	for _, a := range i.Authorities {
		p.say("  authority   %s (%s)", a.ID, name(a.Name))
	}
}

// compare asks the person. The answer stands for the words: it is typed by
// someone who has them before their eyes and the other side on the telephone.
func (p *program) compare(ctx context.Context, i *control.Introduction, file string) (string, error) {
	if file == "-" || !p.asks() {
		return "", misuse(`give what the other side read to you: comity peer pin FILE --words "…"`,
			"%s to compare the words", p.nobody())
	}
	yes, err := p.confirmed(ctx, "Did the other side read exactly these words to you? [y/N] ")
	if err != nil {
		return "", err
	}
	if !yes {
		return "", problem("call the other side at a number that you knew before, and compare", "not pinned: the words were not confirmed")
	}
	return strings.Join(i.Words, " "), nil
}

// confirmed asks a person at the terminal for a yes.
func (p *program) confirmed(ctx context.Context, question string) (bool, error) {
	fmt.Fprint(p.stdout, question)
	typed := make(chan string, 1)
	go func() {
		answer, _ := bufio.NewReader(p.stdin).ReadString('\n') // an end of input is a no
		typed <- strings.ToLower(strings.TrimSpace(answer))
	}()
	select {
	case answer := <-typed:
		return answer == "y" || answer == "yes", nil
	case <-ctx.Done():
		fmt.Fprintln(p.stdout)
		return false, ctx.Err()
	}
}

func (p *program) pin(ctx context.Context, file []byte, heard string) error {
	return p.ask(ctx, func(node *control.Client) error {
		done, err := node.Pin(ctx, file, heard)
		if err != nil {
			return err
		}
		if p.json {
			return p.object(done)
		}
		if done.Already {
			p.say("Record %d of state %s was pinned already; nothing changed.", done.Sequence, done.State)
			return nil
		}
		switch {
		case done.Followed:
			p.say("Record %d of state %s takes the place of number %d.", done.Sequence, done.State, done.Before)
		case done.Before == 0:
			p.say("Pinned: this node now trusts record %d of state %s.", done.Sequence, done.State)
		case done.Before == done.Sequence:
			p.say("Record %d of state %s was known already; now it is confirmed by words.", done.Sequence, done.State)
		default:
			p.say("Pinned: record %d of state %s takes the place of number %d.", done.Sequence, done.State, done.Before)
		}
		if node.Local() {
			p.say("The node is not running: the connection begins with \"comity serve\".")
		}
		return nil
	})
}
