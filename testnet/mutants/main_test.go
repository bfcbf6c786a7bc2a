package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Planting every bug takes half an hour. That each still has its place in the code, and a
// test by that name, is seen at once.
func TestEveryBugHasItsPlace(t *testing.T) {
	t.Chdir(filepath.Join("..", ".."))
	name := regexp.MustCompile(`Test\w+`)
	var names []string
	for _, m := range slices.Concat(mutants, directory) {
		if slices.Contains(names, m.name) {
			t.Errorf("two bugs are called %s", m.name)
		}
		names = append(names, m.name)
		if _, err := m.plant(t.TempDir()); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
		tests := testsIn(t, m.caught.pkg)
		for _, wanted := range name.FindAllString(m.caught.run, -1) {
			if !strings.Contains(tests, "func "+wanted) {
				t.Errorf("%s: no test in %s begins with %s", m.name, m.caught.pkg, wanted)
			}
		}
	}
}

// testsIn is the text of all tests of a package.
func testsIn(t *testing.T, pkg string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(pkg, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no tests: %v", pkg, err)
	}
	var all strings.Builder
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}
