package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"comity/crypto/pgp"
	"comity/node/control"
	"comity/node/operate"
	"comity/protocol"
	"comity/protocol/record"
)

// additionFlags are what "authority add" is told.
type additionFlags struct {
	name, language, algorithm, offline string
	protect                            bool
}

func (p *program) authorityAdd() *cobra.Command {
	var f additionFlags
	c := &cobra.Command{
		Use: "add AUTHORITY --name NAME --offline FOLDER", Args: words(1, 1),
		Short: "Give this node one more authority",
		Long: `Makes an authority that this node hosts from now on: keys and a database of its own,
an entry that its own new offline key signs, and the state's next record with it,
which the state's offline key signs. FOLDER is the medium with the state's offline
key; the authority's goes there too. Take it off the machine again afterwards. The
node must not run meanwhile: stop it, add, start it. Peers adopt the record at the
next contact.

Each authority has its own parcels, keys, journal, report and share of the node, and
sees nothing of another's. From the second one on, commands want to know for whom:
--as AUTHORITY, or $COMITY_AS.

If it was interrupted, type the same again: it goes on with the keys that were made.

--protect protects the new keys by passphrases, one for the office and one for the
act key, from --passphrase-file or typed. Where the node's keys are protected, they
have to be.`,
		Example: `  comity authority add prosecution-service --name "Prosecution Service" --offline /media/offline
  comity serve
  comity inbox --as prosecution-service`,
		RunE: func(c *cobra.Command, args []string) error { return p.addAuthority(c.Context(), &f, args[0]) },
	}
	flags := c.Flags()
	flags.StringVar(&f.name, "name", "", "`NAME` of the authority for people")
	flags.StringVar(&f.language, "language", "en", "`LANGUAGE` of the name (BCP 47)")
	flags.StringVar(&f.offline, "offline", "", "`FOLDER` that the offline keys were moved to")
	flags.StringVar(&f.algorithm, "algorithm", "ed25519", "`KIND` of signing keys: ed25519 or p256 (for hardware tokens)")
	flags.BoolVar(&f.protect, "protect", false, "protect the new keys by passphrases")
	return c
}

func (p *program) addAuthority(ctx context.Context, f *additionFlags, short string) error {
	dir, err := p.directory()
	if err != nil {
		return err
	}
	config, err := control.ReadConfig(dir)
	if err != nil {
		return err
	}
	plan, err := f.plan(dir, config, short)
	if err != nil {
		return err
	}
	if control.Running(ctx, dir) {
		return problem("stop it, add the authority, and start it again: what waits is sent then", "a node runs on %s", dir)
	}
	if err := p.protectAddition(ctx, f, plan); err != nil {
		return err
	}
	state, err := operate.AddAuthority(ctx, *plan)
	if err != nil {
		return additionError(err)
	}
	return p.added(dir, plan, state)
}

// plan checks what was typed.
func (f *additionFlags) plan(dir string, config operate.Config, short string) (*operate.AdditionPlan, error) {
	const example = `"comity help authority add" shows an example`
	state := config.Node.State()
	full := short
	if !strings.Contains(short, "/") {
		full = string(state) + "/" + short
	}
	var id protocol.AuthorityID
	switch err := id.UnmarshalText([]byte(full)); {
	case err != nil || id.State() != state:
		return nil, misuse(example, "%q is no name of an authority of state %s: want lower-case letters, digits and single hyphens, such as central-authority", short, state)
	case f.name == "":
		return nil, misuse(example, "officers abroad need a name to read: give it with --name")
	case f.offline == "":
		return nil, problem("name the medium with the offline keys: --offline FOLDER", "the state's offline key has to sign the next record")
	case pgp.Algorithm(f.algorithm) != pgp.Ed25519 && pgp.Algorithm(f.algorithm) != pgp.P256:
		return nil, misuse("", "--algorithm %q: want ed25519 or p256", f.algorithm)
	}
	return &operate.AdditionPlan{
		Amendment: operate.Amendment{Dir: dir, Offline: f.offline, Now: time.Now},
		Authority: operate.PlannedAuthority{ID: id, Name: []record.Name{{Language: f.language, Text: f.name}}},
		Algorithm: pgp.Algorithm(f.algorithm),
	}, nil
}

// protectAddition finds the passphrases that open what is there, and those that the
// new keys are to have.
func (p *program) protectAddition(ctx context.Context, f *additionFlags, plan *operate.AdditionPlan) (err error) {
	if plan.Passphrases, err = p.passphrases(ctx, nil); err != nil {
		return err
	}
	if !f.protect {
		return nil
	}
	from, err := p.passphrases(ctx, nil)
	if err != nil {
		return err
	}
	id := plan.Authority.ID
	plan.Protect, plan.PassphraseFiles, err = p.newOnes(ctx, from, plan.Dir, []operate.Holder{operate.OfficeHolder(id), operate.ActHolder(id)})
	return err
}

func additionError(err error) error {
	if errors.Is(err, operate.ErrHosted) {
		return problem(`"comity authority list" shows those that it hosts; "comity directory publish" changes what one says of itself`, "%v", err)
	}
	if protocol.CodeOf(err) != "" {
		return problem("nothing was published; mend the name and type it again", "%s", sentenceOf(err))
	}
	return control.Explain(err)
}

// added tells what was made and what to do next.
func (p *program) added(dir string, plan *operate.AdditionPlan, state *record.State) error {
	id := plan.Authority.ID
	if p.json {
		return p.object(struct {
			Authority protocol.AuthorityID `json:"authority"`
			publishedView
		}{id, viewOfPublished(state, true)})
	}
	p.say("Added %s (%s). Record %d of state %s lists it.", id, name(plan.Authority.Name[0].Text), state.Record().Sequence, state.Record().State)
	p.say("Its offline key is in %s, beside the state's.", safe(plan.Offline))
	p.say("\nNow")
	p.say("  1. take %s off this machine again, and copy the new key to its second copy;", safe(plan.Offline))
	p.say("  2. comity serve --dir %s", quoted(dir))
	p.say("  3. comity directory entry %s --dir %s -o entry.json", id, quoted(dir))
	p.say("     and publish what it is competent for, so that officers abroad find it.")
	p.peersGet(dir)
	p.say("Its officers type  --as %s  in every command.", id.Name())
	return nil
}
