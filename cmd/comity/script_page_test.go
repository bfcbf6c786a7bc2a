package main

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"comity/node/federation"
)

// The commands of the stories that type what a page of the manual says.

// scriptPage: "page HEADING DIR MEDIUM" types the commands of a page of
// OPERATING.md as they stand there, but for the names of the two folders. Its lines
// that start the node are left to the story.
func scriptPage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: page HEADING DIR MEDIUM")
	}
	typed := 0
	for _, line := range scriptLines(ts, args[0]) {
		if !strings.HasPrefix(line, "comity ") || strings.HasPrefix(line, "comity serve") {
			continue
		}
		line = strings.ReplaceAll(strings.ReplaceAll(line, "--dir D", "--dir "+args[1]), "/media/offline", args[2])
		ts.Logf("> %s", line)
		ts.Check(ts.Exec("sh", "-c", line))
		typed++
	}
	if typed == 0 {
		ts.Fatalf("the page %q has no command", args[0])
	}
}

// scriptLines are what a page of OPERATING.md has in its blocks, without comments.
func scriptLines(ts *testscript.TestScript, heading string) (lines []string) {
	manual, err := os.ReadFile(scriptManual)
	ts.Check(err)
	_, page, found := strings.Cut(string(manual), "\n### "+heading+"\n")
	if !found {
		ts.Fatalf("node/OPERATING.md has no page %q", heading)
	}
	page = regexp.MustCompile("(?m)^##").Split(page, 2)[0]
	for _, block := range regexp.MustCompile("(?sm)^```\n(.*?)^```$").FindAllStringSubmatch(page, -1) {
		for line := range strings.Lines(block[1]) {
			line, _, _ = strings.Cut(strings.TrimSpace(line), "  #")
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// scriptCeremony: "ceremony HEADING" types the commands of a page of OPERATING.md
// about federations as they stand there. Media and the registrar's folder are
// folders of the story. What a person would type on a terminal is added: words are
// those of the draft, as somebody reads them who has the right ones, and keys have no
// passphrase. Lines that run a mirror are left to the story.
func scriptCeremony(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: ceremony HEADING")
	}
	typed := 0
	for _, line := range scriptLines(ts, args[0]) {
		if !strings.HasPrefix(line, "comity ") && !strings.HasPrefix(line, "cp ") || strings.HasPrefix(line, "comity directory mirror") {
			continue
		}
		line = strings.NewReplacer("/media/", "media/", "/srv/federation", "F").Replace(line)
		switch words := strings.Fields(line); {
		case strings.HasPrefix(line, "comity federation keys"), strings.HasPrefix(line, "comity federation create"), strings.Contains(line, " --online"):
			line += " --unprotected"
		case strings.HasPrefix(line, "comity federation sign"):
			line += scriptHeard(ts, words[3])
		}
		ts.Logf("> %s", line)
		ts.Check(ts.Exec("sh", "-c", line))
		typed++
	}
	if typed == 0 {
		ts.Fatalf("the page %q has no command", args[0])
	}
}

// scriptHeard is what a steward hears on the telephone before signing a draft.
func scriptHeard(ts *testscript.TestScript, path string) string {
	d, err := federation.ReadDraft([]byte(ts.ReadFile(path)))
	ts.Check(err)
	heard := ""
	if r := d.Root(); r != nil {
		heard = " --words '" + strings.Join(r.Words(), " ") + "'"
	}
	if r := d.InForce(); d.Root() == nil && r != nil { // wanted of who signs for the first time
		heard = " --words '" + strings.Join(r.Words(), " ") + "'"
	}
	for _, a := range newStates(d) {
		heard += " --words '" + strings.Join(a.State.Words(), " ") + "'"
	}
	return heard
}

// scriptCompared: "compared VARIABLE FEDERATION" sets a variable to the words of
// the root that is with the stewards, which another steward reads out; scriptPublished:
// "published VARIABLE FEDERATION" to those of the root in force.
func scriptCompared(ts *testscript.TestScript, neg bool, args []string) {
	st := scriptStatus(ts, neg, args)
	ts.Setenv(args[0], strings.Join(st.Open.Words, " "))
}

func scriptPublished(ts *testscript.TestScript, neg bool, args []string) {
	st := scriptStatus(ts, neg, args)
	ts.Setenv(args[0], strings.Join(st.Words, " "))
}

func scriptStatus(ts *testscript.TestScript, neg bool, args []string) (st statusView) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: compared VARIABLE FEDERATION, or published")
	}
	ts.Check(ts.Exec("comity", "federation", "status", "--dir", args[1], "--json"))
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &st))
	return st
}
