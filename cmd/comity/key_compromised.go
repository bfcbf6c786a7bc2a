package main

import (
	"time"

	"github.com/spf13/cobra"

	"comity/node/operate"
	"comity/protocol"
)

func (p *program) keyCompromised() *cobra.Command {
	var offline, since string
	c := &cobra.Command{
		Use: "compromised KIND --since TIME --offline FOLDER", Args: words(1, 1),
		Short: "Announce that keys were stolen, and make others",
		Long: `For when keys of one kind may be in other hands: act, attest, age, node, tls, witness,
log, authority or state ("comity help key rotate" says what each is for). The offline keys on FOLDER sign
the next record, which marks the old keys compromised since TIME and names new ones; take
FOLDER off the machine again afterwards. The node must not run meanwhile: stop it,
announce, start it. Peers adopt the record at the next contact. A mark cannot be taken
back.

What act, attest and node keys signed is judged by when a third state had seen it:
before TIME it is valid, after now invalid, between the two contested. Parcels that the
old keys signed since TIME are refused: send them again. Evidence in the log of stolen
log keys is contested unless a third state had seen it before TIME; the next era of the
log begins. Nothing that stolen keys of the witness cosigned counts, whatever its date.

age and tls keys sign nothing, so TIME decides nothing about them, and is told to nobody.
The old ones are left out at once. What peers sealed and did not deliver yet is refused, and sent
anew; what was sealed before, whoever has the identity can read. A peer that this
node cannot call needs your new introduction by hand after tls.

authority and state are the offline keys. Whoever has the state's can name any key,
and a successor of his own: after that, compare the words with every peer by telephone.`,
		Example: `  comity key compromised act --since 2026-11-20 --offline /media/offline
  comity key compromised witness --since 2026-11-20T10:00:00Z --offline /media/offline`,
		RunE: func(c *cobra.Command, args []string) error {
			kind, err := kindOf("comity key compromised KIND --since TIME --offline FOLDER", args[0])
			if err != nil {
				return err
			}
			at, err := momentOf("--since", since)
			if err != nil {
				return err
			}
			return p.rotate(c.Context(), kind, &at, offline)
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

// announced tells what became of stolen keys.
func (p *program) announced(made *operate.Rotated, kind operate.Kind, of string, since time.Time) {
	r := made.State.Record()
	if !kind.Signs() {
		p.say("Record %d of state %s leaves out the old keys (%s) %s and names new ones.", r.Sequence, r.State, kind, of)
		return
	}
	p.say("Record %d of state %s marks the old keys (%s) %s as compromised since %s, and names new ones.", r.Sequence, r.State, kind, of, protocol.At(since))
	p.say("Tell auditors: with your newest introduction they learn of it, too.")
}
