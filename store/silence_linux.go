package store

import (
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// boundSilence ends a TCP connection whose bytes nobody acknowledges: by itself,
// the kernel tries for a quarter of an hour.
func boundSilence(network, _ string, c syscall.RawConn) error {
	if !strings.HasPrefix(network, "tcp") {
		return nil
	}
	var err error
	if e := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(silencePatience.Milliseconds()))
	}); e != nil {
		return e
	}
	return err
}
