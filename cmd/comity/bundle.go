package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"comity/node/control"
	"comity/protocol/bundle"
)

func (p *program) bundle() *cobra.Command {
	var in control.BundleRequest
	var language, offset string
	c := &cobra.Command{
		Use: "bundle PARCEL -o FILE", GroupID: "checks", Args: words(1, 1),
		Short: "Write one file that proves a transmission to an auditor or a court",
		Long: `Writes one file with everything that proves what happened to a parcel: its envelope,
all evidence, the proofs that it stands in the logs of both sides and what witnesses
signed, the records that say whose keys these are, and a cover sheet for people.
Whoever holds the states' introductions checks it with "comity verify", without any
network, years later. The file is a tar archive; cover.html in it can be printed.

The content stays sealed. --with-parcel puts the sealed bytes in. --disclose puts
their key in too: whoever has the file can then read this parcel, and no other. That
is written to the office's journal and cannot be taken back.

A parcel to several recipients has one bundle for each: name it with --to.`,
		Example: `  comity bundle 2f9a01 -o evidence.tar
  comity bundle 2f9a01 -o evidence.tar --language fr --utc-offset +01:00 --with-parcel`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := bundleFlags(&in, language, offset); err != nil {
				return err
			}
			path, err := filepath.Abs(in.Path)
			if err != nil {
				return err
			}
			if err := writable(path); err != nil {
				return err
			}
			request := in
			request.As, request.Parcel, request.Path = p.as, args[0], path
			ask := p.look
			if in.Disclose {
				ask = p.ask // only then a key of the office is needed
			}
			return ask(c.Context(), func(node *control.Client) error {
				b, err := node.Bundle(c.Context(), request)
				if err != nil {
					return err
				}
				if p.json {
					return p.object(b)
				}
				p.bundled(b, in.Path)
				return nil
			})
		},
	}
	flags := c.Flags()
	flags.StringVarP(&in.Path, "output", "o", "", "`FILE` to write; it must not exist")
	flags.StringVar(&in.To, "to", "", "the `RECIPIENT`, when there are several")
	flags.StringVar(&language, "language", "en", "`LANGUAGE` of the cover sheet: "+languages())
	flags.StringVar(&offset, "utc-offset", "", "local time on the cover sheet as its `OFFSET` from UTC, like +01:00 (default that of this machine)")
	flags.BoolVar(&in.Sealed, "with-parcel", false, "put the sealed parcel in")
	flags.BoolVar(&in.Disclose, "disclose", false, "put the sealed parcel and its key in, so that it can be read")
	return c
}

func languages() string {
	return joined(bundle.Languages())
}

// bundleFlags reads the flags that have a form.
func bundleFlags(in *control.BundleRequest, language, offset string) error {
	if in.Path == "" {
		return misuse("comity bundle PARCEL -o FILE", "name the file to write with -o")
	}
	if err := in.Language.UnmarshalText([]byte(language)); err != nil {
		return misuse("choose one of "+languages(), "there is no cover sheet in the language %q", language)
	}
	if offset == "" {
		_, seconds := time.Now().Zone()
		in.Offset = bundle.OffsetOf(seconds)
		return nil
	}
	if err := in.Offset.UnmarshalText([]byte(offset)); err != nil {
		return misuse("write it like +01:00, in quarters of an hour", "%q is no offset from UTC", offset)
	}
	return nil
}

// writable complains about a place before the node is asked to write there.
func writable(path string) error {
	if _, err := os.Stat(filepath.Dir(path)); errors.Is(err, fs.ErrNotExist) {
		return problem("make it first, or name another place with -o", "%s: there is no such folder", filepath.Dir(path))
	}
	if _, err := os.Lstat(path); err == nil {
		return problem("choose another name with -o", "%s exists already: nothing was changed", path)
	}
	return nil // what else may stand in the way, whoever writes says
}

func (p *program) bundled(b *control.Bundle, path string) {
	p.say("Wrote %s (%s): parcel %s to %s, %s.", safe(path), bytes(b.Bytes), b.Parcel, b.To, evidences(len(b.Evidence)))
	for _, e := range b.Unproven {
		p.say("Left out: %s, which is in no log yet.", e)
	}
	p.say("Check it with  comity verify %s --trust DIR", quoted(path))
}
