package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"comity/protocol/parcel"
)

const vectors = "../../protocol/vectors/"

// trusted is a folder of the anchors of the vectors' two states.
func trusted(t *testing.T, states ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, s := range states {
		b, err := os.ReadFile(vectors + "exchange/introduction-" + s + ".json")
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, s+".json"), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestExitCodes(t *testing.T) {
	both, one := trusted(t, "xa", "xb"), trusted(t, "xa")
	empty := t.TempDir()
	for _, tt := range []struct {
		args        []string
		code        int
		says, wrong string
	}{
		{[]string{"--trust", both, vectors + "bundle/valid.tar"}, 0, "VALID by your anchors", ""},
		{[]string{"--trust", both, vectors + "bundle/disclosed.tar"}, 0, "request.pdf", ""},
		{[]string{vectors + "bundle/valid.tar", "--trust", both}, 0, "VALID by your anchors", ""}, // as "comity verify" takes it
		{[]string{vectors + "bundle/valid.tar", vectors + "bundle/cover.tar"}, 2, "", "name one file; these are 2"},
		{[]string{vectors + "bundle/valid.tar"}, 4, "identities unchecked", ""},
		{[]string{"--trust", one, vectors + "bundle/valid.tar"}, 4, "Who xb is", "hint: ask xb for its introduction"},
		{[]string{"--trust", both, "--require-pq", vectors + "bundle/valid.tar"}, 3, "", "no third party"},
		{[]string{"--trust", both, "--require-pq", vectors + "bundle/valid.tar"}, 3, "", "hint: ask for a bundle that is made once"},
		{[]string{"--trust", both, vectors + "bundle/own-trust.tar"}, 3, "", "records/xa-1.json: "},
		{[]string{"--trust", both, vectors + "bundle/cover.tar"}, 3, "", "cover.html: "},
		{[]string{"--trust", both, vectors + "bundle/version.tar"}, 3, "", "hint: check it with a newer program"},
		{[]string{"--trust", empty, vectors + "bundle/valid.tar"}, 1, "", "holds no anchor"},
		{[]string{"--trust", both, vectors + "bundle/nothing.tar"}, 1, "", "no such file"},
		{[]string{"--trust", both, vectors}, 1, "", "is not a file"},
		{[]string{"--trust", both}, 2, "", "comity-verify [--trust DIR]"},
		{[]string{"--nonsense"}, 2, "", "nonsense"},
	} {
		var out, complaint bytes.Buffer
		code := run(tt.args, &out, &complaint)
		if code != tt.code || !strings.Contains(out.String(), tt.says) || !strings.Contains(complaint.String(), tt.wrong) {
			t.Errorf("%v: got %d, want %d\n%s%s", tt.args, code, tt.code, out.Bytes(), complaint.Bytes())
		}
	}
}

// Whoever made a file chose the names in it. They do nothing to the auditor's terminal.
func TestNamesInABundleDoNothingToATerminal(t *testing.T) {
	file, err := os.ReadFile(vectors + "bundle/valid.tar")
	if err != nil {
		t.Fatal(err)
	}
	size, err := strconv.ParseInt(string(file[124:135]), 8, 64)
	if err != nil {
		t.Fatal(err)
	}
	list, rest := file[512:][:size], file[512+size+parcel.Padding(size):]
	list = bytes.Replace(list, []byte("records/xa-1.json"), []byte(`records/\u001b[2J.json`), 1)
	file = slices.Concat(parcel.AppendHeader(nil, "bundle.json", int64(len(list))), list, make([]byte, parcel.Padding(int64(len(list)))), rest)
	path := filepath.Join(t.TempDir(), "evidence.tar")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	var out, complaint bytes.Buffer
	code := run([]string{path}, &out, &complaint)
	if code != 3 || strings.ContainsRune(complaint.String(), 0x1b) || !strings.Contains(complaint.String(), `records/\x1b[2J.json`) {
		t.Errorf("got %d, want 3 and the name as text: %q", code, complaint.String())
	}
}

func TestJSON(t *testing.T) {
	var out, complaint bytes.Buffer
	if code := run([]string{"--json", "--trust", trusted(t, "xa", "xb"), vectors + "bundle/valid.tar"}, &out, &complaint); code != 0 {
		t.Fatalf("leaves with %d: %s", code, complaint.Bytes())
	}
	var report struct {
		Verdict  string `json:"verdict"`
		Trusted  bool   `json:"identities_checked"`
		Evidence []struct {
			Event   string `json:"event"`
			RestsOn string `json:"rests_on"`
		} `json:"evidence"`
	}
	if err := json.Unmarshal(out.Bytes(), &report); err != nil || report.Verdict != "valid" || !report.Trusted || len(report.Evidence) != 6 ||
		report.Evidence[0].RestsOn != "not yet witnessed: rests on xa only" {
		t.Errorf("%v: %+v", err, report)
	}
}

// The auditor's program has no network, store or node in it, and runs no other program.
func TestDependencies(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for path := range strings.FieldsSeq(string(out)) {
		for _, never := range []string{
			"net/http", "crypto/tls", "os/exec", "database/sql", "plugin", "comity/store", "comity/node", "comity/testnet", "comity/cmd/comity",
			"github.com/quic-go", "github.com/jackc", "modernc.org", "github.com/spf13", "golang.org/x/net", "net/smtp", "net/rpc", "os/signal",
		} {
			if path == never || strings.HasPrefix(path, never+"/") && never != "database/sql" {
				t.Errorf("it depends on %s", path)
			}
		}
	}
	// What we write ourselves opens no connection either: net comes with libraries
	// that parse addresses and certificates.
	out, err = exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", `{{.ImportPath}} {{join .Imports ","}}`, ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		name, imports, _ := strings.Cut(strings.TrimSpace(line), " ")
		for _, i := range strings.Split(imports, ",") {
			if strings.HasPrefix(name, "comity/") && (i == "net" || i == "syscall") {
				t.Errorf("%s imports %s", name, i)
			}
		}
	}
}
