package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"comity/node/control"
	"comity/node/operate"
	"comity/store/pgtest"
)

func TestMain(m *testing.M) { testscript.Main(withPostgres{m}, map[string]func(){"comity": main}) }

// withPostgres ends the PostgreSQL server that a script may have started.
type withPostgres struct{ m *testing.M }

// Run runs the tests.
func (w withPostgres) Run() int { return pgtest.Main(w.m.Run) }

// TestScripts plays the stories in testdata/script on the real program, each in
// a folder of its own with nodes on free ports. The program is this test's own
// binary, or the one that COMITY_PROGRAM names, as people get it: "make stories"
// plays all on that one. UPDATE=1 rewrites expected output.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE") != "",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"node":       scriptNode,
			"meet":       scriptMeet,
			"ready":      scriptReady,
			"eventually": scriptEventually,
			"newest":     scriptNewest,
			"words":      scriptWords,
			"compared":   scriptCompared,
			"published":  scriptPublished,
			"resize":     scriptResize,
			"json":       scriptJSON,
			"recipe":     scriptRecipe,
			"page":       scriptPage,
			"ceremony":   scriptCeremony,
			"federation": scriptFederation,
			"port":       scriptPort,
			"postgres":   func(ts *testscript.TestScript, neg bool, args []string) { scriptPostgres(t, ts, neg, args) },
		},
		Condition: scriptCondition,
		Setup: func(env *testscript.Env) error {
			// The tools that "make tools" built come before the machine's own.
			tools, err := filepath.Abs(scriptTools)
			own, rest, _ := strings.Cut(env.Getenv("PATH"), string(filepath.ListSeparator))
			path := []string{own, tools, rest}
			if built := os.Getenv("COMITY_PROGRAM"); err == nil && built != "" {
				path, err = append([]string{filepath.Dir(built)}, path...), scriptIsProgram(built)
			}
			env.Setenv("PATH", strings.Join(path, string(filepath.ListSeparator)))
			return err
		},
	})
}

// scriptIsProgram refuses what the stories would silently do without: a PATH that
// leads elsewhere.
func scriptIsProgram(path string) error {
	if !filepath.IsAbs(path) || filepath.Base(path) != "comity" {
		return fmt.Errorf("COMITY_PROGRAM=%s: want the absolute path of a file called comity", path)
	}
	_, err := exec.LookPath(path)
	return err
}

// scriptPatience bounds every wait of a script; the machine may be busy.
const (
	scriptPatience = 90 * time.Second
	scriptPoll     = 50 * time.Millisecond
)

// scriptNode: "node DIR STATE AUTHORITY..." creates a node on a free port.
func scriptNode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: node DIR STATE AUTHORITY...")
	}
	line := []string{"init", "--dir", args[0], "--state", args[1], "--name", "State " + args[1], "--endpoint", "127.0.0.1:0"}
	for _, a := range args[2:] {
		line = append(line, "--authority", a, "--authority-name", "The "+strings.ReplaceAll(a, "-", " "))
	}
	ts.Check(ts.Exec("comity", line...))
}

// scriptMeet: "meet DIR DIR..." introduces all nodes to each other, words included.
func scriptMeet(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: meet DIR DIR...")
	}
	for _, from := range args {
		ts.Check(ts.Exec("comity", "introduce", "--dir", from, "-o", from+".introduction"))
		words := scriptSaid(ts, from)
		for _, to := range args {
			if to != from {
				ts.Check(ts.Exec("comity", "peer", "pin", from+".introduction", "--dir", to, "--words", words))
			}
		}
	}
}

// scriptSaid is what a person at the node reads out.
func scriptSaid(ts *testscript.TestScript, dir string) string {
	own, err := operate.ReadRecord(operate.Layout{Dir: ts.MkAbs(dir)})
	ts.Check(err)
	return strings.Join(own.Words(), " ")
}

// scriptReady: "ready DIR..." waits until each node answers commands.
func scriptReady(ts *testscript.TestScript, neg bool, args []string) {
	for _, dir := range args {
		scriptUntil(ts, "node "+dir+" to answer", func() bool {
			return control.Running(context.Background(), ts.MkAbs(dir)) != neg
		})
	}
}

// scriptEventually: "eventually PATTERN comity WORDS..." repeats a command until
// it succeeds and its output has the pattern.
func scriptEventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: eventually PATTERN COMMAND...")
	}
	pattern := regexp.MustCompile("(?m)" + args[0])
	scriptUntil(ts, strings.Join(args[1:], " ")+" to show "+args[0], func() bool {
		err := ts.Exec(args[1], args[2:]...)
		return err == nil && pattern.MatchString(ts.ReadFile("stdout"))
	})
}

// scriptNewest: "newest VARIABLE inbox|sent DIR [AUTHORITY]" sets a variable to the
// id of the newest parcel of a list.
func scriptNewest(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 || len(args) > 4 {
		ts.Fatalf("usage: newest VARIABLE inbox|sent DIR [AUTHORITY]")
	}
	var list control.Parcels
	ts.Check(ts.Exec("comity", args[1], "--dir", args[2], "--json", "--as", strings.Join(args[3:], "")))
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &list))
	if len(list.Parcels) == 0 {
		ts.Fatalf("the %s of %s is empty", args[1], args[2])
	}
	ts.Setenv(args[0], string(list.Parcels[0].Parcel))
}

// scriptWords: "words VARIABLE DIR" sets a variable to the words that a person
// at the node reads out.
func scriptWords(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: words VARIABLE DIR")
	}
	ts.Setenv(args[0], scriptSaid(ts, args[1]))
}

// scriptJSON: "json comity WORDS..." runs a command with --json, and wants JSON of it and
// nothing else; "! json" wants it to fail beside.
func scriptJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: json COMMAND...")
	}
	if err := ts.Exec(args[0], append(args[1:], "--json")...); (err != nil) != neg {
		ts.Fatalf("%s --json: %v\n%s", strings.Join(args, " "), err, ts.ReadFile("stderr"))
	}
	said := ts.ReadFile("stdout")
	if !neg && said == "" {
		ts.Fatalf("%s --json says nothing", strings.Join(args, " "))
	}
	for values := json.NewDecoder(strings.NewReader(said)); ; {
		var one any
		switch err := values.Decode(&one); {
		case errors.Is(err, io.EOF):
			return
		case err != nil:
			ts.Fatalf("%s --json: %v, in:\n%s", strings.Join(args, " "), err, said)
		}
	}
}

// scriptResize: "resize FILE BYTES" makes a file of that size.
func scriptResize(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: resize FILE BYTES")
	}
	var size int64
	ts.Check(json.Unmarshal([]byte(args[1]), &size))
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_CREATE|os.O_WRONLY, 0o600)
	ts.Check(err)
	ts.Check(f.Truncate(size))
	ts.Check(f.Close())
}

// scriptRecipe: "recipe FILE" writes the shell script of SPEC.md, "Checking with
// stock tools", as it stands there; "recipe FILE bundle" the one for bundles.
func scriptRecipe(ts *testscript.TestScript, neg bool, args []string) {
	blocks := "recipe"
	if len(args) == 2 && args[1] == "bundle" {
		args, blocks = args[:1], "bundle recipe"
	}
	if neg || len(args) != 1 {
		ts.Fatalf("usage: recipe FILE [bundle]")
	}
	spec, err := os.ReadFile(scriptSpec)
	ts.Check(err)
	var script []byte
	for _, block := range regexp.MustCompile("(?sm)^```sh (?:both recipes|"+blocks+")\n(.*?)^```$").FindAllSubmatch(spec, -1) {
		script = append(script, block[1]...)
	}
	if len(script) == 0 {
		ts.Fatalf("protocol/SPEC.md has no recipe")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), script, 0o600))
}

// Places of the tree, seen from this folder, where go test runs.
const (
	scriptManual = "../../node/OPERATING.md"
	scriptSpec   = "../../protocol/SPEC.md"
	scriptTools  = "../../.bin/tools"
)

// scriptPostgres: "postgres FILE" writes the connection string of an empty
// database of a real server.
func scriptPostgres(t *testing.T, ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: postgres FILE")
	}
	server, err := pgtest.Shared()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(server.Database(t)+"\n"), 0o600))
}

// scriptCondition: "[stock]" holds when the stock tools of the recipe are here,
// "[postgres]" when PostgreSQL is, and both always in CI, where their absence is
// a failure. "[root]" holds for root, who can be other people.
func scriptCondition(name string) (bool, error) {
	if name == "root" {
		return os.Geteuid() == 0, nil
	}
	if name != "stock" && name != "postgres" {
		return false, fmt.Errorf("unknown condition %q", name)
	}
	if os.Getenv("CI") != "" {
		return true, nil
	}
	if name == "postgres" {
		_, err := pgtest.Shared()
		return err == nil, nil
	}
	for _, tool := range []string{"gpg", "gpgv", "sqv", "jq", "tar", "basenc", "awk", "openssl"} {
		if _, err := exec.LookPath(tool); err != nil {
			return false, nil
		}
	}
	_, err := os.Stat(scriptTools + "/age")
	return err == nil, nil
}

func scriptUntil(ts *testscript.TestScript, what string, done func() bool) {
	for range scriptPatience / scriptPoll {
		if done() {
			return
		}
		time.Sleep(scriptPoll)
	}
	ts.Fatalf("waited %s for %s", scriptPatience, what)
}
