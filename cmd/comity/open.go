package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"comity/node/control"
	"comity/protocol"
)

func (p *program) open() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use: "open PARCEL [NUMBER]", GroupID: "parcels", Args: words(1, 2),
		Short: "List the files of a parcel, or read one of them",
		Long: `Without NUMBER, lists the files of a parcel. With it, decrypts that one file, and
only that, to -o or to standard output. If -o names a folder, the file gets its
own name in it. Nothing is overwritten. The first opening of a received parcel is
told to its sender, without saying by whom.`,
		Example: `  comity open 2f9a01
  comity open 2f9a01 1 -o request.pdf`,
		RunE: func(c *cobra.Command, args []string) error {
			number := 0
			if len(args) == 2 {
				var err error
				if number, err = strconv.Atoi(args[1]); err != nil || number < 1 {
					return misuse(`"comity open PARCEL" lists the files with their numbers`, "%q is not the number of a file", args[1])
				}
			} else if out != "" {
				return misuse("comity open PARCEL NUMBER -o FILE", "-o wants the number of the file to open")
			}
			return p.ask(c.Context(), func(node *control.Client) error {
				if number == 0 {
					return p.listFiles(c.Context(), node, args[0])
				}
				return p.openFile(c.Context(), node, args[0], number, out)
			})
		},
	}
	c.Flags().StringVarP(&out, "output", "o", "", "`FILE` to write, or a folder; default standard output")
	return c
}

func (p *program) listFiles(ctx context.Context, node *control.Client, ref string) error {
	m, err := node.Parcel(ctx, p.as, ref)
	if err != nil {
		return err
	}
	if p.json {
		return p.object(m.Files)
	}
	p.say("Parcel %s from %s, %s", m.Parcel, m.From, m.Kind)
	return p.files(m)
}

func (p *program) openFile(ctx context.Context, node *control.Client, ref string, number int, out string) error {
	screen := out == "" && isTerminal(p.stdout)
	info, err := os.Stat(out)
	if folder := err == nil && info.IsDir(); screen || folder {
		// Before the opening is attested: look what it is, and where it goes.
		m, err := node.Parcel(ctx, p.as, ref)
		if err != nil {
			return err
		}
		switch {
		case number > len(m.Files): // which the node refuses
		case folder:
			// The office has checked that the name has no folders and no tricks in it.
			out = filepath.Join(out, m.Files[number-1].Name)
		case !strings.HasPrefix(m.Files[number-1].MediaType, "text/"):
			return problem("give a file to write with -o", "file %d is not a text (%s): it is not written to a terminal", number, m.Files[number-1].MediaType)
		}
	}
	if out != "" {
		if err := p.free(out); err != nil {
			return err
		}
	}
	file, content, err := node.Open(ctx, p.as, ref, number)
	if err != nil {
		return err
	}
	defer content.Close() // only read from
	switch {
	case screen:
		return copyFile(harmless{p.stdout}, content, file, nil)
	case out == "":
		return copyFile(p.stdout, content, file, nil)
	}
	return p.saveFile(out, content, file)
}

// free complains about a place that is taken before anything is opened.
func (p *program) free(out string) error {
	info, err := os.Stat(out)
	if err == nil && !info.IsDir() {
		return problem("choose another name, or move that file away", "%s exists already; nothing was overwritten", out)
	}
	folder := filepath.Dir(out) // of "new/" it is "new"
	if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
		return problem("make it first, or name another place with -o", "%s: there is no such folder", folder)
	}
	return nil
}

func (p *program) saveFile(out string, content io.Reader, file *control.File) error {
	f, err := createNew(out)
	if err != nil {
		return err
	}
	bars := p.bars()
	err = copyFile(f, content, file, func(done int64) { bars.show("opening", done, file.Size) })
	bars.end()
	if err := finish(f, out, err); err != nil {
		return err
	}
	if p.json {
		return p.object(file)
	}
	p.say("Wrote file %d, %s, %s, to %s.", file.Number, name(file.Name), bytes(file.Size), safe(out))
	return nil
}

// copyFile copies the content and compares it with the digest that its sender
// signed.
func copyFile(w io.Writer, content io.Reader, file *control.File, tick func(done int64)) error {
	sum := sha256.New()
	buffer := make([]byte, 256<<10)
	var done int64
	for {
		n, err := content.Read(buffer)
		sum.Write(buffer[:n])
		if _, err := w.Write(buffer[:n]); err != nil {
			return problem("", "write: %v", err)
		}
		if done += int64(n); tick != nil {
			tick(done)
		}
		if err == io.EOF {
			break
		} else if e := (*control.Error)(nil); errors.As(err, &e) {
			return &control.Error{
				Code: e.Code, Message: fmt.Sprintf("the content broke off after %s of %s: %s", bytes(done), bytes(file.Size), e.Message), Hint: e.Hint,
			}
		} else if err != nil {
			return problem("see the log of the node", "the content broke off after %s of %s: %v", bytes(done), bytes(file.Size), err)
		}
	}
	if protocol.Digest(sum.Sum(nil)) != file.Digest || done != file.Size {
		return &control.Error{
			Code: control.Integrity, Message: "what is stored is not what its sender signed",
			Hint: `do not use what was written; check the node with "comity doctor"`,
		}
	}
	return nil
}

// harmless writes foreign text to a terminal: line ends and tabs stay, all
// other control characters are shown as numbers.
type harmless struct{ w io.Writer }

// Write shows a character that is cut by the end of b as its bytes.
func (h harmless) Write(b []byte) (int, error) {
	for line := range strings.SplitAfterSeq(string(b), "\n") {
		text, end := strings.CutSuffix(line, "\n")
		text = strings.ReplaceAll(safe(strings.TrimSuffix(text, "\r")), `\u{9}`, "\t")
		if end {
			text += "\n"
		}
		if _, err := io.WriteString(h.w, text); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}
