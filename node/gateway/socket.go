package gateway

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// Listen opens the two sockets of a node on one address: UDP, and TCP with the
// same port number (R-TCP-1). A port of 0 takes one that is free for both.
func Listen(address string) (net.PacketConn, net.Listener, error) {
	const attempts = 100 // a port that is free for UDP is rarely taken for TCP
	for attempt := 1; ; attempt++ {
		udp, err := net.ListenPacket("udp", address)
		if err != nil {
			return nil, nil, err
		}
		tcp, err := listenBeside(udp, address)
		if err == nil {
			return udp, tcp, nil
		}
		_, port, _ := net.SplitHostPort(address)
		if udp.Close(); port != "0" || !errors.Is(err, syscall.EADDRINUSE) || attempt == attempts {
			return nil, nil, err
		}
	}
}

// listenBeside listens on the TCP port of the number that a UDP socket has.
func listenBeside(udp net.PacketConn, address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	own, ok := udp.LocalAddr().(*net.UDPAddr)
	if !ok {
		return nil, fmt.Errorf("listen on %s: not UDP", udp.LocalAddr())
	}
	return net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(own.Port)))
}
