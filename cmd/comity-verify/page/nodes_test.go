//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"comity/testnet/local"
)

func TestMain(m *testing.M) { os.Exit(local.Main(m)) }

// A transmission between two of three real nodes: the bundle that the sender's node writes, once the third has
// witnessed it, is judged in the browser as by the command.
func TestPageOnThreeNodes(t *testing.T) {
	chromium(t)
	w := local.New(t)
	a, b, c := w.Create("xa"), w.Create("xb"), w.Create("xc")
	w.Introduce(a, b, c)
	for _, n := range []*local.Node{a, b, c} {
		n.Start()
	}
	comity := func(words ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), local.Program(t), words...).CombinedOutput()
		if err != nil {
			t.Fatalf("comity %s: %v\n%s", strings.Join(words, " "), err, out)
		}
		return string(out)
	}
	said := comity("send", "--dir", a.Dir, "--to", string(b.Authority), w.File("request.pdf", 100_000), "--wait", "delivered", "--timeout", "60s")
	parcel := regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`).FindString(said)
	comity("acknowledge", parcel, "--dir", b.Dir)
	comity("follow", parcel, "--dir", a.Dir, "--timeout", "60s")

	// What the auditor gets, and what it holds.
	dir := t.TempDir()
	trust, file := filepath.Join(dir, "trust"), filepath.Join(dir, "evidence.tar")
	if err := os.Mkdir(trust, 0o700); err != nil {
		t.Fatal(err)
	}
	var anchors []string
	for _, n := range []*local.Node{a, b, c} {
		path := filepath.Join(trust, string(n.ID)+".json")
		comity("introduce", "--dir", n.Dir, "-o", path)
		anchors = append(anchors, path)
	}
	// The third node witnesses both logs, in its own time, and proofs under its cosignatures come by themselves.
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(time.Second) {
		comity("bundle", parcel, "--dir", a.Dir, "-o", file, "--with-parcel")
		out, err := exec.CommandContext(t.Context(), local.Program(t), "verify", file, "--trust", trust, "--require-pq").CombinedOutput()
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("nobody has witnessed it: %s", out)
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}

	v := open(t)
	verdict, exit, report := v.check(t, file, anchors...)
	if want := comity("verify", file, "--trust", trust, "--json"); exit != "0" || report != want {
		t.Errorf("the page leaves %s and reports\n%s\ncomity verify reports\n%s", exit, report, want)
	}
	if !strings.HasPrefix(verdict, "VALID by your anchors, and witnessed by a third party") || !strings.Contains(strings.ToLower(verdict), "an officer of the recipient formally acknowledged receipt") {
		t.Errorf("it shows\n%s", verdict)
	}
	v.photograph(t, "witnessed")
}
