package operate

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ErrLocked says that another process has the node open.
var ErrLocked = errors.New("another comity process has this data directory open")

// Lock holds a data directory for one process. The kernel drops it with the
// process, so a crash leaves nothing to clean.
type Lock struct{ f *os.File }

// TakeLock takes the lock of a data directory without waiting, or returns ErrLocked.
func TakeLock(l Layout) (*Lock, error) {
	f, err := os.OpenFile(l.Lock(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("open %s: %w", l.Dir, ErrLocked)
		}
		return nil, fmt.Errorf("lock %s: %w", l.Lock(), err)
	}
	return &Lock{f}, nil
}

// Release gives the directory back.
func (l *Lock) Release() error { return l.f.Close() }
