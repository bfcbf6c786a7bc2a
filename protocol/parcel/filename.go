package parcel

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"comity/protocol"
)

// check checks what one entry of the list says by itself, but for its path. The
// error names no content.
func (f *File) check() error {
	if err := CheckName(f.Name); err != nil {
		return fmt.Errorf("name: %w", err)
	}
	switch {
	case !mediaForm.MatchString(f.MediaType):
		return errors.New("media type: want type/subtype in lower case without parameters")
	case f.Size < 0:
		return errors.New("the size is negative")
	case f.Pages != nil && (*f.Pages < 1 || *f.Pages > protocol.MaxPages):
		return fmt.Errorf("pages: want null or 1 to %d", int64(protocol.MaxPages))
	case !f.Role.known():
		return errors.New("role: " + wantRole)
	}
	return nil
}

// CheckName checks the real name of a file (R-PCL-6): it must mean the same on
// every computer and to every eye that it may reach. The error tells what is
// wrong without quoting the name.
//
// The rules are lists of code points rather than properties from Unicode's
// tables, so that two programs with tables of different years agree.
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("the name is empty")
	case len(name) > protocol.MaxFileName:
		return fmt.Errorf("the name has %d bytes, at most %d allowed", len(name), protocol.MaxFileName)
	case !utf8.ValidString(name):
		return errors.New("the name is not UTF-8")
	case name == "." || name == "..":
		return errors.New("the name stands for a folder")
	case strings.HasSuffix(name, "."):
		return errors.New("the name ends in a dot, which some systems drop")
	}
	before := rune(-1)
	for _, c := range name {
		if why := refused(c); why != "" {
			return fmt.Errorf("the character %s is not allowed: %s", show(c), why)
		}
		if isJoiner(c) && !takesJoiner(before) {
			return fmt.Errorf("the character %s is allowed only once and directly after a character of a script that needs it", show(c))
		}
		if before == -1 && isSpace(c) {
			return errors.New("the name begins with a space")
		}
		before = c
	}
	if isSpace(before) {
		return errors.New("the name ends in a space")
	}
	if device := deviceOf(name); device != "" {
		return fmt.Errorf("%s is the name of a device on Windows", device)
	}
	return nil
}

// SuggestName makes the name for a message out of the path of a local file: its
// last element without spaces around it and dots after it. If that is not a
// name that may be sent, the error says which character is in the way and what
// to do; it does quote the name, as it is for the person who attaches the file.
func SuggestName(path string) (string, error) {
	base := filepath.Base(filepath.Clean(path))
	name := strings.TrimFunc(base, isSpace)
	name = strings.TrimRightFunc(name, func(c rune) bool { return c == '.' || isSpace(c) })
	if path == "" || name == "" || base == string(filepath.Separator) {
		return "", fmt.Errorf("%q is not the path of a file: give the path of the file to attach", path)
	}
	if err := CheckName(name); err != nil {
		return "", fmt.Errorf("a file called %q cannot be sent: %w; rename the file or give it another name in the message", name, err)
	}
	return name, nil
}

// codePoints is a span of characters that no name may hold.
type codePoints struct {
	from, to rune
	why      string
}

// Why a character is refused. A file name is read by people who decide by it,
// and is stored on systems that we do not know.
const (
	reserved  = "some systems give it a meaning of its own or cannot store it"
	control   = "it is a control character"
	direction = "it changes the direction in which the name is read"
	invisible = "it cannot be seen"
	meaning   = "it has no meaning on which both sides agree"
)

// refusedPoints is in ascending order and stands in SPEC.md, "File names".
var refusedPoints = []codePoints{
	{0x0000, 0x001F, control},
	{'"', '"', reserved},
	{'*', '*', reserved},
	{'/', '/', reserved},
	{':', ':', reserved},
	{'<', '<', reserved},
	{'>', '?', reserved},
	{'\\', '\\', reserved},
	{'|', '|', reserved},
	{0x007F, 0x009F, control},
	{0x00AD, 0x00AD, invisible},
	{0x034F, 0x034F, invisible},
	{0x061C, 0x061C, direction},
	{0x115F, 0x1160, invisible},
	{0x17B4, 0x17B5, invisible},
	{0x200B, 0x200B, invisible},
	{0x200E, 0x200F, direction},
	{0x2028, 0x2029, control},
	{0x202A, 0x202E, direction},
	{0x2060, 0x2065, invisible},
	{0x2066, 0x2069, direction},
	{0x206A, 0x206F, invisible},
	{0x2800, 0x2800, invisible},
	{0x3164, 0x3164, invisible},
	{0xE000, 0xF8FF, meaning},
	{0xFDD0, 0xFDEF, meaning},
	{0xFEFF, 0xFEFF, invisible},
	{0xFFA0, 0xFFA0, invisible},
	{0xFFF0, 0xFFFF, meaning},
	{0x1BCA0, 0x1BCA3, invisible},
	{0x1D173, 0x1D17A, invisible},
	{0xE0000, 0xE00FF, invisible},
	{0xE01F0, 0xE0FFF, invisible},
	{0xF0000, 0x10FFFF, meaning},
}

// refused returns why c may not stand in a name, or "".
func refused(c rune) string {
	for _, r := range refusedPoints {
		if c <= r.to {
			if r.from <= c {
				return r.why
			}
			break
		}
	}
	if c&0xFFFE == 0xFFFE { // the last two of every plane
		return meaning
	}
	return ""
}

// isJoiner reports whether c, itself unseen, shapes the character before it.
// Persian, Urdu, the scripts of India, Mongolian and the personal names of
// Japan cannot be written rightly without them.
func isJoiner(c rune) bool {
	return c == 0x200C || c == 0x200D || // zero-width non-joiner and joiner
		0x180B <= c && c <= 0x180F || // Mongolian variants and vowel separator
		0xFE00 <= c && c <= 0xFE0F || 0xE0100 <= c && c <= 0xE01EF // variation selectors
}

// takesJoiner reports whether a joiner may follow c: scripts from Hebrew on, so
// that nothing unseen can hide in a Latin, Greek or Cyrillic name.
func takesJoiner(c rune) bool { return c >= 0x0590 && !isSpace(c) && !isJoiner(c) }

// isSpace reports whether c is seen as a space.
func isSpace(c rune) bool {
	switch c {
	case ' ', 0x00A0, 0x1680, 0x202F, 0x205F, 0x3000:
		return true
	}
	return 0x2000 <= c && c <= 0x200A
}

// nameKey maps names that could be taken for each other to one key: case folded
// by Unicode's simple folding, every space the same, joiners left out. It does
// not normalise; who saves files never overwrites one anyway.
func nameKey(name string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case isJoiner(c):
			return -1
		case isSpace(c):
			return ' '
		}
		least := c
		for f := unicode.SimpleFold(c); f != c; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return least
	}, name)
}

// deviceOf returns the Windows device that a name would open, or "": with any
// extension, in any case, with spaces of any kind before the dot.
func deviceOf(name string) string {
	stem, _, _ := strings.Cut(name, ".")
	stem = strings.ToUpper(strings.TrimRightFunc(stem, isSpace))
	switch stem {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$":
		return stem
	}
	for _, port := range []string{"COM", "LPT"} {
		number, ok := strings.CutPrefix(stem, port)
		if ok && utf8.RuneCountInString(number) == 1 && strings.ContainsAny(number, "0123456789¹²³") {
			return stem
		}
	}
	return ""
}

// show names a character without printing one that could do harm.
func show(c rune) string {
	if refused(c) == reserved {
		return fmt.Sprintf("%q (U+%04X)", string(c), c)
	}
	return fmt.Sprintf("U+%04X", c)
}
