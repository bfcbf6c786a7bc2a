package main

import (
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"

	"comity/node/control"
	"comity/node/newfile"
)

func (p *program) introduce() *cobra.Command {
	var out string
	var sequence int64
	c := &cobra.Command{
		Use: "introduce", GroupID: "peers", Args: words(0, 0),
		Short: "Write this state's introduction and show its words",
		Long: `Writes the introduction of this state: its record, to be handed to another
state by any means. Nothing in it is secret. What makes it trusted are the
twelve words: read them to the other side by telephone, or over another channel
that the file does not travel on. A later record needs neither file nor words where
the one before is trusted: nodes hand it over at the next contact. With other offline
keys, or after a theft, read its words to your peers all the same.

Without -o the introduction goes to standard output and the words to standard
error. With --record it has an earlier record of this state in it: an auditor wants
that for documents which name a log that this node has lost since.`,
		Example: "  comity introduce -o xa.json",
		RunE: func(c *cobra.Command, _ []string) error {
			return p.look(c.Context(), func(node *control.Client) error {
				i, err := node.IntroduceAs(c.Context(), sequence)
				if err != nil {
					return err
				}
				return p.introduced(i, out)
			})
		},
	}
	c.Flags().Int64Var(&sequence, "record", 0, "`NUMBER` of the record (default: the newest)")
	c.Flags().StringVarP(&out, "output", "o", "", "`FILE` to write; it must not exist")
	return c
}

func (p *program) introduced(i *control.Introduction, out string) error {
	if out == "" && !p.json {
		if err := p.writeOut("", []byte(i.File)); err != nil {
			return err
		}
		aside := &program{stdout: p.stderr}
		aside.words(i.Words, i.Digits)
		aside.laterRecord(i)
		return nil
	}
	if out != "" {
		if err := writeNew(out, []byte(i.File)); err != nil {
			return err
		}
	}
	if p.json {
		return p.object(i)
	}
	p.say("Wrote the introduction of state %s (record %d) to %s.", i.State, i.Sequence, out)
	p.say("\nGive the file to the other side, and read these words to them by telephone:\n")
	p.words(i.Words, i.Digits)
	p.say("\nThey type: comity peer pin %s", quoted(filepath.Base(out)))
	p.laterRecord(i)
	return nil
}

// laterRecord says who need not be called again because of a newer record.
func (p *program) laterRecord(i *control.Introduction) {
	if i.Follows > 0 {
		p.say("\nA node that has record %d of state %s needs neither file nor words: it gets record %d from", i.Follows, i.State, i.Sequence)
		p.say("this node at the next contact, and trusts it by the keys of the state.")
	}
}

// writeNew writes a file that must not exist.
func writeNew(path string, data []byte) error {
	f, err := createNew(path)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return finish(f, path, err)
}

// createNew begins a new file for its owner only and refuses to overwrite. The caller
// finishes it.
func createNew(path string) (*newfile.File, error) {
	f, err := newfile.Create(path)
	return f, unwritten(path, err)
}

// finish lets a new file appear, or leaves nothing of one that is not whole.
func finish(f *newfile.File, path string, err error) error {
	defer f.Discard()
	if err == nil {
		err = unwritten(path, f.Keep())
	}
	return err
}

// unwritten says what to do about a file that could not be written.
func unwritten(path string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrExist):
		return problem("choose another name, or move that file away", "%s exists already; nothing was overwritten", path)
	case errors.Is(err, fs.ErrNotExist):
		return problem("create the folder first", "%s: there is no such folder", path)
	}
	return problem("name a place where you may write and where there is room", "%v", err)
}
