package main

import (
	"strings"

	"github.com/spf13/cobra"

	"comity/node/federation"
)

// givenUpView is the draft that was given up, for programs.
type givenUpView struct {
	Name string `json:"name"`
}

func (p *program) federationGiveUp() *cobra.Command {
	return &cobra.Command{
		Use: "give-up", Args: words(0, 0),
		Short: "Take the open draft off the table",
		Long: `Takes the draft that is with the stewards off the table, so that another can be made:
when it is wrong, has ended before enough signed, or something else has to come first.
Its paper is kept in the folder given-up. Tell every steward, because signatures on it
exist. An edition leaves its number unused, so the next one is signed as any other.
The next root has the same number: whoever has signed the one that was given up signs
it with "comity federation sign --instead", and all others without.`,
		Example: "  comity federation give-up --dir /srv/federation",
		RunE: func(*cobra.Command, []string) error {
			return p.registry(federation.OpenRegistry, func(r *federation.Registry) error {
				name, err := r.GiveUp()
				if err != nil {
					return err
				}
				if name == "" {
					return problem(`"comity federation status" says what is published`, "no draft is with the stewards")
				}
				if p.json {
					return p.object(givenUpView{name})
				}
				p.say("Given up: %s. Tell every steward.", name)
				if strings.HasPrefix(name, string(federation.RootKind)) {
					p.say("The next draft of a root has the same number: whoever has signed this one signs it with --instead.")
				}
				return nil
			})
		},
	}
}
