package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"comity/node/control"
	"comity/node/operate"
	"comity/protocol"
)

func (p *program) logNewEra() *cobra.Command {
	var offline string
	c := &cobra.Command{
		Use: "new-era --offline FOLDER", Args: words(0, 0),
		Short: "Begin the next log of a node that was restored from an old backup",
		Long: `For a node of which "comity serve" has said that it is an older copy of itself,
when there is no newer copy. The log that it has lost cannot be continued. This
makes new log keys, has the state's offline key sign a record that names them, and
begins the next log; its first leaf names the log before, as this copy has it and
as peers have shown it. The old log key is destroyed. FOLDER is the medium with the
offline keys; take it off the machine again afterwards.

Then type "comity serve". The node hands its new record to each peer, fetches what
the peer holds of it, marks those ids as used, and asks for the bytes of parcels
that it had accepted and lost. From a peer that cannot be reached it accepts nothing
until then. Its log says what was found, and what is lost for good. Keep the backup:
it is all that is left of the old log here.`,
		Example: "  comity log new-era --offline /media/offline",
		RunE: func(c *cobra.Command, _ []string) error {
			return p.newEra(c.Context(), offline)
		},
	}
	c.Flags().StringVar(&offline, "offline", "", "`FOLDER` that the offline keys were moved to")
	return c
}

func (p *program) newEra(ctx context.Context, offline string) error {
	dir, err := p.directory()
	if err != nil {
		return err
	}
	if offline == "" {
		return problem("name the medium with the offline keys: comity log new-era --offline FOLDER", "the state's offline key has to sign the next record")
	}
	if control.Running(ctx, dir) {
		return problem("stop it first", "a node runs on %s", dir)
	}
	from, err := p.passphrases(ctx, nil)
	if err != nil {
		return err
	}
	state, err := operate.NewEra(ctx, operate.Amendment{Dir: dir, Offline: offline, Passphrases: from, Now: time.Now})
	var other *operate.OtherKeysError
	if errors.As(err, &other) {
		const hint = `bring back the key files in %s and the record in %s as they were when that record was made, and type "comity log new-era" again`
		layout := operate.Layout{Dir: dir}
		return problem(fmt.Sprintf(hint, layout.Node(), filepath.Dir(layout.Record())), "%v", err)
	} else if errors.Is(err, operate.ErrNotOlder) {
		return notOlder(dir, err)
	} else if err != nil {
		return control.Explain(err)
	}
	if p.json {
		return p.object(viewOfPublished(state, true))
	}
	p.say("Record %d of state %s names the new log %s.", state.Record().Sequence, state.Record().State, state.Record().Node.Log.Origin)
	p.say("Take %s off this machine again, then type: comity serve --dir %s", offline, quoted(dir))
	p.say("The node fetches from each peer what it has lost, before it accepts anything from it.")
	return nil
}

// notOlder says why no era is begun: nothing is known to be lost, or it was begun
// already.
func notOlder(dir string, err error) error {
	own, failed := operate.ReadRecord(operate.Layout{Dir: dir})
	if failed != nil {
		return control.Explain(failed)
	}
	log := own.Record().Node.Log.Origin
	if _, number, failed := protocol.ParseLogOrigin(log); failed == nil && number > 1 {
		return problem(`type "comity serve": it goes on with that log`, "the new log %s is begun already, and since then %v", log, err)
	}
	return problem(`type "comity serve": it asks the peers`, "%v", err)
}
