package gateway

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// Offload lets the kernel hand over a run of packets of one sender in one call,
// as it does with TCP (UDP_GRO, Linux 5.0). For a large parcel most of QUIC's
// time goes into system calls, one for each packet of 1.2 kB. What is no UDP
// socket, or a kernel that does not know this, comes back as it is.
func Offload(conn net.PacketConn) net.PacketConn {
	udp, ok := conn.(*net.UDPConn)
	if !ok {
		return conn
	}
	raw, err := udp.SyscallConn()
	if err != nil {
		return conn
	}
	var refused error
	err = raw.Control(func(fd uintptr) { refused = unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_GRO, 1) })
	if errors.Join(err, refused) != nil {
		return conn
	}
	return &runConn{UDPConn: udp, run: make([]byte, maxRun), oob: make([]byte, maxOOB)}
}

const (
	maxRun = 64 << 10 // the longest run, as the longest datagram
	maxOOB = 256      // more than the kernel's words about one run
)

// runConn is a socket that takes packets apart which came as one run. Apart from
// ReadBatch, which QUIC calls from one goroutine, it is the socket itself.
type runConn struct {
	*net.UDPConn
	run, oob []byte // buffers

	rest   []byte // of run, not handed on yet
	size   int    // of each packet in it but the last
	words  []byte // of oob: what the kernel says about each
	sender netip.AddrPort
	addr   *net.UDPAddr // sender again; others only read it
}

// ReadBatch hands on at least one packet and at most one for each message. It
// must not return none without an error: QUIC would take that for a packet.
func (c *runConn) ReadBatch(messages []ipv4.Message, _ int) (n int, err error) {
	for len(c.rest) == 0 { // an empty datagram is no packet
		if err := c.read(); err != nil {
			return 0, err
		}
	}
	for n < len(messages) && len(c.rest) > 0 {
		packet := c.rest[:min(c.size, len(c.rest))]
		c.rest = c.rest[len(packet):]
		m := &messages[n]
		m.N, m.NN = copy(m.Buffers[0], packet), copy(m.OOB, c.words)
		m.Addr, m.Flags = c.addr, 0
		n++
	}
	return n, nil
}

// read reads the next run.
func (c *runConn) read() error {
	n, words, _, sender, err := c.ReadMsgUDPAddrPort(c.run, c.oob)
	if err != nil {
		return err
	}
	if c.addr == nil || sender != c.sender {
		c.sender, c.addr = sender, net.UDPAddrFromAddrPort(sender)
	}
	c.rest, c.size, c.words = c.run[:n], n, c.oob[:words]
	for left := c.words; len(left) > 0; {
		head, body, others, err := unix.ParseOneSocketControlMessage(left)
		if err != nil {
			return nil //nolint:nilerr // QUIC reads the same words and reports it
		}
		if head.Level == unix.SOL_UDP && head.Type == unix.UDP_GRO {
			if size := packetSize(body); size > 0 {
				c.size = size
			}
		}
		left = others
	}
	return nil
}

// packetSize reads the kernel's int, or its first half, which older ones sent.
func packetSize(body []byte) int {
	switch {
	case len(body) >= 4:
		return int(binary.NativeEndian.Uint32(body))
	case len(body) >= 2:
		return int(binary.NativeEndian.Uint16(body))
	}
	return 0
}
