package keys

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// maxPassphraseFile is the size of the largest passphrase file that is read, in
// bytes, its line end included. Package seal judges what is in it.
const maxPassphraseFile = 2 << 10

// ReadPassphrase returns the line in a passphrase file, without the one line end
// that an editor leaves. Beyond what [Read] refuses it refuses a file of another
// user, who could have read it or could replace it. A missing one wraps
// [fs.ErrNotExist]. Errors never tell what is in the file.
func ReadPassphrase(path string) (string, error) { return readPassphrase(path, os.Geteuid()) }

// readPassphrase is ReadPassphrase by a user.
func readPassphrase(path string, reader int) (string, error) {
	return readLine(path, func(path string, info fs.FileInfo, limit int64) error {
		if owner, known := ownerOf(info); known && owner != reader {
			return fmt.Errorf("it belongs to user %d, not to the one that reads it (%d); make a file of one's own", owner, reader)
		}
		return checkFor("choose another passphrase")(path, info, limit)
	})
}

// ReadCredential is [ReadPassphrase] for a file that a service manager provides
// in a folder only for this service, as systemd does with credentials: root may
// own it and a group may read it, if that is how the manager lets us in.
func ReadCredential(path string) (string, error) { return readCredential(path, os.Geteuid()) }

// readCredential is ReadCredential by a user.
func readCredential(path string, reader int) (string, error) {
	return readLine(path, func(_ string, info fs.FileInfo, limit int64) error {
		owner, known := ownerOf(info)
		switch mode := info.Mode(); {
		case !mode.IsRegular():
			return errors.New("it is not a regular file")
		case known && owner != 0 && owner != reader:
			return fmt.Errorf("it belongs to user %d; want root, or the user that reads it", owner)
		case mode.Perm()&0o027 != 0:
			return fmt.Errorf("others may read or write it (mode %04o); let the service manager provide it", mode.Perm())
		case info.Size() == 0:
			return errors.New("it is empty")
		case info.Size() > limit:
			return fmt.Errorf("it has %d bytes, at most %d are read; is it the right file?", info.Size(), limit)
		}
		return nil
	})
}

func readLine(path string, check func(string, fs.FileInfo, int64) error) (string, error) {
	data, err := read(path, maxPassphraseFile, check)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("reading passphrase file %s: %w", path, absent{})
	} else if err != nil {
		return "", fmt.Errorf("reading passphrase file %s: %w", path, err)
	}
	line := bytes.TrimSuffix(data, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	if len(line) == 0 {
		return "", fmt.Errorf("reading passphrase file %s: it is empty", path)
	}
	return string(line), nil
}

// absent is fs.ErrNotExist in a sentence for people, without the system call.
type absent struct{}

func (absent) Error() string { return "there is no such file" }

func (absent) Is(target error) bool { return target == fs.ErrNotExist }

// ownerOf is the user that a file belongs to, where the system knows users by number.
func ownerOf(info fs.FileInfo) (uid int, known bool) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid), true
	}
	return 0, false
}
