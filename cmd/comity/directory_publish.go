package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"comity/node/control"
	"comity/node/operate"
	"comity/protocol"
)

func (p *program) directoryPublish() *cobra.Command {
	var offline string
	c := &cobra.Command{
		Use: "publish FILE --offline FOLDER", Args: words(1, 1),
		Short: "Publish what an authority of this state says of itself",
		Long: `Reads a file that "comity directory entry" wrote and a person has edited. The
authority's offline key signs it as the authority's next entry, the state's
offline key signs the next record with it, and the record becomes a leaf of the
node's log. FOLDER is the medium with both offline keys; take it off the machine
again afterwards. The node must not run meanwhile: stop it, publish, start it.
Peers get the new record at the next contact and adopt it by themselves.

What officers abroad will see is shown first, with what it replaces; at a terminal you
are asked before anything is signed. A file in which data of the example are left is
refused.

Publishing confirms the entry as of now, changed or not. Readers are told that an
entry is old when it has not been confirmed for twelve months. Keys, addresses and
the record's own term stay as they are.

In a directory that was restored from a backup, run "comity serve" first: only a
peer can tell whether the record to follow is still the newest.`,
		Example: "  comity directory publish entry.json --offline /media/offline",
		RunE: func(c *cobra.Command, args []string) error {
			return p.publish(c.Context(), args[0], offline)
		},
	}
	c.Flags().StringVar(&offline, "offline", "", "`FOLDER` that the offline keys were moved to")
	return c
}

func (p *program) publish(ctx context.Context, path, offline string) error {
	dir, err := p.directory()
	if err != nil {
		return err
	}
	data, err := p.readInput(path, protocol.MaxAuthorityEntry)
	if err != nil {
		return err
	}
	entry, err := operate.ReadEntryFile(data)
	if err != nil {
		return problem(`nothing was published; mend the file: "comity directory entry --example" shows what may stand where`, "%s: %s", path, plain(err))
	}
	if entry.Authority == exampleAuthority {
		return problem(`nothing was published; "comity directory entry AUTHORITY -o FILE" writes the present entry of your own, to edit`, "%s is the example still, of an authority that does not exist", path)
	}
	if left := leftovers(entry); len(left) > 0 {
		return problem("nothing was published; put the authority's own in their place, or an empty list", "%s: still as in the example, which is of nobody: %s", path, strings.Join(left, ", "))
	}
	if offline == "" {
		return problem("name the medium with the offline keys: comity directory publish FILE --offline FOLDER", "the offline keys of the authority and of the state have to sign")
	}
	if control.Running(ctx, dir) {
		return problem("stop it, publish, and start it again: what waits is sent then", "a node runs on %s", dir)
	}
	from, err := p.passphrases(ctx, nil)
	if err != nil {
		return err
	}
	if !p.json { // nobody is there to look
		if err := p.preview(ctx, dir, entry); err != nil {
			return err
		}
	}
	state, err := operate.Publish(ctx, operate.PublishPlan{Amendment: operate.Amendment{Dir: dir, Offline: offline, Passphrases: from, Now: time.Now}, Entry: entry})
	if err != nil {
		return control.Explain(err)
	}
	if p.json {
		return p.object(viewOfPublished(state, true))
	}
	r := state.Record()
	p.say("Record %d of state %s has the new entry of %s, confirmed as of now.", r.Sequence, r.State, entry.Authority)
	p.say("Take %s off this machine again, then type: comity serve --dir %s", offline, quoted(dir))
	p.peersGet(dir)
	return nil
}

// plain is a refusal without its code, which is for programs.
func plain(err error) string {
	return strings.TrimPrefix(err.Error(), string(protocol.CodeOf(err))+": ")
}
