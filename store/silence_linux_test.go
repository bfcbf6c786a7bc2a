package store

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// A server that died without a word is given up within a minute.
func TestSilenceIsBounded(t *testing.T) {
	if testEngine != onPostgres {
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := readConnection(Secret("postgres://comity@" + l.Addr().String() + "/comity"))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := c.DialFunc(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string][2]int{
		"unacknowledged, ms": {unix.TCP_USER_TIMEOUT, 60_000}, "idle before a probe, s": {unix.TCP_KEEPIDLE, 30},
		"between probes, s": {unix.TCP_KEEPINTVL, 10}, "probes": {unix.TCP_KEEPCNT, 3},
	} {
		have, err := 0, error(nil)
		if e := raw.Control(func(fd uintptr) { have, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, o[0]) }); e != nil || err != nil {
			t.Fatal(e, err)
		}
		if have != o[1] {
			t.Errorf("%s: %d, want %d", name, have, o[1])
		}
	}
}
