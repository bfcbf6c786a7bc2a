package torchwood_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	_ "modernc.org/sqlite"

	"comity/crypto/keys"
	"comity/crypto/merkle"
	"comity/crypto/pgp"
	"comity/node/gateway"
	"comity/node/operate"
	"comity/protocol"
	"comity/protocol/record"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// history is a run of a log that a test makes up; with common leaves first.
type history struct{ hashes []merkle.Hash }

func newHistory(name string, common, size int64) *history {
	h := &history{}
	for i := range size {
		from := name
		if i < common {
			from = "common"
		}
		h.hashes = append(h.hashes, must(merkle.StoredHashes(i, merkle.Leaf(sha256.Sum256(fmt.Append(nil, from, i))), h))...)
	}
	return h
}

func (h *history) ReadHashes(indexes []int64) ([]merkle.Hash, error) {
	out := make([]merkle.Hash, len(indexes))
	for i, x := range indexes {
		out[i] = h.hashes[x]
	}
	return out, nil
}

// answer is what a witness says to a submission.
type answer struct {
	status int
	kind   string
	body   string
}

func post(client *http.Client, url string, body []byte) (answer, error) {
	resp, err := client.Post(url, "text/plain; charset=utf-8", bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header.Get("Content-Type"), string(text)}, err
}

// ours is a real node of state xb, and the log of state xa, which it has pinned.
func ours(t *testing.T) (ask func([]byte) answer, log *merkle.Signer, witness record.Keypair) {
	t.Helper()
	conn, tcp, err := gateway.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	create := func(id protocol.NodeID, endpoint string) string {
		dir := filepath.Join(t.TempDir(), string(id))
		name := []record.Name{{Language: "en", Text: "State " + string(id)}}
		_, err := operate.Create(t.Context(), operate.Plan{
			Dir: dir, Node: id, StateName: name, Listen: endpoint, Endpoints: []string{endpoint}, Algorithm: pgp.Ed25519, Now: time.Now(),
			Authorities: []operate.PlannedAuthority{{ID: protocol.AuthorityID(string(id) + "/central-authority"), Name: name}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return dir
	}
	dir := create("xb", tcp.Addr().String())
	caller := operate.Layout{Dir: create("xa", "127.0.0.1:1")}

	node, err := operate.Open(t.Context(), dir, operate.Options{Conn: conn, TCP: tcp})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- node.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-done, node.Close(), conn.Close()); err != nil {
			t.Error(err)
		}
	})
	if err := node.Gateway.Pin(t.Context(), must(operate.ReadRecord(caller))); err != nil {
		t.Fatal(err)
	}
	witness = must(operate.ReadRecord(operate.Layout{Dir: dir})).Record().Node.Witness
	log = must(merkle.ParseSigner(must(os.ReadFile(caller.NodeFile("log.key")))))

	transport := &http.Transport{Protocols: new(http.Protocols), TLSClientConfig: &tls.Config{
		Certificates:       []tls.Certificate{must(keys.ParseTLS(must(os.ReadFile(caller.NodeFile("tls.pem")))))},
		InsecureSkipVerify: true, NextProtos: []string{"h2"}, CurvePreferences: []tls.CurveID{tls.X25519MLKEM768},
	}}
	transport.Protocols.SetHTTP2(true)
	client := &http.Client{Transport: transport}
	t.Cleanup(transport.CloseIdleConnections)
	return func(body []byte) answer {
		t.Helper()
		a, err := post(client, "https://"+tcp.Addr().String()+"/v1/witness/add-checkpoint", body)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}, log, witness
}

// theirs is litewitness, which knows the log by its Ed25519 key.
func theirs(t *testing.T, log *merkle.Signer) (ask func([]byte) answer, verifierKey string) {
	t.Helper()
	dir := t.TempDir()
	tool := func(name string) string { return filepath.Join(dir, name) }
	build := exec.Command("go", "build", "-o", dir+"/", "filippo.io/torchwood/cmd/litewitness")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build litewitness: %v\n%s", err, out)
	}
	fingerprint, public := serveAgent(t, tool("agent.sock"))
	free := must(net.Listen("tcp", "127.0.0.1:0"))
	address := free.Addr().String()
	free.Close()
	run := exec.Command(tool("litewitness"), "-name", "litewitness.example", "-db", tool("litewitness.db"), "-ssh-agent", tool("agent.sock"), "-key", fingerprint, "-listen", address)
	var said bytes.Buffer
	run.Stderr = &said
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = run.Process.Kill()
		_ = run.Wait()
		if t.Failed() {
			t.Logf("litewitness said:\n%s", said.String())
		}
	})
	for late := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			break
		}
		if time.Now().After(late) {
			t.Fatalf("litewitness does not listen: %v", err)
		}
	}
	acquaint(t, tool("litewitness.db"), log)
	return func(body []byte) answer {
		t.Helper()
		a, err := post(http.DefaultClient, "http://"+address+"/add-checkpoint", body)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}, cosignatureKey("litewitness.example", public)
}

// acquaint makes litewitness know the log. Its own tool for that does not build here, for want of a module.
func acquaint(t *testing.T, path string, log *merkle.Signer) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	vkey, _ := log.VerifierKeys()
	empty := sha256.Sum256(nil)
	for _, row := range [][2]string{
		{`INSERT INTO log (origin, tree_size, tree_hash) VALUES (?, 0, ?)`, base64.StdEncoding.EncodeToString(empty[:])},
		{`INSERT INTO key (origin, key) VALUES (?, ?)`, vkey},
	} {
		if _, err := db.ExecContext(t.Context(), row[0], log.Origin(), row[1]); err != nil {
			t.Fatalf("%s: %v", row[0], err)
		}
	}
}

// serveAgent is an ssh-agent with one fresh key, from which litewitness signs.
func serveAgent(t *testing.T, socket string) (fingerprint string, public ed25519.PublicKey) {
	t.Helper()
	public, secret, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: secret}); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _ = agent.ServeAgent(ring, conn) }()
		}
	}()
	return ssh.FingerprintSHA256(must(ssh.NewPublicKey(public))), public
}

// cosignatureKey is the text of an Ed25519 cosigning key.
func cosignatureKey(name string, public ed25519.PublicKey) string {
	key := append([]byte{0x04}, public...)
	id := sha256.Sum256(append([]byte(name+"\n"), key...))
	return fmt.Sprintf("%s+%x+%s", name, id[:4], base64.StdEncoding.EncodeToString(key))
}

// The two witnesses answer the same submissions, one after the other, with the same statuses, and a 409 with the same text.
func TestStatusesOfTwoWitnesses(t *testing.T) {
	us, log, _ := ours(t)
	them, _ := theirs(t, log)
	honest, evil := newHistory("honest", 0, 100), newHistory("evil", 20, 100)
	submission := func(h *history, size, old int64) string {
		return string(merkle.Submission{
			Old: old, Proof: must(merkle.ProveConsistency(size, old, h)),
			Checkpoint: must(log.Checkpoint(size, must(merkle.Root(size, h)), time.Now())),
		}.Marshal())
	}
	stranger := must(merkle.GenerateLog("log.example/stranger"))
	impostor := must(merkle.GenerateLog(log.Origin()))
	good := submission(honest, 90, 80)
	empty := merkle.Hash(sha256.Sum256(nil))
	for _, step := range []struct{ what, body string }{
		{"nothing", ""},
		{"only a note", string(must(log.Checkpoint(0, empty, time.Now())))},
		{"a hash that is none", strings.Replace(submission(honest, 50, 30), "\n", "\nAAAA\n", 1)},
		{"an old size in words", strings.Replace(good, "old 80", "old eighty", 1)},
		{"smaller than its old size", strings.Replace(submission(honest, 50, 0), "old 0", "old 51", 1)},
		{"an unknown log", string(merkle.Submission{Checkpoint: must(stranger.Checkpoint(0, empty, time.Now()))}.Marshal())},
		{"a log of this name with other keys", string(merkle.Submission{Checkpoint: must(impostor.Checkpoint(0, empty, time.Now()))}.Marshal())},
		{"says that there was one", submission(honest, 50, 30)},
		{"the first", submission(honest, 50, 0)},
		{"growth", submission(honest, 80, 50)},
		{"stale", submission(honest, 90, 50)},
		{"from nothing", submission(honest, 90, 0)},
		{"the same again", submission(honest, 80, 80)},
		{"altered after it was signed", strings.Replace(good, "\n90\n", "\n91\n", 1)},
		{"a proof of too few hashes", "old 80\n" + good[len("old 80\n")+45:]},
		{"a fork after 20", submission(evil, 100, 80)},
		{"a fork of one size", submission(evil, 80, 80)},
	} {
		a, b := us([]byte(step.body)), them([]byte(step.body))
		if a.status != b.status {
			t.Errorf("%s: we answer %d %q, litewitness %d %q", step.what, a.status, a.body, b.status, b.body)
		}
		if a.status == http.StatusConflict && a != b {
			t.Errorf("%s: we answer %+v, litewitness %+v", step.what, a, b)
		}
		t.Logf("%-36s %d", step.what, a.status)
	}
}
