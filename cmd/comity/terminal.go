package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"comity/protocol"
)

const (
	// longWork is how many bytes are worth a progress bar.
	longWork = 8 << 20
	// manyRows is how many rows of a store are.
	manyRows = 1000
)

// output is standard output. It remembers the first thing that could not be written, for
// commands that say something and do not look whether it was heard.
type output struct {
	io.Writer
	err error
}

// Write passes on what it gets.
func (o *output) Write(b []byte) (int, error) {
	n, err := o.Writer.Write(b)
	o.err = cmp.Or(o.err, err)
	return n, err
}

// isTerminal reports whether a stream is a terminal, where a person is.
func isTerminal(stream any) bool {
	if o, ok := stream.(*output); ok {
		stream = o.Writer
	}
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// asks reports whether a person is there to answer questions. Programs are asked nothing:
// with --json the text is not shown that a question is about.
func (p *program) asks() bool { return isTerminal(p.stdin) && !p.json }

// nobody says why no question is asked, as the beginning of a sentence.
func (p *program) nobody() string {
	if p.json {
		return "with --json nobody is asked"
	}
	return "there is nobody at a terminal"
}

// safe makes foreign text harmless for a terminal: control characters and
// everything that turns the reading direction or hides are shown as numbers, so
// that no text can move the cursor, imitate our own words, or reverse a name.
func safe(s string) string {
	var b strings.Builder
	for i, c := range s {
		switch {
		case c == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, "\\x%02x", s[i])
		case c == '\u200C' || c == '\u200D': // some scripts cannot be written without
			b.WriteRune(c)
		case unicode.IsControl(c) || unicode.In(c, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co):
			fmt.Fprintf(&b, "\\u{%X}", c)
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// name is safe for a name that stands among other words: if it may run from
// right to left, it is isolated, so that it does not rearrange the line.
func name(s string) string {
	s = safe(s)
	for _, c := range s {
		if c >= 0x0590 {
			return "\u2068" + s + "\u2069" // FIRST STRONG ISOLATE … POP DIRECTIONAL ISOLATE
		}
	}
	return s
}

// say writes one line of our own words to standard output.
func (p *program) say(format string, args ...any) {
	fmt.Fprintf(p.stdout, format+"\n", args...)
}

// object writes one JSON value for programs.
func (p *program) object(v any) error {
	e := json.NewEncoder(p.stdout)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// pathView is a file that was written, for programs.
type pathView struct {
	Path string `json:"path"`
}

// line writes one JSON value on one line, as a stream of them wants.
func (p *program) line(v any) error { return json.NewEncoder(p.stdout).Encode(v) }

// table lines up columns. Foreign text belongs in the last one.
type table struct{ w *tabwriter.Writer }

func (p *program) table(head ...string) *table {
	t := &table{tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)}
	t.row(head...)
	return t
}

func (t *table) row(cells ...string) { fmt.Fprintln(t.w, strings.Join(cells, "\t")) }

func (t *table) end() error { return t.w.Flush() }

// bytes writes a size as people read it, in decimal units as file managers show it.
func bytes(n int64) string {
	const unit = 1000
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	div, exp := int64(unit), 0
	for m := n / unit; m >= unit; m /= unit {
		div *= unit
		exp++
	}
	return fmt.Sprintf("%.1f %cB", float64(n)/float64(div), "kMGTPE"[exp])
}

// moment writes a time for people in UTC, which whoever shows it says beside it:
// two states compare times by telephone. "-" for none.
func moment(t protocol.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

// count writes a number with its noun.
func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// noun is the word for so many of something.
func noun(n int64, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// bars shows one progress bar after the other, one per stage. Without a
// terminal, or for short work, it shows nothing.
type bars struct {
	w     io.Writer
	on    bool
	stage string
	since time.Time
	bar   *progressbar.ProgressBar
}

// patience is how long people wait without asking how far it is.
const patience = 400 * time.Millisecond

func (p *program) bars() *bars { return &bars{w: p.stderr, on: isTerminal(p.stderr) && !p.json} }

func (b *bars) show(stage string, done, total int64) { b.progress(stage, done, total, longWork, true) }

// rows is show for work that is counted in rows of a store.
func (b *bars) rows(stage string, done, total int64) { b.progress(stage, done, total, manyRows, false) }

func (b *bars) progress(stage string, done, total, long int64, bytes bool) {
	if !b.on || total < long {
		return
	}
	if stage != b.stage {
		b.end()
		b.stage, b.since = stage, time.Now()
		b.bar = progressbar.NewOptions64(total,
			progressbar.OptionSetWriter(b.w), progressbar.OptionSetDescription(stage), progressbar.OptionShowBytes(bytes),
			progressbar.OptionSetWidth(30), progressbar.OptionSetRenderBlankState(false), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	}
	if time.Since(b.since) < patience {
		return
	}
	_ = b.bar.Set64(done) // the terminal has gone: nobody is left to see it
}

// end removes the bar.
func (b *bars) end() {
	if b.bar != nil && time.Since(b.since) >= patience {
		_ = b.bar.Finish()
	}
	b.bar = nil
}

// duration reads a span such as 90m, 12h or 30d.
func duration(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 12); err == nil && n > 0 {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	} else if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return d, nil
	}
	return 0, misuse("", "%q is not a time: want a number and m, h or d, such as 90m, 12h or 30d", text)
}
