//go:build js && wasm

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"syscall/js"

	"comity/protocol"
	"comity/protocol/bundle"
)

// In a page the program is one function, comityVerify(bundle, anchors, options).
// bundle is a File, anchors a list of Files or null for none, and options has
// the members requirePQ and progress, a function that is told how many bytes
// have been looked at. It returns a promise of an answer as JSON; the promise
// is refused for a broken page only, never for a wrong bundle.

// answer is what the page shows. Report is null unless the bundle is right in
// itself; then Error says what is wrong, and Wrong with what.
type answer struct {
	ExitCode   int            `json:"exit_code"` // what the command would leave with
	Report     *bundle.Report `json:"report"`
	Conclusion string         `json:"conclusion"`
	Text       string         `json:"text"` // as the command prints it
	JSON       string         `json:"json"` // as the command prints it with --json
	Wrong      string         `json:"wrong"`
	Member     string         `json:"member"` // of the bundle, or the anchor's file
	Error      string         `json:"error"`
	Advice     string         `json:"advice"` // what to do about it
	Unmet      bool           `json:"unmet"`  // nothing is wrong but for what was asked
}

// What can be wrong.
const (
	wrongBundle  = "bundle"
	wrongAnchors = "anchors"
	wrongFile    = "file" // it cannot be read
)

// Exit codes, as those of the command.
const (
	exitFailed = 1
	exitWrong  = 3
)

func main() {
	js.Global().Set("comityVerify", js.FuncOf(func(_ js.Value, args []js.Value) any {
		return promise(func() string {
			a, err := json.Marshal(check(args[0], args[1], args[2]))
			if err != nil {
				panic(err) // strings, numbers and times of our own
			}
			return string(a)
		})
	}))
	select {} // the page keeps calling
}

func check(file, anchors, options js.Value) *answer {
	trust, a := held(anchors)
	if a != nil {
		return a
	}
	in := &blob{file: file, progress: options.Get("progress")}
	report, err := bundle.Verify(in, in.size(), trust, bundle.Options{RequirePQ: options.Get("requirePQ").Bool()})
	if err != nil {
		return complaint(wrongBundle, err)
	}
	// As main.go writes it, to the byte: the auditor may compare the two.
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetIndent("", "  ")
	if err := e.Encode(report); err != nil {
		return complaint(wrongFile, err)
	}
	return &answer{ExitCode: report.ExitCode(), Report: report, Conclusion: report.Conclusion(), Text: report.Text(), JSON: out.String(), Advice: report.Advice()}
}

// held reads the anchors. None is no error: the page then says that identities
// are unchecked.
func held(anchors js.Value) (*bundle.Trust, *answer) {
	if anchors.IsNull() || anchors.Length() == 0 {
		return nil, nil
	}
	files := map[string][]byte{}
	for i := range anchors.Length() {
		in := &blob{file: anchors.Index(i)}
		// One byte more than allowed: ParseTrust refuses what is too long.
		data := make([]byte, min(in.size(), protocol.MaxIntroduction+1))
		name := in.file.Get("name").String()
		if files[name] != nil {
			return nil, complaint(wrongAnchors, &bundle.Fault{Member: name, Err: errors.New("chosen twice, from two folders")})
		}
		if _, err := in.ReadAt(data, 0); err != nil && len(data) > 0 {
			return nil, complaint(wrongFile, fmt.Errorf("read anchor %s: %w", name, err))
		}
		files[name] = data
	}
	trust, err := bundle.ParseTrust(files)
	if err != nil {
		return nil, complaint(wrongAnchors, err)
	}
	return trust, nil
}

// complaint tells what is wrong with a document from what is wrong here.
func complaint(what string, err error) *answer {
	var fault *bundle.Fault
	if errors.As(err, &fault) {
		return &answer{ExitCode: exitWrong, Wrong: what, Member: fault.Member, Error: fault.Err.Error(), Advice: fault.Advice(), Unmet: fault.Unmet()}
	}
	return &answer{ExitCode: exitFailed, Wrong: wrongFile, Error: err.Error()}
}
