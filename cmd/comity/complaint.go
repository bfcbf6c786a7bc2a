package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"comity/node/control"
)

// misuse is an error that leaves with exitMisuse.
func misuse(hint, format string, args ...any) error {
	return &control.Error{Code: control.Usage, Message: fmt.Sprintf(format, args...), Hint: hint}
}

// problem is an error that leaves with exitFailed.
func problem(hint, format string, args ...any) error {
	return &control.Error{Code: control.Failed, Message: fmt.Sprintf(format, args...), Hint: hint}
}

// complain writes the error and its hint and returns the exit code.
func (p *program) complain(ctx context.Context, err error) int {
	var e *control.Error
	if !errors.As(err, &e) {
		e = &control.Error{Code: control.Failed, Message: err.Error()}
		if ctx.Err() != nil {
			e = &control.Error{Code: control.Interrupted, Message: "interrupted"}
		}
	}
	for line := range strings.SplitSeq(strings.TrimSpace(e.Message), "\n") {
		fmt.Fprintf(p.stderr, "comity: error: %s\n", safe(line))
	}
	if e.Hint != "" {
		fmt.Fprintf(p.stderr, "comity: hint: %s\n", safe(p.typed(e.Hint)))
	}
	return exitOf(e.Code)
}

func exitOf(code control.Code) int {
	switch code {
	case control.Usage:
		return exitMisuse
	case control.NoNode, control.Integrity:
		return exitIntegrity
	case control.Unchecked:
		return exitUnchecked
	default:
		return exitFailed
	}
}

var quotedCommand = regexp.MustCompile(`"comity ([^"]*)"`)

// typed makes the commands in a hint fit the directory and the authority that the person
// named, so that they can be typed as they stand. What the other side is to type stands
// in hints without quotes.
func (p *program) typed(hint string) string {
	return quotedCommand.ReplaceAllStringFunc(hint, func(command string) string {
		if strings.HasPrefix(command, `"comity help`) || strings.HasPrefix(command, `"comity key passphrase`) || strings.Contains(command, "--help") {
			return command
		}
		command = strings.TrimSuffix(command, `"`)
		if p.dir != "" {
			command += " --dir " + quoted(p.dir)
		}
		if p.as != "" && actsFor.MatchString(command) && !strings.Contains(command, " --as ") {
			command += " --as " + quoted(p.as)
		}
		return command + `"`
	})
}

// actsFor are the commands that act, or look, for one authority of the node.
var actsFor = regexp.MustCompile(`^"comity (send|sent|show|follow|withdraw|inbox|open|acknowledge|decline|doctor|bundle|` +
	`parcel export|report exceptions|authority list|log (audit|disclose)|key (rotate|compromised))\b`)

var plainWord = regexp.MustCompile(`^[\p{L}\p{N}@%+=:,./_-]+$`)

// quoted writes a path as a shell takes it for one word.
func quoted(path string) string {
	if plainWord.MatchString(path) {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
