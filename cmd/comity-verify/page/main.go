// Command page writes comity-verify as one HTML file that an auditor opens from
// disk: the same verifier as WebAssembly, with nothing to install, no server and
// no network. It is a step of the build; "make page" runs it.
//
// The file is made of the page here, the verifier and Go's own glue between the
// two (wasm_exec.js of the installed Go), so nothing of others stands in the
// tree. The same sources and the same Go make the same bytes.
package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
)

const usage = "usage: page FILE"

// verifier is the program that the page carries.
const verifier = "comity/cmd/comity-verify"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "page: error: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%s", usage)
	}
	page, err := build(ctx)
	if err != nil {
		return err
	}
	if err := os.WriteFile(args[0], page, 0o644); err != nil { //nolint:gosec // G306: it is for everyone to read
		return err
	}
	fmt.Printf("%x  %s\n", sha256.Sum256(page), args[0])
	return nil
}

// build compiles the verifier and makes the page of it. The folder it runs in
// must be in the module.
func build(ctx context.Context) ([]byte, error) {
	dir, err := os.MkdirTemp("", "comity-page-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) // what stays is in the folder for such
	out := filepath.Join(dir, "verify.wasm")
	// As make builds the others, and without what a debugger wants.
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", out, verifier) //nolint:gosec // constants and our own folder
	cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=")
	if said, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build %s for a page: %w\n%s", verifier, err, said)
	}
	program, err := os.ReadFile(out)
	if err != nil {
		return nil, err
	}
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("ask Go for its folder: %w", err)
	}
	glue, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "wasm_exec.js"))
	if err != nil {
		return nil, fmt.Errorf("read Go's glue for WebAssembly: %w", err)
	}
	return assemble(program, glue)
}
