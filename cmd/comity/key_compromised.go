package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"comity/node/control"
	"comity/node/operate"
)

func (p *program) keyCompromised() *cobra.Command {
	var offline, since string
	c := &cobra.Command{
		Use: "compromised witness --since TIME --offline FOLDER", Args: words(1, 1),
		Short: "Announce that the keys of the node's witness were stolen, and make others",
		Long: `For when the keys with which this node cosigns the logs of its peers may be in other
hands. The state's offline key signs the next record, which marks them compromised
since TIME and names new ones. FOLDER is the medium with the offline keys; take it
off the machine again afterwards. The node must not run meanwhile: stop it, announce,
start it. Peers adopt the record at the next contact.

From then on nothing that the old keys cosigned counts, whatever its date: whoever
has them can write any. Evidence that no other third state has seen is not yet
witnessed again, until the new keys cosign. A mark cannot be taken back.

Other keys cannot be replaced yet, so they cannot be announced either: telephone.`,
		Example: "  comity key compromised witness --since 2026-11-20 --offline /media/offline",
		RunE: func(c *cobra.Command, args []string) error {
			if args[0] != "witness" {
				return misuse("comity key compromised witness --since TIME --offline FOLDER", "only the keys of the witness can be announced and replaced, not those of %q", args[0])
			}
			at, err := momentOf("--since", since)
			if err != nil {
				return err
			}
			return p.compromised(c.Context(), at, offline)
		},
	}
	c.Flags().StringVar(&offline, "offline", "", "`FOLDER` that the offline keys were moved to")
	c.Flags().StringVar(&since, "since", "", "`TIME` since when they may have been in other hands: a day, or like 2026-11-20T10:00:00Z")
	return c
}

// momentOf reads a day, which begins in UTC, or a time.
func momentOf(flag, text string) (time.Time, error) {
	for _, form := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(form, text); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, misuse(flag+" 2026-11-20, or "+flag+" 2026-11-20T10:00:00Z", "%s %q is neither a day nor a time", flag, text)
}

func (p *program) compromised(ctx context.Context, since time.Time, offline string) error {
	dir, err := p.directory()
	if err != nil {
		return err
	}
	if offline == "" {
		return problem("name the medium with the offline keys: --offline FOLDER", "the state's offline key has to sign the next record")
	}
	if control.Running(ctx, dir) {
		return problem("stop it, announce, and start it again: what waits is sent then", "a node runs on %s", dir)
	}
	from, err := p.passphrases(ctx, nil)
	if err != nil {
		return err
	}
	state, err := operate.ReplaceWitness(ctx, operate.CompromisedPlan{Amendment: operate.Amendment{Dir: dir, Offline: offline, Passphrases: from, Now: time.Now}, Since: since})
	if errors.Is(err, operate.ErrNotYet) {
		return problem("give the time since when the keys may have been in other hands", "%v", err)
	} else if err != nil {
		return control.Explain(err)
	}
	r := state.Record()
	m := r.Node.Compromised[len(r.Node.Compromised)-1]
	p.say("Record %d of state %s marks the old keys of its witness as compromised since %s, and names new ones.", r.Sequence, r.State, m.Since)
	p.say("Take %s off this machine again, then type: comity serve --dir %s", offline, quoted(dir))
	p.say("Peers get the record at the next contact. Tell auditors: with your newest introduction they learn of it, too.")
	return nil
}
