//go:build !js

// Command comity-verify checks an evidence bundle offline. It is the auditor's
// own: no network, no store, no node and no key, so little of it has to be read
// to know what it does. "comity verify" does the same.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"comity/cmd/comity-verify/anchors"
	"comity/protocol/bundle"
)

// Exit codes, as those of comity.
const (
	exitFailed = 1
	exitMisuse = 2
	exitWrong  = 3
)

const usage = `comity-verify checks an evidence bundle offline.

  comity-verify [--trust DIR] [--require-pq] [--json] FILE

DIR holds the introduction of each state as STATE.json, whose words you have
compared with that state over another channel. Without it the bundle may be
consistent, but nothing says whose keys are in it. A file named policy in it, a
C2SP tlog-policy, may say which witnesses must have cosigned.

  --trust DIR    folder of the anchors that you hold
  --require-pq   refuse evidence that no third party cosigned with ML-DSA-44
  --json         write the report as JSON

Leaves with 0 when all is valid by your anchors, 4 when it is consistent and the
identities are unchecked or a key is contested, 3 when anything is wrong or lacks
what you ask for, 2 when asked wrongly, 1 when a file cannot be read.
`

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("comity-verify", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { fmt.Fprint(stderr, usage) }
	dir := flags.String("trust", "", "")
	pq := flags.Bool("require-pq", false, "")
	asJSON := flags.Bool("json", false, "")
	var files []string
	for rest := args; ; rest = flags.Args()[1:] { // flags may stand on either side of the file
		if err := flags.Parse(rest); errors.Is(err, flag.ErrHelp) {
			return 0
		} else if err != nil {
			return exitMisuse
		}
		if flags.NArg() == 0 {
			break
		}
		files = append(files, flags.Arg(0))
	}
	if len(files) != 1 {
		fmt.Fprintf(stderr, "comity-verify: error: name one file; these are %d\n\n", len(files))
		flags.Usage()
		return exitMisuse
	}
	var trust *bundle.Trust
	if *dir != "" {
		var err error
		if trust, err = anchors.Read(*dir); err != nil {
			return complain(stderr, err)
		}
	}
	report, err := anchors.Check(files[0], trust, bundle.Options{RequirePQ: *pq})
	if err != nil {
		return complain(stderr, err)
	}
	if *asJSON {
		e := json.NewEncoder(stdout)
		e.SetIndent("", "  ")
		err = e.Encode(report)
	} else {
		_, err = io.WriteString(stdout, report.Text())
	}
	if err != nil {
		return complain(stderr, err)
	}
	if advice := report.Advice(); advice != "" {
		fmt.Fprintf(stderr, "comity-verify: hint: %s\n", advice)
	}
	return report.ExitCode()
}

// complain tells what is wrong with the bundle from what is wrong here.
func complain(stderr io.Writer, err error) int {
	fmt.Fprintf(stderr, "comity-verify: error: %v\n", err)
	var fault *bundle.Fault
	if errors.As(err, &fault) {
		fmt.Fprintf(stderr, "comity-verify: hint: %s\n", fault.Advice())
		return exitWrong
	}
	return exitFailed
}
