package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"comity/node/federation"
	"comity/protocol"
	"comity/protocol/record"
	"comity/protocol/statement"
)

func (p *program) federationAdd() *cobra.Command {
	return &cobra.Command{
		Use: "add [INTRODUCTION ...]", Args: words(0, 250),
		Short: "Draft the next edition: new states, and new records of listed ones",
		Long: `Drafts the edition that follows: all that is listed, and the records in these files
more. An INTRODUCTION is the file that a state writes with "comity introduce". The first
record of a state counts by its words, which the stewards compare with that state before
they sign; each later one by the keys of the state itself, which no steward has.
Nothing that was listed is ever taken back.

Without a file the edition is only renewed: it ends after 90 days, so stewards sign one
each quarter even when nothing has changed.`,
		Example: `  comity federation add xd.json --dir /srv/federation
  comity federation add --dir /srv/federation`,
		RunE: func(_ *cobra.Command, args []string) error {
			records, err := p.introductions(args)
			if err != nil {
				return err
			}
			return p.registry(federation.OpenRegistry, func(r *federation.Registry) error {
				d, err := r.Add(records, time.Now())
				if protocol.CodeOf(err) == protocol.Expired {
					return problem("nothing was drafted; ask the state for its newest introduction, which it writes with: comity introduce -o FILE", "%s", sentenceOf(err))
				}
				if err != nil {
					return err
				}
				return p.handOut(d)
			})
		},
	}
}

// introductions reads the files of records.
func (p *program) introductions(paths []string) (all []statement.Signed, err error) {
	for _, path := range paths {
		data, err := p.readInput(path, protocol.MaxIntroduction)
		if err != nil {
			return nil, err
		}
		s, err := record.DecodeIntroduction(data)
		if err == nil {
			_, err = record.Verify(s, nil)
		}
		if err != nil {
			return nil, federationRefusal(fmt.Errorf("%s: %w", path, err))
		}
		all = append(all, s)
	}
	return all, nil
}
