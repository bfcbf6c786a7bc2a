package main

import (
	"strings"
	"testing"
	"time"

	"comity/protocol"
)

// Whatever a peer sends is shown, and does nothing else.
func TestSafeTextDoesNothingToATerminal(t *testing.T) {
	for in, want := range map[string]string{
		"request.pdf":           "request.pdf",
		"Zażółć – “jaźń” №1":    "Zażółć – “jaźń” №1",
		"ملحق ٢":                "ملحق ٢",
		"می\u200Cخواهم":         "می\u200Cخواهم",
		"\x1b[2Jgone":           `\u{1B}[2Jgone`,
		"two\r\nlines\t":        `two\u{D}\u{A}lines\u{9}`,
		"\u009b31m":             `\u{9B}31m`,
		"fdp.\u202Eexe.request": `fdp.\u{202E}exe.request`,
		"a\u2066b\u2069\u061c":  `a\u{2066}b\u{2069}\u{61C}`,
		"zero\u200Bwidth":       `zero\u{200B}width`,
		"bad\xff\xfe":           `bad\xff\xfe`,
		"real \uFFFD":           "real \uFFFD",
		"nul\x00":               `nul\u{0}`,
	} {
		if got := safe(in); got != want {
			t.Errorf("safe(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestANameFromRightToLeftDoesNotRearrangeTheLine(t *testing.T) {
	if got, want := name("ملحق"), "\u2068ملحق\u2069"; got != want {
		t.Errorf("name = %q, want it isolated: %q", got, want)
	}
	if got, want := name("Annex é.txt"), "Annex é.txt"; got != want {
		t.Errorf("name = %q, want %q", got, want)
	}
	if got := name("ملحق\u2069\u202Eescaped"); strings.Count(got, "\u2069") != 1 {
		t.Errorf("name = %q: it leaves its isolation", got)
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{"90m": 90 * time.Minute, "12h": 12 * time.Hour, "30d": 30 * 24 * time.Hour, "1d": 24 * time.Hour} {
		if got, err := duration(text); err != nil || got != want {
			t.Errorf("duration(%q) = %s, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "d", "0d", "-1d", "1.5d", "30 d", "30days", "soon", "-3h", "0s", "99999d", "1d1h"} {
		if got, err := duration(text); err == nil {
			t.Errorf("duration(%q) = %s; want it refused", text, got)
		}
	}
}

func TestBytesAndTimesForPeople(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 67108864: "67.1 MB", 1 << 40: "1.1 TB"} {
		if got := bytes(n); got != want {
			t.Errorf("bytes(%d) = %q, want %q", n, got, want)
		}
	}
	if got := moment(protocol.Time{}); got != "-" {
		t.Errorf("moment of no time = %q", got)
	}
}

func TestTheDirectoryIsFoundInOrder(t *testing.T) {
	for _, c := range []struct {
		flag string
		env  map[string]string
		want string
	}{
		{"/flag", map[string]string{"COMITY_DIR": "/env", "HOME": "/home"}, "/flag"},
		{"", map[string]string{"COMITY_DIR": "/env", "HOME": "/home"}, "/env"},
		{"", map[string]string{"HOME": "/home"}, "/home/.comity"},
	} {
		p := &program{dir: c.flag, env: c.env}
		if got, err := p.directory(); err != nil || got != c.want {
			t.Errorf("--dir %q, environment %v: %q, %v; want %q", c.flag, c.env, got, err, c.want)
		}
	}
}

func TestPortsAreChosenOnceAndAreTheSameEverywhere(t *testing.T) {
	for _, c := range []struct{ endpoint, listen, wantEndpoint, wantListen string }{
		{"gateway.example.org:7443", "", "gateway.example.org:7443", ":7443"},
		{"gateway.example.org", "", "gateway.example.org:7443", ":7443"},
		{"192.0.2.1:9000", "10.0.0.1:7443", "192.0.2.1:9000", "10.0.0.1:7443"},
		{"127.0.0.1:7443", "", "127.0.0.1:7443", "127.0.0.1:7443"},
		{"[::1]:7443", "", "[::1]:7443", "[::1]:7443"},
	} {
		plan, err := (&initFlags{
			state: "xa", name: "State A", language: "en", authorities: []string{"central-authority"}, names: []string{"Central Authority"},
			endpoint: c.endpoint, listen: c.listen, algorithm: "ed25519",
		}).plan("dir")
		if err != nil {
			t.Errorf("endpoint %q, listen %q: %v", c.endpoint, c.listen, err)
			continue
		}
		if plan.Endpoints[0] != c.wantEndpoint || plan.Listen != c.wantListen {
			t.Errorf("endpoint %q, listen %q: known as %q and serves on %q; want %q and %q",
				c.endpoint, c.listen, plan.Endpoints[0], plan.Listen, c.wantEndpoint, c.wantListen)
		}
	}
}

// Hints are typed as they stand: the commands in them name the directory.
func TestHintsNameTheDirectory(t *testing.T) {
	p := &program{dir: "node"}
	for in, want := range map[string]string{
		`start it with "comity serve" and try again`: `start it with "comity serve --dir node" and try again`,
		`"comity help send" shows an example`:        `"comity help send" shows an example`,
		`"comity key passphrase FILE" makes one`:     `"comity key passphrase FILE" makes one`, // the directory means nothing to it
		`look again with "comity show 01a2"`:         `look again with "comity show 01a2 --dir node"`,
	} {
		if got := p.typed(in); got != want {
			t.Errorf("typed(%q) = %q, want %q", in, got, want)
		}
	}
}

// A node of several authorities answers none of these without the name of one.
func TestHintsNameTheAuthority(t *testing.T) {
	p := &program{dir: "node", as: "court"}
	for in, want := range map[string]string{
		`look again with "comity show 01a2"`:               `look again with "comity show 01a2 --dir node --as court"`,
		`"comity inbox" and "comity sent" show the ids`:    `"comity inbox --dir node --as court" and "comity sent --dir node --as court" show the ids`,
		`start it with "comity serve"`:                     `start it with "comity serve --dir node"`,
		`type "comity doctor xb --as NAME"`:                `type "comity doctor xb --as NAME --dir node"`,
		`"comity help send" shows an example`:              `"comity help send" shows an example`,
		`"comity log check" and "comity log audit --json"`: `"comity log check --dir node" and "comity log audit --json --dir node --as court"`,
	} {
		if got := p.typed(in); got != want {
			t.Errorf("typed(%q) = %q, want %q", in, got, want)
		}
	}
	p = &program{as: "xb/court"}
	if got, want := p.typed(`"comity inbox" shows it`), `"comity inbox --as xb/court" shows it`; got != want {
		t.Errorf("with an authority alone: %q, want %q", got, want)
	}
}
