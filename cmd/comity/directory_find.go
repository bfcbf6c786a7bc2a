package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"comity/node/control"
	"comity/protocol/record"
)

func (p *program) directoryFind() *cobra.Command {
	var q control.FindRequest
	limit := atMost(20)
	c := &cobra.Command{
		Use: "find [TEXT...]", Args: cobra.ArbitraryArgs,
		Short: "Find the authority for a request",
		Long: `Searches the authorities of this state, of all whose records this node has
adopted, and those that were imported and are not on the network. Every part of the
question has to fit. TEXT is looked for in names of authorities, states and places,
in instruments and functions; beginnings of words are enough. Case, accents and
vowel marks do not matter, nor does one error in typing a word of four letters or
more.

FUNCTION is one of ` + functions() + `.

--article and --for have to fit under one instrument. An authority that has not
told what is asked for is only counted; --untold lists it, after those that have.
"comity directory show AUTHORITY" shows one with everything that it requires.`,
		Example: `  comity directory find --state peru --for extradition
  comity directory find --for mutual-legal-assistance --article 18 --language fr
  comity directory find السلطة المركزية`,
		RunE: func(c *cobra.Command, args []string) error {
			q.Text = args
			q.Limit = int(limit)
			return p.look(c.Context(), func(node *control.Client) error {
				found, err := node.Find(c.Context(), q)
				if err != nil {
					return err
				}
				if p.json {
					return p.object(found)
				}
				p.found(found)
				return nil
			})
		},
	}
	flags := c.Flags()
	flags.StringVar(&q.State, "state", "", "`STATE`: two letters, or words of its name")
	flags.StringVar(&q.For, "for", "", "`FUNCTION`, such as extradition")
	flags.StringVar(&q.Article, "article", "", "`ARTICLE` of an instrument; 18 finds 18(13) as well")
	flags.StringVar(&q.Language, "language", "", "`LANGUAGE` that it takes, such as fr")
	flags.BoolVar(&q.Untold, "untold", false, "list those as well that have not told what is asked for")
	flags.Var(&limit, "limit", "`NUMBER` of hits at most, up to 200")
	return c
}

// functions lists what --for knows, in lines of a help text.
func functions() string {
	var b strings.Builder
	width := len("FUNCTION is one of ")
	for i, f := range record.Functions() {
		if i > 0 {
			b.WriteString(", ")
			width += 2
		}
		if width += len(f); width > 80 {
			b.WriteString("\n")
			width = len(f)
		}
		b.WriteString(string(f))
	}
	return strings.ReplaceAll(b.String(), " \n", "\n")
}

func (p *program) found(f *control.Found) {
	for i, h := range f.Hits {
		if i > 0 {
			p.say("")
		}
		p.hit(&h)
	}
	switch {
	case len(f.Hits) == 0 && f.Untold == 0:
		p.say("No authority that this node knows fits. \"comity peer list\" shows the states whose records are here.")
	case len(f.Hits) == 0:
		p.say("No authority has told that it fits.")
	}
	if f.More > 0 {
		p.say("\n%d more: ask more exactly, or for up to 200 with --limit.", f.More)
	}
	if f.Untold > 0 {
		p.say("\n%s may fit, and %s not told: --untold lists them.", authorities(f.Untold), noun(int64(f.Untold), "has", "have"))
	}
}

func authorities(n int) string {
	return fmt.Sprintf("%d %s", n, noun(int64(n), "authority", "authorities"))
}

// hit shows what an officer has to know to choose: who, where, what they require.
func (p *program) hit(h *control.Hit) {
	p.heading(&h.Listing)
	if !h.Told {
		p.say("  It has not told all that was asked for.")
	}
	s := h.Particulars
	if s == nil {
		return
	}
	var f facts
	for _, c := range s.Competences {
		f.add("competent", competence(c))
	}
	f.add("languages", languagesOf(s.Languages))
	f.requirements(s)
	for _, ch := range s.Channels {
		f.add("by way of", channel(ch))
	}
	if h.Network == nil {
		f.contact(&s.Contact)
	}
	p.facts(f)
}
