// Command mutants plants bugs, one at a time, and sees that a test finds each. What
// the tests say is worth as much as what they would notice.
//
// It never touches the tree: the changed files stand in a temporary folder, and the
// compiler is told to read them in place of the real ones. It fails when a bug
// survives, when an edit no longer fits, and when a test fails without a bug.
//
//	go run ./testnet/mutants            all of them
//	go run ./testnet/mutants skip-fsync one
//
// The program is for development and is never linked into the product.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

// run plants the named bugs, or all.
func run(ctx context.Context, names []string) error {
	chosen := slices.DeleteFunc(slices.Concat(mutants, directory), func(m mutant) bool {
		return len(names) > 0 && !slices.Contains(names, m.name)
	})
	if len(chosen) == 0 || len(names) > len(chosen) {
		return fmt.Errorf("no such mutant in %q", names)
	}
	if err := healthy(ctx, chosen); err != nil {
		return err
	}
	survived := 0
	for _, m := range chosen {
		began := time.Now()
		by, err := m.hunt(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		verdict := "caught by " + by
		if by == "" {
			verdict = "SURVIVED " + m.caught.pkg + " " + m.caught.run
			survived++
		}
		fmt.Printf("%-30s %s\n%30s %s (%.0f s)\n", m.name, m.breaks, "", verdict, time.Since(began).Seconds())
	}
	if survived > 0 {
		return fmt.Errorf("%d of %d planted bugs survived", survived, len(chosen))
	}
	fmt.Printf("\nall %d planted bugs were caught\n", len(chosen))
	return nil
}

// healthy runs the tests without a bug: one that fails anyway catches nothing.
func healthy(ctx context.Context, chosen []mutant) error {
	var seen []test
	for _, m := range chosen {
		if slices.Contains(seen, m.caught) {
			continue
		}
		seen = append(seen, m.caught)
		if output, err := m.caught.do(ctx); err != nil {
			return fmt.Errorf("%s %s fails without any bug: %w\n%s", m.caught.pkg, m.caught.run, err, output)
		}
	}
	return nil
}

// hunt plants the bug and runs its test. It returns the first test that failed,
// "" when all passed.
func (m mutant) hunt(ctx context.Context) (by string, err error) {
	dir, err := os.MkdirTemp("", "comity-mutant-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	overlay, err := m.plant(dir)
	if err != nil {
		return "", err
	}
	// A bug that does not compile is caught by nobody.
	output, err := command(ctx, "build", "-overlay", overlay, "./...").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("the edit does not compile: %w\n%s", err, output)
	}
	output, err = m.caught.do(ctx, "-overlay", overlay)
	if err == nil {
		return "", nil
	}
	if failed := failure.FindSubmatch(output); failed != nil {
		return string(failed[1]), ctx.Err()
	}
	if bytes.Contains(output, []byte("panic: test timed out")) {
		return m.caught.run + ", which did not end", ctx.Err()
	}
	return "", fmt.Errorf("the test ended without a verdict: %w\n%s", err, output)
}

// failure is the first line about a failed test.
var failure = regexp.MustCompile(`(?m)^--- FAIL: (\S+)`)

// plant writes the changed files and the list that the compiler reads.
func (m mutant) plant(dir string) (overlay string, err error) {
	changed := map[string][]byte{}
	for _, e := range m.edits {
		path, err := filepath.Abs(e.file)
		if err != nil {
			return "", err
		}
		text, again := changed[path]
		if !again {
			if text, err = os.ReadFile(path); err != nil {
				return "", err
			}
		}
		if n := bytes.Count(text, []byte(e.old)); n != 1 {
			return "", fmt.Errorf("%s has %d places with %q, want one: the code has changed, mend testnet/mutants", e.file, n, e.old)
		}
		changed[path] = bytes.Replace(text, []byte(e.old), []byte(e.planted), 1)
	}
	replace := map[string]string{}
	for path, text := range changed {
		replace[path] = filepath.Join(dir, strings.ReplaceAll(strings.Trim(path, "/"), "/", "-"))
		if err := os.WriteFile(replace[path], text, 0o600); err != nil {
			return "", err
		}
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, errors.Join(err, os.WriteFile(overlay, list, 0o600))
}

// do runs the test.
func (t test) do(ctx context.Context, flags ...string) ([]byte, error) {
	minutes := t.minutes
	if minutes == 0 {
		minutes = 20
	}
	args := append([]string{"test", "-count=1", "-vet=off", fmt.Sprintf("-timeout=%dm", minutes), "-failfast", "-run", t.run}, flags...)
	cmd := command(ctx, append(args, t.pkg)...)
	cmd.Env = append(os.Environ(), "SEEDS=200") // the stories at every write, not a sample of them
	return cmd.CombinedOutput()
}

func command(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "go", args...)
}
