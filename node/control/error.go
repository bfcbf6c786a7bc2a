package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"

	"comity/crypto/seal"
	"comity/node/gateway"
	"comity/node/office"
	"comity/node/operate"
	"comity/protocol"
	"comity/store"
)

// Error is what went wrong, as it crosses the socket: a code for programs, a
// sentence for people, and a hint that says what to do next ("" if there is
// none). In hints, commands stand in double quotes and without --dir.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	// Holder is whose passphrase is wanted, with the code NoPassphrase.
	Holder operate.Holder `json:"holder,omitempty"`
}

func (e *Error) Error() string { return e.Message }

// Code says what kind of error it is: one of those below or, for a refusal, one
// of the protocol's, which keep their meaning here.
type Code string

// Codes beside those of the protocol.
const (
	NoNode       Code = "no-node"       // the directory holds no node
	Locked       Code = "locked"        // another process has the directory open
	NoPassphrase Code = "no-passphrase" // keys stay closed without the right passphrase
	Integrity    Code = "integrity"     // what is stored contradicts itself
	NotFound     Code = "not-found"     // no such parcel, file or peer
	Ambiguous    Code = "ambiguous"     // more than one fits
	NotRunning   Code = "not-running"   // needs a network, and the node does not run
	NotPinned    Code = "not-pinned"    // no record of that state
	NotEqual     Code = "not-equal"     // words that a person gave are not those of the record
	Unreachable  Code = "unreachable"   // the peer does not answer, or asks to come back later
	Interrupted  Code = "interrupted"   // the caller gave up, or the node stopped
	Usage        Code = "usage"         // asked wrongly
	Unchecked    Code = "unchecked"     // consistent, and nobody here vouches for the keys
	Failed       Code = "failed"        // everything else
)

// CodeOf returns the code of an error of this package, or "" for another one.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// fail makes an Error. An empty code, that of an error which is no refusal,
// becomes Failed.
func fail(code Code, hint, format string, args ...any) *Error {
	if code == "" {
		code = Failed
	}
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Hint: hint}
}

// hints say what to do about a refusal.
var hints = map[protocol.Code]string{
	protocol.UnknownRecipient: `"comity peer list" shows whom this node knows; a new state is pinned with "comity peer pin FILE"`,
	protocol.KeyExpired:       `the state whose key it is has to renew it (comity key renew); "comity doctor" shows the dates of one's own keys`,
	protocol.ClockSkew:        `compare the clocks of both machines; "comity peer ping" shows the difference`,
	protocol.WrongRecipientKey: `the recipient's record is out of date here: "comity peer ping" fetches its newest one, ` +
		`or pin a new introduction with "comity peer pin FILE"`,
	protocol.Equivocation: "two different documents claim one identity: keep both and call the other side",
}

// explain turns any error into one that can be shown. Errors of this package
// pass through.
func explain(err error) *Error {
	var e *Error
	var refusal *protocol.Refusal
	var path *fs.PathError
	var locked *operate.LockedError
	var config *operate.ConfigError
	var short *store.ShortError
	var share *gateway.ShareError
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &locked):
		return explainLocked(locked, err)
	case errors.As(err, &config):
		return fail(Failed, "mend "+config.Path+": the message says where", "%v", err)
	case errors.Is(err, operate.ErrNoNode):
		return fail(NoNode, `create one with "comity init" ("comity help init" shows an example), or name another directory with --dir; an office answers in the folder of its officers while its node runs`, "%v", err)
	case errors.Is(err, operate.ErrLocked), errors.Is(err, store.ErrTaken):
		return fail(Locked, "wait until that process has ended, or end it", "%v", err)
	case errors.Is(err, office.ErrRecovering):
		return fail(Failed, `a running node fetches it as soon as that node can be reached: "comity peer list" shows whether it can`, "%v", err)
	case errors.Is(err, gateway.ErrOlderCopy):
		return fail(Integrity, `bring back the newest copy of this directory; if there is none, type "comity log new-era --offline FOLDER"`, "%v", err)
	case errors.Is(err, store.ErrClock):
		return fail(Integrity, "set the clock of this machine right; if it is right, and what was signed was dated too late, start the node while a peer can be reached: it goes on when peers confirm the clock. Do not restore an older copy",
			"the clock of this machine is behind what was signed here: %v", err)
	case errors.Is(err, seal.ErrNoKey):
		// Only of a parcel that is stored: one that arrives so is refused with evidence.
		return fail(Integrity, "a key of the office is missing, or the sealed bytes were altered: keep the directory as it is and see whether all keys are there", "%v", err)
	case isIntegrity(err):
		return fail(Integrity, "nothing was changed; stop the node and keep the directory as it is; a copy from before its last signature must not be served", "%v", err)
	case errors.Is(err, store.ErrExists):
		return fail(Failed, "another node may use it; what an interrupted init left there, and nobody uses, goes with DROP SCHEMA in psql", "%v", err)
	case errors.Is(err, store.ErrUnreachable):
		return fail(Failed, "see whether PostgreSQL runs, and whether the connection string is right: comity.toml names the file that holds it", "%v", err)
	case errors.As(err, &short):
		return fail(Failed, `make room on the disk of the data directory, and type it again; "comity doctor" shows how much is free`, "%v", short)
	case errors.As(err, &share):
		return fail(Failed, `nothing was sent; what waits goes out as peers take it ("comity sent"), and "comity authority list" shows the shares; the other authorities of this node go on sending`, "%v", share)
	case store.IsFull(err), errors.Is(err, syscall.ENOSPC):
		return fail(Failed, "the disk is full: make room and try again; nothing is half-stored", "%v", err)
	case errors.As(err, &refusal):
		return fail(Code(refusal.Code), hints[refusal.Code], "%s", plainly(err))
	case errors.Is(err, context.Canceled):
		return fail(Interrupted, "", "interrupted")
	case errors.Is(err, context.DeadlineExceeded):
		return fail(Interrupted, "", "it took too long: %v", err)
	case errors.As(err, &path) && errors.Is(err, fs.ErrNotExist):
		return fail(NotFound, "check the path", "%s: there is no such file", path.Path)
	case errors.As(err, &path) && errors.Is(err, fs.ErrPermission) && filepath.Base(path.Path) == filepath.Base(operate.Layout{}.Config()):
		return fail(Failed, "name the data directory of your own node, or the folder that its operator has given to the officers of your authority", "%s is not open to you", filepath.Dir(path.Path))
	case errors.As(err, &path) && errors.Is(err, fs.ErrPermission):
		return fail(Failed, "see who may read it: a running node reads with its own rights, a command with yours", "%s: permission denied", path.Path)
	case errors.Is(err, store.ErrGone):
		return fail(NotFound, "", "the sealed bytes of this parcel are no longer kept here")
	case errors.Is(err, store.ErrNotFound):
		return fail(NotFound, "", "%v", err)
	}
	return fail(Failed, "", "%v", err)
}

// plainly is the text of an error without the reason code, which is carried
// beside it.
func plainly(err error) string {
	var r *protocol.Refusal
	if !errors.As(err, &r) {
		return err.Error()
	}
	return strings.Replace(err.Error(), string(r.Code)+": ", "", 1)
}

func isIntegrity(err error) bool {
	for _, one := range []error{
		seal.ErrDamaged, seal.ErrHeader, // of sealed bytes that were in order when they were taken in
		store.ErrMissing, store.ErrNewer, store.ErrForeign, store.ErrSetting, store.ErrClock, store.ErrIntegrity, store.ErrUnknownOutcome,
	} {
		if errors.Is(err, one) {
			return true
		}
	}
	return false
}
