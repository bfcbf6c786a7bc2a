package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"comity/node/federation"
	"comity/node/operate"
	"comity/protocol"
)

func (p *program) federationCollect() *cobra.Command {
	return &cobra.Command{
		Use: "collect FILE ...", Args: words(1, 32),
		Short: "Take signed drafts back; publish when enough have signed",
		Long: `Takes the signatures out of what stewards give back. Once enough have signed, it is
published, and stamped with the online key if there is an edition: from then on mirrors
have it. Until then it says who is still to sign. A file that is refused changes nothing;
one that comes too late, because enough had signed, is passed over. Typed again it ends
what was interrupted, such as the stamp when a passphrase was wrong.`,
		Example: "  comity federation collect edition-3-assembly-xa.json edition-3-board-xb.json --dir /srv/federation",
		RunE: func(c *cobra.Command, args []string) error {
			var papers [][]byte
			for _, path := range args {
				data, err := p.readInput(path, federation.MaxPaper)
				if err != nil {
					return err
				}
				papers = append(papers, data)
			}
			return p.registry(federation.OpenRegistry, func(r *federation.Registry) error {
				done, err := r.Collect(papers, time.Now())
				if err != nil {
					return p.uncollected(r, args, err)
				}
				p.handed(done, args)
				return p.collected(c, r, done)
			})
		},
	}
}

// uncollected says why nothing was taken.
func (p *program) uncollected(r *federation.Registry, args []string, err error) error {
	var refused *federation.PaperError
	var givenUp *federation.GivenUpError
	switch {
	case !errors.As(err, &refused):
		return err
	case errors.Is(err, federation.ErrNoDraft):
		return problem(`"comity federation status" says what is published`, "%s: %v", args[refused.Index], refused.Err)
	case errors.As(err, &givenUp):
		hint := "tell whoever signed it; no other draft is with the stewards"
		if open, err := r.Draft(); err == nil && open != nil {
			hint = "tell whoever signed it, and hand out the draft that is open now: " + open.Path
		}
		return problem(hint, "%s: %v", args[refused.Index], givenUp)
	}
	return federationRefusal(fmt.Errorf("%s: %w", args[refused.Index], refused.Err))
}

// handed tells of papers that brought nothing.
func (p *program) handed(done *federation.Collected, args []string) {
	if p.json {
		return
	}
	for i, h := range done.Papers {
		switch {
		case h.Past:
			p.say("%s: %s is published already; nothing was taken from it.", args[i], h.Name())
		case h.New == 0 && len(h.Signers()) == 0:
			p.say("%s: nobody has signed this copy.", args[i])
		case h.New == 0:
			p.say("%s: it brought no signature that was not here already.", args[i])
		}
	}
}

// collected tells what came of it, and stamps.
func (p *program) collected(c *cobra.Command, r *federation.Registry, done *federation.Collected) error {
	if p.json {
		v, err := viewOf(done.Draft, "", done.Published)
		if err == nil {
			err = p.object(v)
		}
		if err != nil || !done.Published {
			return err
		}
		return p.stampIfListed(c, r)
	}
	if !done.Published {
		p.progress(done.Draft)
		p.say("%s is not published yet. The signatures so far are kept.", done.Name())
		return nil
	}
	if !done.Again {
		p.signedBy(done.Draft)
		p.say("Published: %s %d.", done.Kind(), done.Number())
		if root := done.Root(); root != nil {
			p.say("Give %s/root.json to whoever joins with a node, and read them its words by telephone:\n", quoted(r.Directory()))
			p.words(root.Words(), root.Digits())
			p.say("")
		}
	}
	return p.stampIfListed(c, r)
}

// stampIfListed stamps if that is needed: nodes do not see the edition before, or the
// stamp will soon end. There is nothing to stamp before there is an edition.
func (p *program) stampIfListed(c *cobra.Command, r *federation.Registry) error {
	st, err := r.Status()
	if err != nil {
		return err
	}
	switch {
	case st.Edition == nil:
		if !p.json && st.Open == nil {
			p.say("Next, list the states: comity federation add INTRODUCTION … --dir %s", quoted(p.dir))
		}
		return nil
	case !mustStamp(st, time.Now()):
		if !p.json {
			p.say("The stamp counts until %s UTC.", moment(protocol.At(st.Stamped)))
		}
		return nil
	}
	unlock, err := p.unlocking(c.Context(), operate.OnlineHolder, true, false)
	if err != nil {
		return err
	}
	if err := r.Stamp(unlock, time.Now()); err != nil {
		return p.unstamped(st, err)
	}
	if !p.json {
		p.say("Stamped. Mirrors that copy %s have it from now on.", quoted(r.Directory()))
	}
	return nil
}

// unstamped says that all is published, and what becomes of it without a stamp.
func (p *program) unstamped(st *federation.Status, err error) error {
	what := "nodes raise an alarm until it is"
	switch {
	case st.Unstamped:
		what = "so nodes do not see it yet"
	case st.Stamped.After(time.Now()):
		what = fmt.Sprintf("the stamp before counts until %s UTC", moment(protocol.At(st.Stamped)))
	}
	return problem(`give the passphrase of the online key and type "comity federation stamp"`, "it is published, but not stamped; %s: %v", what, err)
}
