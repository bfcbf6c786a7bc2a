package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"comity/crypto/pgp"
	"comity/node/control"
	"comity/node/operate"
	"comity/protocol"
)

func (p *program) keyRotate() *cobra.Command {
	var offline string
	c := &cobra.Command{
		Use: "rotate KIND --offline FOLDER", Args: words(1, 1),
		Short: "Give one kind of keys their successors",
		Long: `Makes new keys of one kind, and has the offline keys on FOLDER sign the next record,
which names them and has its year from now. The node must not run meanwhile: stop it,
rotate, start it; take FOLDER off the machine again. Peers adopt the record at the next
contact. Nothing in flight fails, and what the old keys signed verifies as before.
KIND is one of

  act       with which people act for an authority (--as AUTHORITY, if several)
  attest    with which its office attests that a parcel was handed over or opened
  age       what parcels to it are sealed to. The old identity stays, and opens what
            is sealed to it by those who have not heard yet; rotate it each month
  node      with which the node signs envelopes and evidence
  tls       by which peers know it on the wire. They let in no key that they do not
            know, so the node shows the old one until all have the new record;
            "comity doctor" says who is missing
  witness   with which it cosigns the logs of peers
  log       of its log, which no log changes: the next era begins, with every leaf
            again; take a backup first, which keeps the old log
  authority the offline key of an authority, with a new certificate, act and attest key
  state     the offline key of the state. Either hands over to its successor by its
            signature, so peers follow without new words; FOLDER has the new one in
            the place of the old one

Keys that were stolen are announced with "comity key compromised".`,
		Example: `  comity key rotate age --offline /media/offline
  comity key rotate act --as prosecution-service --offline /media/offline`,
		RunE: func(c *cobra.Command, args []string) error {
			kind, err := kindOf("comity key rotate KIND --offline FOLDER", args[0])
			if err != nil {
				return err
			}
			return p.rotate(c.Context(), kind, nil, offline)
		},
	}
	c.Flags().StringVar(&offline, "offline", "", "`FOLDER` that the offline keys were moved to")
	return c
}

// kindOf reads a kind of keys.
func kindOf(usage, word string) (operate.Kind, error) {
	if kind := operate.Kind(word); slices.Contains(operate.Kinds(), kind) {
		return kind, nil
	}
	return "", misuse(usage, "there are no keys of the kind %q; there are %s", word, joined(operate.Kinds()))
}

// rotate gives keys their successors; since is when they were stolen, nil: they
// were not.
func (p *program) rotate(ctx context.Context, kind operate.Kind, since *time.Time, offline string) error {
	verb := "rotate"
	if since != nil {
		verb = "announce"
	}
	a, err := p.amendment(ctx, offline, verb, "the state's offline key has to sign the next record")
	if err != nil {
		return err
	}
	plan := operate.RotatePlan{Amendment: a, Kinds: []operate.Kind{kind}, Since: since}
	if kind.OfOffice() {
		authority, err := p.ownAuthority(a.Dir)
		if err != nil {
			return err
		}
		plan.Authorities = []protocol.AuthorityID{authority}
	}
	made, err := operate.Rotate(ctx, plan)
	switch {
	case errors.Is(err, operate.ErrNotYet):
		return problem("give the time since when the keys may have been in other hands", "%v", err)
	case errors.Is(err, operate.ErrAnnounced):
		return problem("nothing is left to do, unless the new keys were stolen as well: then give the time since when these may have been in other hands", "%v", err)
	case err != nil:
		return noRoom(err)
	}
	if p.json {
		return p.object(viewOfPublished(made.State, made.Broken == nil))
	}
	r := made.State.Record()
	of := "of node " + string(r.Node.ID)
	if kind == operate.StateKind {
		of = "of state " + string(r.State)
	}
	if len(plan.Authorities) > 0 {
		of = "of " + string(plan.Authorities[0])
	}
	if since == nil {
		p.say("Record %d of state %s names new keys (%s) %s, and is valid until %s.", r.Sequence, r.State, kind, of, r.Valid.Until.Format(time.DateOnly))
	} else {
		p.announced(made, kind, of, *since)
	}
	if kind == operate.StateKind || kind == operate.AuthorityKind {
		p.say("%s has the new key in the place of the old one. Copy it to the other medium too, and destroy all other copies.", offline)
	}
	if since != nil && kind == operate.StateKind {
		p.say("\nWhoever has the old key can hand over, too. So compare the words of this record with every peer by telephone:\n")
		p.words(made.State.Words(), made.State.Digits())
	}
	if kind == operate.LogKind {
		p.say("The log is %s from now on: every leaf stands in it again, below a first one that names the log before.", r.Node.Log.Origin)
	}
	p.amended(offline, a.Dir, made)
	return nil
}

// noRoom says what to do about a certificate that has all the subkeys it may have.
func noRoom(err error) error {
	if errors.Is(err, pgp.ErrFull) {
		return problem(`an authority makes a new certificate with "comity key rotate authority --offline FOLDER"`, "%v", err)
	}
	return control.Explain(err)
}

func (p *program) keyRenew() *cobra.Command {
	var offline string
	c := &cobra.Command{
		Use: "renew --offline FOLDER", Args: words(0, 0),
		Short: "Once a year: renew everything that ends by itself",
		Long: `Gives the record, and each key that has an end, another year: new keys of the node
and of its TLS, and of each authority that it hosts its act and attest keys and what
parcels are sealed to, as "comity key rotate" does for one kind. The keys of the log, of
the witness, and the offline keys stay; the windows of the offline keys are extended.

FOLDER has the offline keys of the state, of the node and of each authority; take it
off the machine again afterwards. The node must not run meanwhile. "comity doctor" warns
45 days before anything ends, and shows what of peers ends. After the end peers refuse
what the node signs until they have compared the words of a new introduction.`,
		Example: "  comity key renew --offline /media/offline",
		RunE: func(c *cobra.Command, _ []string) error {
			a, err := p.amendment(c.Context(), offline, "renew", "the offline keys have to sign the next record")
			if err != nil {
				return err
			}
			made, err := operate.Renew(c.Context(), a)
			if err != nil {
				return noRoom(err)
			}
			if p.json {
				return p.object(viewOfPublished(made.State, made.Broken == nil))
			}
			r := made.State.Record()
			p.say("Record %d of state %s has new keys of node %s and of its authorities (%d), and is valid until %s.",
				r.Sequence, r.State, r.Node.ID, len(r.Authorities), r.Valid.Until.Format(time.DateOnly))
			p.amended(offline, a.Dir, made)
			return nil
		},
	}
	c.Flags().StringVar(&offline, "offline", "", "`FOLDER` that the offline keys were moved to")
	return c
}
