package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The tests in house_*_test.go hold the plan of the house: which room may use which, where each third party lives, what stands at the
// top level, and that the specification and the code speak of the same requirements. They read sources only and need nothing but Go.

// houseRoot is the module's root, seen from this package's folder, where go test runs.
const houseRoot = "../.."

// houseRooms are the top-level folders from the bottom up. A package imports from its own room and from those before it.
var houseRooms = []string{"crypto", "protocol", "store", "node", "testnet", "cmd"}

// houseResidents says where each package that is not ours may be imported. A new one is a paragraph in the change that adds it, and a line here.
var houseResidents = []struct {
	path  string   // import path, with everything under it
	rooms []string // folders, with everything under them
	tests bool     // tests may import it in every room
	why   string
}{
	{"filippo.io/age", []string{"crypto/seal"}, false, "only crypto/seal knows how parcels are sealed"},
	{"github.com/ProtonMail/go-crypto", []string{"crypto/pgp"}, false, "only crypto/pgp knows OpenPGP, because a library accepts more than we may"},
	{"golang.org/x/mod", []string{"crypto/merkle"}, false, "only crypto/merkle knows the log's formats"},
	{"github.com/transparency-dev/formats", []string{"crypto/merkle"}, false, "only crypto/merkle knows the log's formats"},
	{"filippo.io/mldsa", []string{"crypto/merkle"}, false, "only crypto/merkle makes the log's second signature"},
	{"github.com/go-json-experiment/json", []string{"protocol/statement"}, false, "only protocol/statement reads and writes signed documents, so that there is one strictness"},
	{"github.com/tyler-smith/go-bip39", []string{"protocol/record"}, false, "the words that people compare are derived in one place"},
	{"golang.org/x/text", []string{"protocol/directory"}, false, "names are compared without their accents in one place"},
	{"github.com/google/uuid", []string{"protocol", "node/office"}, false, "ids are made by the office and checked by protocol"},
	{"database/sql", []string{"store", "testnet/sim", "testnet/bench"}, false, "SQL lives in store; testnet/sim wraps the driver to make it fail, testnet/bench asks how large tables are"},
	{"modernc.org/sqlite", []string{"store", "testnet/sim"}, false, "SQL drivers live in store; testnet/sim wraps the driver to make it fail"},
	{"github.com/jackc/pgx", []string{"store"}, false, "SQL drivers live in store"},
	{"github.com/pressly/goose", []string{"store"}, false, "migrations live in store"},
	{"github.com/quic-go", []string{"node/gateway", "testnet"}, false, "QUIC lives in node/gateway; testnet/sim has its simulated network"},
	{"github.com/hashicorp/go-retryablehttp", []string{"node/gateway", "node/federation"}, false, "the gateway speaks to other nodes, and the federation asks mirrors"},
	{"github.com/theupdateframework/go-tuf", []string{"node/federation"}, false, "only node/federation knows how a directory is signed and fetched"},
	{"github.com/sigstore/sigstore", []string{"node/federation"}, false, "the form in which go-tuf takes a key that signs"},
	{"github.com/secure-systems-lab/go-securesystemslib", []string{"node/federation"}, false, "the canonical form of what stewards sign, whose digest people compare"},
	{"github.com/pelletier/go-toml", []string{"node/operate"}, false, "the configuration is read in one place"},
	{"html/template", []string{"node/web"}, false, "pages live in node/web"},
	{"github.com/spf13", []string{"cmd"}, false, "the command line lives in cmd"},
	{"github.com/schollz/progressbar", []string{"cmd"}, false, "only commands speak to a terminal"},
	{"golang.org/x/term", []string{"cmd"}, false, "only commands speak to a terminal"},
	{"golang.org/x/sys", []string{"crypto/keys", "store", "node/operate", "node/gateway"}, false, "locks, durable files and socket options are made in few places"},
	{"golang.org/x/net", []string{"node/gateway"}, false, "only the gateway has a network"},
	{"math/rand", []string{"testnet"}, true, "the product takes randomness from crypto/rand; a seed belongs to tests"},
	{"github.com/chromedp", []string{"cmd/comity-verify/page"}, false, "it drives the browser in the test of the auditor's page"},
	{"github.com/google/go-cmp", nil, true, "it compares in tests and panics on surprises"},
	{"github.com/rogpeppe/go-internal", nil, true, "it runs script tests"},
	{"go.uber.org/goleak", nil, true, "it watches tests for lost goroutines"},
}

// houseVersions are of libraries that are never updated by the way: newer ones want another Go, or change what is signed.
var houseVersions = []string{"github.com/theupdateframework/go-tuf/v2 v2.4.2", "github.com/sigstore/sigstore v1.10.6"}

// TestHouseVersions: an update of one of these is a change of its own.
func TestHouseVersions(t *testing.T) {
	mod, err := os.ReadFile(filepath.Join(houseRoot, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range houseVersions {
		if !strings.Contains(string(mod), "\t"+want+"\n") {
			t.Errorf("go.mod does not require %s, as it stands in node/federation's room", want)
		}
	}
}

// housePackage is one package of ours as go list describes it.
type housePackage struct {
	ImportPath, Dir, Name              string
	GoFiles                            []string
	Imports, TestImports, XTestImports []string
}

// room is the package's folder as seen from the root: "node/gateway".
func (p housePackage) room() string { return strings.TrimPrefix(p.ImportPath, "comity/") }

func housePackages(t *testing.T) []housePackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Dir,Name,GoFiles,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = houseRoot
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list ./...: %v\n%s", err, complaint.Bytes())
	}
	var packages []housePackage
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p housePackage
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("reading what go list wrote: %v", err)
		}
		packages = append(packages, p)
	}
	if len(packages) == 0 {
		t.Fatal("go list ./... names no package")
	}
	return packages
}

// houseUnder reports whether path is the folder or below it.
func houseUnder(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}

// TestHouseOrder: crypto <- protocol <- store <- node <- testnet <- cmd, tests included; gateway and office do not know each other.
func TestHouseOrder(t *testing.T) {
	floor := func(path string) int {
		top, _, _ := strings.Cut(strings.TrimPrefix(path, "comity/"), "/")
		return slices.Index(houseRooms, top)
	}
	strangers := [][2]string{
		{"comity/node/gateway", "comity/node/office"},
		{"comity/node/office", "comity/node/gateway"},
	}
	for _, p := range housePackages(t) {
		if floor(p.ImportPath) < 0 {
			t.Errorf("%s is in none of the rooms %s", p.ImportPath, strings.Join(houseRooms, ", "))
			continue
		}
		for _, dep := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			if !houseUnder(dep, "comity") {
				continue
			}
			if floor(dep) > floor(p.ImportPath) {
				t.Errorf("%s imports %s: %s stands above %s", p.ImportPath, dep, houseRooms[max(floor(dep), 0)], houseRooms[floor(p.ImportPath)])
			}
			for _, pair := range strangers {
				if houseUnder(p.ImportPath, pair[0]) && houseUnder(dep, pair[1]) {
					t.Errorf("%s imports %s: the gateway is blind to content and may run on another machine than the office; "+
						"they meet through the interface that node/office declares", p.ImportPath, dep)
				}
			}
		}
	}
}

// TestHouseThirdParties: what is not ours lives in one room each, so that it can be judged and replaced there.
func TestHouseThirdParties(t *testing.T) {
	check := func(room, dep string, test bool) {
		for _, r := range houseResidents {
			if !houseUnder(dep, r.path) {
				continue
			}
			allowed := test && r.tests || slices.ContainsFunc(r.rooms, func(f string) bool { return houseUnder(room, f) })
			if !allowed {
				places := slices.Clone(r.rooms)
				if r.tests {
					places = append(places, "tests")
				}
				t.Errorf("%s imports %s, which belongs in %s: %s", room, dep, strings.Join(places, ", "), r.why)
			}
			return
		}
		host, _, _ := strings.Cut(dep, "/")
		if strings.Contains(host, ".") {
			t.Errorf("%s imports %s, which has no room yet: say in houseResidents where it lives and why", room, dep)
		}
	}
	for _, p := range housePackages(t) {
		for _, dep := range p.Imports {
			check(p.room(), dep, false)
		}
		for _, dep := range slices.Concat(p.TestImports, p.XTestImports) {
			check(p.room(), dep, true)
		}
	}
}

// TestHousePackageComments: each package says what it is for and what it leaves to others.
func TestHousePackageComments(t *testing.T) {
	for _, p := range housePackages(t) {
		if len(p.GoFiles) == 0 {
			continue
		}
		var comments []string
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Errorf("%s: %v", p.room(), err)
				continue
			}
			if text := strings.TrimSpace(file.Doc.Text()); text != "" {
				comments = append(comments, text)
			}
		}
		opening := fmt.Sprintf("Package %s ", p.Name)
		if p.Name == "main" {
			opening = fmt.Sprintf("Command %s ", filepath.Base(p.ImportPath))
		}
		if len(comments) != 1 || !strings.HasPrefix(comments[0], opening) {
			t.Errorf("%s: want one file with a package comment that begins %q; got %d: %q", p.room(), opening, len(comments), comments)
		}
	}
}

// TestHouseCryptoIsAFolder: a package named crypto would hide the standard one.
func TestHouseCryptoIsAFolder(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(houseRoot, "crypto", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		t.Errorf("%s: Go files belong in a folder below crypto, not in crypto itself", f)
	}
}

// TestHouseTopLevel: whoever opens the tree sees the rooms and nothing else.
func TestHouseTopLevel(t *testing.T) {
	allowed := append(slices.Clone(houseRooms), "go.mod", "go.sum", "Makefile", "README.md", "LICENSE")
	var seen []string
	for _, path := range houseFiles(t) {
		top, _, _ := strings.Cut(path, "/")
		if !strings.HasPrefix(top, ".") && !slices.Contains(allowed, top) && !slices.Contains(seen, top) {
			seen = append(seen, top)
			t.Errorf("%q stands at the top level; only %s and dot files do", top, strings.Join(allowed, ", "))
		}
	}
}

// houseFiles are the paths of all files that belong to the tree, with slashes, from the root. Git knows which do; a tree without git is
// taken whole, but for dot folders.
func houseFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	cmd := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = houseRoot
	if out, err := cmd.Output(); err == nil && len(out) > 0 {
		for path := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
			// A file that was deleted but not yet committed is still in git's list.
			if _, err := os.Lstat(filepath.Join(houseRoot, path)); err == nil {
				files = append(files, path)
			}
		}
		return files
	}
	err := fs.WalkDir(os.DirFS(houseRoot), ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case !d.IsDir():
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
