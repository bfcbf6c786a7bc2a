package record

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"comity/protocol"
)

// checks collects the first broken rule of one subject, so that the rules read
// as a list. Those of this file are R-REC-10: names, languages, addresses and
// windows have one reading.
type checks struct {
	subject string
	err     error
}

func (c *checks) require(ok bool, format string, args ...any) {
	if !ok {
		c.refuse(protocol.Malformed, format, args...)
	}
}

func (c *checks) refuse(code protocol.Code, format string, args ...any) {
	if c.err == nil {
		c.err = protocol.Refuse(code, "%s: %s", c.subject, fmt.Sprintf(format, args...))
	}
}

func quote(s string) string { return protocol.Quote([]byte(s)) }

var (
	// languageForm is the part of BCP 47 that names of institutions need:
	// language, script, region, in the customary case, so that one language has
	// one spelling.
	languageForm = regexp.MustCompile(`^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$`)
	versionForm  = regexp.MustCompile(`^v[1-9][0-9]{0,3}$`)
	labelForm    = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
)

// window checks a span of validity. An end beyond MaxValidity is a typing error.
func (c *checks) window(what string, w protocol.Window) {
	c.require(w.From.Before(w.Until.Time), "%s ends %s, not after its beginning %s", what, w.Until, w.From)
	c.require(w.Until.Sub(w.From.Time) <= protocol.MaxValidity, "%s spans more than %d years", what, int(protocol.MaxValidity/(366*24*time.Hour)))
}

func (c *checks) versions(versions []string) {
	c.require(len(versions) <= protocol.MaxVersions, "%d protocol versions, at most %d allowed", len(versions), protocol.MaxVersions)
	seen := make(map[string]bool)
	for _, v := range versions {
		c.require(versionForm.MatchString(v), "protocol version %s: want a form like %s", quote(v), protocol.Version)
		c.require(!seen[v], "protocol version %s is listed twice", quote(v))
		seen[v] = true
	}
	if !seen[protocol.Version] {
		c.refuse(protocol.UnsupportedVersion, "its node does not speak version %s, the only one spoken here: one of the two must be upgraded", protocol.Version)
	}
}

func (c *checks) names(names []Name) {
	c.require(len(names) > 0, "no name")
	c.require(len(names) <= protocol.MaxNames, "%d names, at most %d allowed", len(names), protocol.MaxNames)
	seen := make(map[string]bool)
	for _, n := range names {
		c.require(languageForm.MatchString(n.Language), "language %s: want a form like fr, ar-EG or zh-Hant", quote(n.Language))
		c.require(!seen[n.Language], "two names in the language %s", quote(n.Language))
		seen[n.Language] = true
		c.require(!mixed(n.Text), "name %s: a word in it has letters of two scripts that look alike, so it could pass for another one", quote(n.Text))
		c.require(isName(n.Text), "name %s: want one line of 1 to %d bytes without invisible characters or spaces at the ends", quote(n.Text), protocol.MaxName)
	}
}

// ValidateNames checks names that stand outside a record by the same rules. who is
// whose they are, for the sentence; errors are *protocol.Refusal.
func ValidateNames(who string, names []Name) error {
	c := checks{subject: who}
	c.names(names)
	return c.err
}

// isName accepts any script, and refuses what a reader cannot see or what turns
// the text around it: such a name could pass for another one on a page. The
// characters are listed here rather than taken from a Unicode table, so that
// two programs of different age agree.
func isName(s string) bool { return isLine(s, protocol.MaxName) }

// isLine is isName for texts with another limit.
func isLine(s string, limit int) bool {
	if s == "" || len(s) > limit || !utf8.ValidString(s) || strings.TrimSpace(s) != s {
		return false
	}
	for _, r := range s {
		switch {
		case r < 0x20, r >= 0x7F && r < 0xA0: // controls
			return false
		case r == 0xAD, r == 0x34F, r == 0x61C, r == 0x115F, r == 0x1160, r == 0x180E, r == 0x3164, r == 0xFEFF, r == 0xFFA0:
			return false // soft hyphen, invisible joiners, marks and fillers
		case r == 0x200B, r == 0x200E, r == 0x200F: // 200C and 200D stay: Persian and Indic names need them
			return false
		case r >= 0x2028 && r <= 0x202E, r >= 0x2060 && r <= 0x206F: // line ends, overrides, isolates
			return false
		case r >= 0xE000 && r <= 0xF8FF, r >= 0xF0000: // private use
			return false
		case r >= 0xFFF0 && r <= 0xFFFD, r >= 0xFDD0 && r <= 0xFDEF, r&0xFFFE == 0xFFFE: // specials, noncharacters
			return false
		case r >= 0xFE00 && r <= 0xFE0F, r >= 0xE0000 && r <= 0xE0FFF: // variation selectors, tags
			return false
		}
	}
	return !mixed(s)
}

// mixed reports whether a word takes letters of two of the scripts that have
// letters of one shape: such a word was made to pass for another one. Different
// scripts in different words are ordinary ("УНП ООН / UNODC").
func mixed(s string) bool {
	last := foreign
	for _, r := range s {
		script := scriptOf(r)
		if script != foreign && last != foreign && script != last {
			return true
		}
		if r >= 0x300 && r <= 0x36F || r == 0x200C || r == 0x200D {
			continue // an accent belongs to the letter before it, and what joins letters ends no word
		}
		last = script
	}
	return false
}

// script is one of those whose letters look alike. What is not a letter of them
// ends a word; a Han or Arabic letter does, too, since nothing looks like it.
type script uint8

const (
	foreign script = iota
	latin
	greek
	cyrillic
)

func scriptOf(r rune) script {
	switch {
	case r >= 'A' && r <= 'Z', r >= 'a' && r <= 'z', r >= 0xC0 && r <= 0x24F && r != 0xD7 && r != 0xF7, r >= 0x1E00 && r <= 0x1EFF:
		return latin
	case r >= 0x370 && r <= 0x3FF && r != 0x37E && r != 0x387, r >= 0x1F00 && r <= 0x1FFF:
		return greek
	case r >= 0x400 && r <= 0x481, r >= 0x48A && r <= 0x52F:
		return cyrillic
	}
	return foreign
}

func (c *checks) endpoints(endpoints []string) {
	c.require(len(endpoints) <= protocol.MaxEndpoints, "%d endpoints, at most %d allowed", len(endpoints), protocol.MaxEndpoints)
	seen := make(map[string]bool)
	for _, e := range endpoints {
		c.require(isEndpoint(e), "endpoint %s: want host:port, such as gateway.example:8443 or [2001:db8::1]:8443, without a scheme", quote(e))
		c.require(!seen[e], "endpoint %s is listed twice", quote(e))
		seen[e] = true
	}
}

// isEndpoint accepts a host and a port that a dialer can only read one way. A
// peer chooses these texts and we dial them: no scheme, path, user, zone or
// space, and no address in one of the old spellings (127.1, 0x7f000001) that
// look like a name. Private addresses are allowed, since states connect over
// private networks; what answers must show a pinned key before it hears a word.
func isEndpoint(s string) bool {
	cut := strings.LastIndexByte(s, ':')
	if cut < 0 {
		return false
	}
	host, port := s[:cut], s[cut+1:]
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
		return false
	}
	bare, bracketed := strings.CutPrefix(host, "[")
	if bracketed {
		var closed bool
		if bare, closed = strings.CutSuffix(bare, "]"); !closed {
			return false
		}
	}
	if a, err := netip.ParseAddr(bare); err == nil {
		canonical := a.Is6() == bracketed && !a.Is4In6() && a.Zone() == "" && a.String() == bare
		return canonical && !a.IsUnspecified() && !a.IsMulticast()
	}
	return !bracketed && isHostName(bare)
}

func isHostName(s string) bool {
	if len(s) > 253 {
		return false
	}
	labels := strings.Split(s, ".")
	for _, l := range labels {
		if !labelForm.MatchString(l) {
			return false
		}
	}
	last := labels[len(labels)-1]
	return last[0] < '0' || last[0] > '9' // a top-level name never begins with a digit; an old address would
}
