//go:build linux

package bench

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"comity/crypto/keys"
	"comity/node/gateway"
	"comity/testnet/local"
)

// piece is how much the bare streams write and read at a time, as the gateway does.
const piece = 256 << 10

// hashing returns the speed of SHA-256 on one core.
func hashing(bytes int64) float64 {
	buf := make([]byte, piece)
	sum := sha256.New()
	begin := time.Now()
	for done := int64(0); done < bytes; done += piece {
		sum.Write(buf)
	}
	return perSecond(bytes, time.Since(begin))
}

// syncing returns how many appends of 4 KiB become durable per second, one by
// one, on the disk under dir.
func syncing(dir string, count int) (float64, error) {
	f, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	buf := make([]byte, 4<<10)
	begin := time.Now()
	for range count {
		if _, err := f.Write(buf); err != nil {
			return 0, err
		}
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			return 0, err
		}
	}
	return float64(count) / time.Since(begin).Seconds(), nil
}

// writing returns how fast a file is written and made durable.
func writing(dir string, bytes int64) (float64, error) {
	f, err := os.Create(filepath.Join(dir, "write"))
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	buf := make([]byte, piece)
	begin := time.Now()
	for done := int64(0); done < bytes; done += piece {
		if _, err := f.Write(buf); err != nil {
			return 0, err
		}
	}
	if err := f.Sync(); err != nil {
		return 0, err
	}
	return perSecond(bytes, time.Since(begin)), nil
}

// sinkVariable, when set, makes the test binary be the sink: the process at the
// other end of the bare streams.
const sinkVariable = "COMITY_BENCH_SINK"

// MainIsSink reports whether this process was started as the sink; it then runs
// until it is killed. Call it first in TestMain.
func MainIsSink() bool {
	if os.Getenv(sinkVariable) == "" {
		return false
	}
	if err := runSink(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return true
}

// runSink takes bodies and throws them away. It says its address on standard output.
func runSink() error {
	config, err := bareTLS()
	if err != nil {
		return err
	}
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	listener, err := (&quic.Transport{Conn: gateway.Offload(conn)}).ListenEarly(http3.ConfigureTLSConfig(config), bareQUIC())
	if err != nil {
		return err
	}
	fmt.Printf("%s%s\n", sinkReady, conn.LocalAddr())
	server := &http3.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		buf := make([]byte, piece)
		var total int64
		for {
			n, err := r.Body.Read(buf)
			total += int64(n)
			if err == io.EOF {
				break
			} else if err != nil {
				return
			}
		}
		fmt.Fprint(w, total)
	})}
	return server.ServeListener(listener)
}

const sinkReady = "the sink listens on "

// startSink starts the sink and returns its address.
func startSink(tb testing.TB) (*local.Process, string) {
	tb.Helper()
	log := filepath.Join(tb.TempDir(), "sink.log")
	p := local.Start(tb, log, "env", sinkVariable+"=1", os.Args[0])
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) && !p.Ended() {
		if _, after, ok := strings.Cut(p.Output(), sinkReady); ok && strings.HasSuffix(after, "\n") {
			return p, strings.TrimSpace(after)
		}
		time.Sleep(10 * time.Millisecond)
	}
	tb.Fatalf("the sink did not start: %s", p.Output())
	return nil, ""
}

// bareQUIC has the windows of the gateway, as the sockets have its offload, so
// that only the work differs.
func bareQUIC() *quic.Config {
	return &quic.Config{
		InitialStreamReceiveWindow:     1 << 20,
		MaxStreamReceiveWindow:         8 << 20,
		InitialConnectionReceiveWindow: 2 << 20,
		MaxConnectionReceiveWindow:     16 << 20,
	}
}

// bareTLS is post-quantum TLS 1.3 with a key of its own that nobody checks:
// the sink is a process of this run on loopback.
func bareTLS() (*tls.Config, error) {
	pem, err := keys.GenerateTLS("bench", time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour))
	if err != nil {
		return nil, err
	}
	cert, err := keys.ParseTLS(pem)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		Certificates:       []tls.Certificate{cert},
		InsecureSkipVerify: true,
		NextProtos:         []string{http3.NextProtoH3},
		CurvePreferences:   []tls.CurveID{tls.X25519MLKEM768},
	}, nil
}

// bareStream sends bytes to the sink over HTTP/3 on a fresh connection and
// returns the speed. send does it on the connection.
func bareStream(ctx context.Context, address string, bytes int64, send func(context.Context, *http3.ClientConn, int64) (*http.Response, error)) (float64, error) {
	config, err := bareTLS()
	if err != nil {
		return 0, err
	}
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	transport := &quic.Transport{Conn: gateway.Offload(conn)}
	defer transport.Close()
	addr, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return 0, err
	}
	q, err := transport.Dial(ctx, addr, config, bareQUIC())
	if err != nil {
		return 0, fmt.Errorf("dial the sink: %w", err)
	}
	defer func() { _ = q.CloseWithError(0, "") }()
	client := (&http3.Transport{}).NewClientConn(q)
	begin := time.Now()
	resp, err := send(ctx, client, bytes)
	if err != nil {
		return 0, fmt.Errorf("send to the sink: %w", err)
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(bufio.NewReader(resp.Body))
	took := time.Since(begin)
	if err != nil {
		return 0, fmt.Errorf("read the sink's answer: %w", err)
	}
	if string(said) != fmt.Sprint(bytes) {
		return 0, fmt.Errorf("the sink got %q bytes of %d", said, bytes)
	}
	return perSecond(bytes, took), nil
}

// zeros is a body; its content does not matter.
func zeros(n int64) io.Reader { return io.LimitReader(zeroReader{}, n) }

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) { return len(p), nil }

// byClient sends as http.Client does, which copies the body in pieces of 8 KiB.
func byClient(ctx context.Context, c *http3.ClientConn, bytes int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, "https://sink/", zeros(bytes))
	if err != nil {
		return nil, err
	}
	req.ContentLength = bytes
	return (&http.Client{Transport: c}).Do(req)
}

// byLargeWrites sends in large pieces on a request stream. The method is one of
// our own, because for the known ones the library announces an empty body.
func byLargeWrites(ctx context.Context, c *http3.ClientConn, bytes int64) (*http.Response, error) {
	stream, err := c.OpenRequestStream(ctx)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, "POUR", "https://sink/", nil)
	if err != nil {
		return nil, err
	}
	if err := stream.SendRequestHeader(req); err != nil {
		return nil, err
	}
	buf := make([]byte, piece)
	for left := bytes; left > 0; {
		n, err := stream.Write(buf[:min(left, int64(len(buf)))])
		left -= int64(n)
		if err != nil {
			return nil, err
		}
	}
	if err := stream.Close(); err != nil {
		return nil, err
	}
	resp, err := stream.ReadResponse()
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	return resp, err
}
