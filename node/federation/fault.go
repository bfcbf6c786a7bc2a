package federation

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrUnreadable says that the files in the follower's folder are damaged. None of them
// is anywhere else than with the mirrors and in backups, so nothing is made up for them.
var ErrUnreadable = errors.New("what this node keeps of its federation cannot be read")

func unreadable(err error) error { return fmt.Errorf("%w: %w", ErrUnreadable, err) }

// orUnreadable tells an error of the folder so, while it is known to be damaged.
// f.mu is held.
func (f *Follower) orUnreadable(err error) error {
	if err == nil || f.fault == nil || errors.Is(err, ErrJoined) {
		return err
	}
	return unreadable(err)
}

// joinAgain is how a node comes back to its federation, as a part of a sentence.
const joinAgain = `join again with the newest root, by its words: "comity directory join ROOT --mirror URL"`

// MoveAway says what to do about a damaged folder. The versions that were adopted
// still hold after that: the node's database remembers them.
func (f *Follower) MoveAway() string {
	return fmt.Sprintf("move %s away and %s; or restore it from the backup and start the node again", f.cfg.Dir, joinAgain)
}

// astray is the alarm of a node that follows no federation and should: what it keeps of
// it is damaged, or gone, as after a restore from an incomplete backup. Nil: it was in none.
func (f *Follower) astray(fault error) *Alarm {
	if fault != nil {
		return &Alarm{Kind: OwnFault, Text: fault.Error(), Do: f.MoveAway()}
	}
	adopted := f.cfg.Node.Directory()
	if adopted == nil {
		return nil
	}
	gone := f.cfg.Dir
	if _, err := os.Lstat(gone); !errors.Is(err, fs.ErrNotExist) {
		gone = filepath.Join(gone, settingsFile)
	}
	return &Alarm{
		Kind: OwnFault, Text: fmt.Sprintf("this node followed a federation (version %d of its directory was adopted), and %s is gone", adopted.Version, gone),
		Do: fmt.Sprintf("restore %s from the backup, or %s", f.cfg.Dir, joinAgain),
	}
}
