package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"comity/node/federation"
	"comity/node/operate"
)

func (p *program) federationCollect() *cobra.Command {
	return &cobra.Command{
		Use: "collect FILE ...", Args: words(1, 32),
		Short: "Take signed drafts back; publish when enough have signed",
		Long: `Takes the signatures out of what stewards give back. Once enough have signed, it is
published, and stamped with the online key if there is an edition: from then on mirrors
have it. Until then it says who is still to sign. A file that is refused changes nothing.`,
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
				var refused *federation.PaperError
				if errors.As(err, &refused) {
					return federationRefusal(fmt.Errorf("%s: %w", args[refused.Index], refused.Err))
				}
				if err != nil {
					return err
				}
				if done == nil {
					return problem(`"comity federation status" says what is published`, "no draft is with the stewards: there is nothing to collect")
				}
				return p.collected(c, r, done)
			})
		},
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
	p.progress(done.Draft)
	p.say("Published: %s %d.", done.Kind(), done.Number())
	if root := done.Root(); root != nil {
		p.say("Give %s/root.json to whoever joins with a node, and read them its words by telephone:\n", quoted(r.Directory()))
		p.words(root.Words(), root.Digits())
		p.say("")
	}
	return p.stampIfListed(c, r)
}

// stampIfListed stamps, unless there is no edition yet.
func (p *program) stampIfListed(c *cobra.Command, r *federation.Registry) error {
	st, err := r.Status()
	if err != nil {
		return err
	}
	if st.Edition == nil {
		if !p.json {
			p.say("Next, list the states: comity federation add INTRODUCTION … --dir %s", quoted(p.dir))
		}
		return nil
	}
	unlock, err := p.unlocking(c.Context(), operate.OnlineHolder, true, false)
	if err != nil {
		return err
	}
	if err := r.Stamp(unlock, time.Now()); err != nil {
		return p.unstamped(err)
	}
	if !p.json {
		p.say("Stamped. Mirrors that copy %s have it from now on.", quoted(r.Directory()))
	}
	return nil
}

// unstamped says that all is published, and that nobody sees it yet.
func (p *program) unstamped(err error) error {
	return problem(`give the passphrase of the online key and type "comity federation stamp"`, "it is published, but not stamped, so nodes do not see it yet: %v", err)
}
