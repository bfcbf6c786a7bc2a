package gateway

import (
	"bytes"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// offloaded returns a socket with offload and one that sends to it in packets of
// size bytes, however much is written at once. It skips where the kernel cannot.
func offloaded(t *testing.T, size int) (*runConn, *net.UDPConn) {
	t.Helper()
	local := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}
	to, err := net.ListenUDP("udp4", local)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { to.Close() })
	if err := to.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	from, err := net.DialUDP("udp4", local, to.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { from.Close() })
	conn, ok := Offload(to).(*runConn)
	raw, err := from.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) {
			ok = ok && unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT, size) == nil
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		if os.Getenv("CI") != "" {
			t.Fatal("this kernel does not hand over packets in runs")
		}
		t.Skip("this kernel does not hand over packets in runs")
	}
	return conn, from
}

// batch makes messages as QUIC does.
func batch(n int) []ipv4.Message {
	all := make([]ipv4.Message, n)
	for i := range all {
		all[i] = ipv4.Message{Buffers: [][]byte{make([]byte, 1452)}, OOB: make([]byte, 128)}
	}
	return all
}

func TestRunsAreTakenApart(t *testing.T) {
	t.Parallel()
	const size, count = 1200, 20
	conn, from := offloaded(t, size)
	sent := make([]byte, count*size+77) // the last packet is shorter
	for i := range sent {
		sent[i] = byte(i / 7)
	}
	if _, err := from.Write(sent); err != nil {
		t.Fatal(err)
	}
	var got []byte
	for packets, calls := 0, 0; packets <= count; calls++ {
		messages := batch(8)
		n, err := conn.ReadBatch(messages, 0)
		if err != nil || n == 0 {
			t.Fatalf("ReadBatch after %d packets: %d, %v", packets, n, err)
		}
		for _, m := range messages[:n] {
			want := size
			if packets == count {
				want = 77
			}
			if m.N != want || m.Addr.String() != from.LocalAddr().String() {
				t.Fatalf("packet %d has %d bytes from %s, want %d from %s", packets, m.N, m.Addr, want, from.LocalAddr())
			}
			got = append(got, m.Buffers[0][:m.N]...)
			packets++
		}
	}
	if !bytes.Equal(got, sent) {
		t.Error("the packets do not make what was sent")
	}
}

// An empty datagram, which anybody can send, must not come out as no packet
// without an error.
func TestEmptyDatagramsArePassedOver(t *testing.T) {
	t.Parallel()
	conn, from := offloaded(t, 1200)
	for _, data := range []string{"", "", "packet"} {
		if _, err := from.Write([]byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	messages := batch(8)
	if n, err := conn.ReadBatch(messages, 0); n != 1 || err != nil || string(messages[0].Buffers[0][:messages[0].N]) != "packet" {
		t.Errorf("ReadBatch: %d packets, %v", n, err)
	}
}

func TestOffloadLeavesOtherSocketsAlone(t *testing.T) {
	t.Parallel()
	other := struct{ net.PacketConn }{}
	if got := Offload(other); got != net.PacketConn(other) {
		t.Errorf("Offload made %T of a socket that is not the kernel's", got)
	}
}
