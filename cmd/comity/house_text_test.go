package main_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// houseRead returns one file of the tree.
func houseRead(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(houseRoot, path))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestHouseRequirements: every requirement of SPEC.md is carried out by code that says so and shown by a test that says so, and nothing
// cites a requirement that SPEC.md does not have.
func TestHouseRequirements(t *testing.T) {
	spec := houseRead(t, "protocol/SPEC.md")
	id := regexp.MustCompile(`\bR-[A-Z]+-[0-9]+\b`)

	defined := map[string]bool{}
	for _, m := range regexp.MustCompile(`\*\*(R-[A-Z]+-[0-9]+)\*\*`).FindAllSubmatch(spec, -1) {
		defined[string(m[1])] = true
	}
	if len(defined) == 0 {
		t.Fatal("protocol/SPEC.md defines no requirement (a definition is an id in bold)")
	}
	for _, m := range id.FindAll(spec, -1) {
		if !defined[string(m)] {
			t.Errorf("protocol/SPEC.md speaks of %s, but defines it nowhere in bold", m)
		}
	}
	for _, m := range id.FindAll(houseRead(t, "protocol/THREATS.md"), -1) {
		if !defined[string(m)] {
			t.Errorf("protocol/THREATS.md rests on %s, which protocol/SPEC.md does not define", m)
		}
	}
	opened := map[string]int{}
	for _, m := range regexp.MustCompile(`(?m)^\* \*\*(R-[A-Z]+-[0-9]+)\*\*`).FindAllSubmatch(spec, -1) {
		if opened[string(m[1])]++; opened[string(m[1])] == 2 {
			t.Errorf("protocol/SPEC.md defines %s twice", m[1])
		}
	}

	inCode, inTests := map[string]bool{}, map[string]bool{}
	for _, path := range houseFiles(t) {
		if !strings.HasSuffix(path, ".go") {
			continue
		}
		cited := inCode
		if strings.HasSuffix(path, "_test.go") {
			cited = inTests
		}
		unknown := map[string]bool{}
		for _, m := range id.FindAll(houseRead(t, path), -1) {
			cited[string(m)] = true
			if !defined[string(m)] && !unknown[string(m)] {
				unknown[string(m)] = true
				t.Errorf("%s cites %s, which protocol/SPEC.md does not define", path, m)
			}
		}
	}
	var noCode, noTest []string
	for r := range defined {
		if !inCode[r] {
			noCode = append(noCode, r)
		}
		if !inTests[r] {
			noTest = append(noTest, r)
		}
	}
	slices.Sort(noCode)
	slices.Sort(noTest)
	if len(noCode) > 0 {
		t.Errorf("requirements that no code cites where it carries them out: %s", strings.Join(noCode, " "))
	}
	if len(noTest) > 0 {
		t.Errorf("requirements that no test cites where it shows them: %s", strings.Join(noTest, " "))
	}
}

// TestHouseNamesNoMachine: the tree says nothing about the machines on which it was written; a path that exists on one desk is a trap on all others.
func TestHouseNamesNoMachine(t *testing.T) {
	// The brackets keep these patterns from finding themselves.
	patterns := []string{`proxy[.]golang[.]org`, `registry[.]npmjs[.]org`, `deb[.]debian[.]org`}
	folders := []string{"/root", "/work"}
	if root, err := filepath.Abs(houseRoot); err == nil {
		folders = append(folders, root)
	}
	if home, err := os.UserHomeDir(); err == nil && len(home) > 1 {
		folders = append(folders, home)
	}
	for _, f := range folders {
		patterns = append(patterns, `(?m)(^|[^A-Za-z0-9_.~-])`+regexp.QuoteMeta(f)+`/[A-Za-z0-9_.]`)
	}
	if out, err := exec.CommandContext(t.Context(), "go", "env", "GOPROXY").Output(); err == nil {
		for _, proxy := range strings.FieldsFunc(strings.TrimSpace(string(out)), func(r rune) bool { return r == ',' || r == '|' }) {
			if u, err := url.Parse(proxy); err == nil && u.Host != "" {
				patterns = append(patterns, regexp.QuoteMeta(u.Host))
			}
		}
	}
	leak := regexp.MustCompile(strings.Join(patterns, "|"))
	for _, path := range houseFiles(t) {
		data := houseRead(t, path)
		if bytes.IndexByte(data, 0) >= 0 {
			continue
		}
		for _, at := range leak.FindAllIndex(data, -1) {
			line := 1 + bytes.Count(data[:at[0]], []byte("\n"))
			t.Errorf("%s:%d names a place of one machine or a package registry: %q", path, line, data[at[0]:at[1]])
		}
	}
}

// TestHouseSkips: a test may skip only for want of a tool or a right of the machine, and then asks for CI, where it fails instead.
func TestHouseSkips(t *testing.T) {
	for _, path := range houseFiles(t) {
		if !strings.HasSuffix(path, ".go") {
			continue
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, houseRead(t, path), parser.SkipObjectResolution)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		for _, decl := range file.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			var skips []token.Pos
			asksCI := false
			ast.Inspect(fn.Body, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.SelectorExpr:
					if slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, n.Sel.Name) && houseIsTest(n.X) {
						skips = append(skips, n.Pos())
					}
				case *ast.BasicLit:
					asksCI = asksCI || n.Value == `"CI"`
				}
				return true
			})
			for _, pos := range skips {
				if !asksCI {
					t.Errorf("%s: %s skips without asking for CI: a test skips only when the machine lacks something, and fails when os.Getenv(\"CI\") is set",
						fset.Position(pos), fn.Name.Name)
				}
			}
		}
	}
}

// houseIsTest reports whether x looks like the t, tb, b or f of a test.
func houseIsTest(x ast.Expr) bool {
	name, ok := x.(*ast.Ident)
	return ok && slices.Contains([]string{"t", "tb", "b", "f"}, name.Name)
}

// TestHouseCommands: what README tells people to type after "make" is a target, and every target has its sentence in the bare make.
func TestHouseCommands(t *testing.T) {
	makefile := houseRead(t, "Makefile")
	sentences := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([a-z-]+):.*## \S`).FindAllSubmatch(makefile, -1) {
		sentences[string(m[1])] = true
	}
	for _, m := range regexp.MustCompile(`(?m)^([a-z-]+):`).FindAllSubmatch(makefile, -1) {
		if !sentences[string(m[1])] {
			t.Errorf("Makefile: target %s has no sentence after ##", m[1])
		}
	}
	readme := houseRead(t, "README.md")
	commands := regexp.MustCompile("(?m)(?:^|`)[ ]*make ([a-z-]+)").FindAllSubmatch(readme, -1)
	for _, m := range commands {
		if !sentences[string(m[1])] {
			t.Errorf("README.md says %q, which the Makefile does not have", "make "+string(m[1]))
		}
	}
	var first []string
	for _, m := range commands {
		first = append(first, fmt.Sprintf("make %s", m[1]))
	}
	if len(first) < 2 || first[0] != "make demo" || first[1] != "make test" {
		t.Errorf("README.md opens with %q; want make demo, then make test", first[:min(2, len(first))])
	}
}
