package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"comity/crypto/pgp"
	"comity/node/operate"
	"comity/protocol"
	"comity/protocol/bundle"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/parcel"
	"comity/protocol/record"
)

// newNode creates a node of a state that hosts authorities, in a new directory.
func newNode(t *testing.T, state string, authorities ...protocol.AuthorityID) (string, *record.State) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), state)
	plan := operate.Plan{
		Dir: dir, Node: protocol.NodeID(state), StateName: []record.Name{{Language: "en", Text: "State " + state}},
		Listen: "127.0.0.1:7443", Endpoints: []string{"127.0.0.1:7443"}, Algorithm: pgp.Ed25519, Now: time.Now(),
	}
	for _, id := range authorities {
		plan.Authorities = append(plan.Authorities, operate.PlannedAuthority{
			ID: id, Name: []record.Name{{Language: "en", Text: "The " + id.Name()}},
		})
	}
	own, err := operate.Create(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	return dir, own
}

func dial(t *testing.T, dir string) *Client {
	t.Helper()
	c, err := Dial(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// pinned returns a client of a node of xa that has pinned xb.
func pinned(t *testing.T) *Client {
	t.Helper()
	dir, _ := newNode(t, "xa", "xa/central-authority")
	_, other := newNode(t, "xb", "xb/prosecution-service")
	c := dial(t, dir)
	pin(t, c, other)
	return c
}

func pin(t *testing.T, c *Client, other *record.State) {
	t.Helper()
	file, err := record.EncodeIntroduction(other.Signed())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Pin(t.Context(), file, strings.Join(other.Words(), " ")); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func draft(paths ...string) Draft {
	d := Draft{To: []protocol.AuthorityID{"xb/prosecution-service"}, Kind: parcel.KindRequest}
	for _, p := range paths {
		d.Files = append(d.Files, Source{Path: p})
	}
	return d
}

func send(t *testing.T, c *Client, d Draft) *Sent {
	t.Helper()
	sent, err := c.Send(t.Context(), d, nil)
	if err != nil {
		t.Fatal(err)
	}
	return sent
}

// wantCode checks the code, and that people read a sentence.
func wantCode(t *testing.T, what string, err error, want Code) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Code != want || e.Message == "" {
		t.Errorf("%s: got %v (code %q), want code %q", what, err, CodeOf(err), want)
	}
}

func TestAnEmptyDirectoryIsNoNodeAndStaysEmpty(t *testing.T) {
	dir := t.TempDir()
	_, err := Dial(t.Context(), dir)
	wantCode(t, "an empty directory", err, NoNode)
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("the directory has %d entries, error %v; want it as it was", len(entries), err)
	}
}

func TestStatusOfANodeThatDoesNotRun(t *testing.T) {
	dir, own := newNode(t, "xa", "xa/central-authority", "xa/court-of-appeal")
	got, err := dial(t, dir).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := &Status{
		Node: "xa", State: "xa", Name: "State xa", Listen: "127.0.0.1:7443", Endpoints: []string{"127.0.0.1:7443"},
		Authorities: []Authority{{"xa/central-authority", "The central-authority"}, {"xa/court-of-appeal", "The court-of-appeal"}},
		Record:      1, Until: own.Record().Valid.Until, Log: "comity/log/xa/1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// R-REC-4: no record counts before its words were compared.
func TestPinNeedsTheWordsOrTheDigits(t *testing.T) {
	dir, own := newNode(t, "xa", "xa/central-authority")
	_, other := newNode(t, "xb", "xb/prosecution-service")
	c := dial(t, dir)
	file, err := record.EncodeIntroduction(other.Signed())
	if err != nil {
		t.Fatal(err)
	}
	right := strings.Join(other.Words(), " ")
	for _, heard := range []string{"", "yes", strings.Join(own.Words(), " "), strings.Join(other.Words()[:11], " "), right + " more", own.Digits()} {
		_, err := c.Pin(t.Context(), file, heard)
		wantCode(t, "heard "+heard, err, NotEqual)
	}
	if peers, err := c.Peers(t.Context()); err != nil || len(peers) != 0 {
		t.Fatalf("peers after wrong words: %v, %v", peers, err)
	}
	for i, heard := range []string{
		right, strings.ToUpper(right), "  " + strings.Join(other.Words(), "\n\t") + "\n", other.Digits(), strings.ReplaceAll(other.Digits(), " ", ""),
	} {
		done, err := c.Pin(t.Context(), file, heard)
		if err != nil {
			t.Fatalf("heard %q: %v", heard, err)
		}
		want := &Pinned{State: "xb", Node: "xb", Sequence: 1}
		if i > 0 {
			want.Before, want.Already = 1, true
		}
		if diff := cmp.Diff(want, done); diff != "" {
			t.Errorf("heard %q:\n%s", heard, diff)
		}
	}
	mine, err := record.EncodeIntroduction(own.Signed())
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Pin(t.Context(), mine, strings.Join(own.Words(), " "))
	wantCode(t, "one's own introduction", err, Usage)
	_, err = c.Pin(t.Context(), []byte("hello"), right)
	wantCode(t, "no introduction", err, Code(protocol.Malformed))
}

func TestAParcelIsQueuedWhileNoNodeRuns(t *testing.T) {
	c := pinned(t)
	var stages []string
	sent, err := c.Send(t.Context(), draft(write(t, "request.txt", "We request."), write(t, "empty.txt", "")), func(p Progress) error {
		if len(stages) == 0 || stages[len(stages)-1] != p.Stage {
			stages = append(stages, p.Stage)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if sent.Running || sent.Delayed != "" || !c.Local() {
		t.Errorf("sent %+v, local %v: want it queued by a client that runs no network", sent, c.Local())
	}
	if diff := cmp.Diff([]string{"hash", "seal"}, stages); diff != "" {
		t.Errorf("stages:\n%s", diff)
	}
	list, err := c.Sent(t.Context(), "", 0)
	if err != nil || len(list.Parcels) != 1 || list.Parcels[0].Parcel != sent.Parcel || list.Parcels[0].FileCount != 2 {
		t.Fatalf("sent list %+v, %v", list, err)
	}
	if got := list.Parcels[0].Transmissions; len(got) != 1 || got[0].Status != exchange.StatusQueued {
		t.Errorf("transmissions %+v, want one that is queued", got)
	}
	if inbox, err := c.Inbox(t.Context(), "", false, 0); err != nil || len(inbox.Parcels) != 0 {
		t.Errorf("inbox %+v, %v", inbox, err)
	}
	one, err := c.Parcel(t.Context(), "", string(sent.Parcel))
	if err != nil {
		t.Fatal(err)
	}
	if got := one.Transmissions[0].Evidence; len(got) != 1 || got[0].Event != evidence.SubmissionAcceptance || !got[0].Proof {
		t.Errorf("evidence %+v, want one SubmissionAcceptance with its proof", got)
	}
	if got := one.Files; len(got) != 2 || got[0].Name != "request.txt" || got[1].Number != 2 || got[1].Size != 0 {
		t.Errorf("files %+v", got)
	}
}

func TestOpenStreamsOneFile(t *testing.T) {
	c := pinned(t)
	large := strings.Repeat("0123456789abcdef", 1<<17) // 2 MiB
	sent := send(t, c, draft(write(t, "طلب 😀.txt", "first"), write(t, "large.bin", large)))
	for n, want := range map[int]string{1: "first", 2: large} {
		file, content, err := c.Open(t.Context(), "", string(sent.Parcel), n)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(content)
		if err = errors.Join(err, content.Close()); err != nil || string(got) != want || file.Size != int64(len(want)) || file.Digest != protocol.Sum(got) {
			t.Errorf("file %d: %d bytes, view %+v, error %v", n, len(got), file, err)
		}
		if n == 1 && file.Name != "طلب 😀.txt" {
			t.Errorf("file 1 is called %q", file.Name)
		}
	}
	for _, n := range []int{-1, 0, 3} {
		_, _, err := c.Open(t.Context(), "", string(sent.Parcel), n)
		wantCode(t, "a file that is not there", err, NotFound)
	}
}

func TestAParcelMayBeAbbreviated(t *testing.T) {
	c := pinned(t)
	file := write(t, "request.txt", "We request.")
	one, two := string(send(t, c, draft(file)).Parcel), string(send(t, c, draft(file)).Parcel)
	for _, ref := range []string{one, strings.ToUpper(one), one[len(one)-6:], one[len(one)-13:], one[:len(one)-1], strings.ReplaceAll(one, "-", "")} {
		got, err := c.Parcel(t.Context(), "", ref)
		if err != nil || string(got.Parcel) != one {
			t.Errorf("%q: %+v, %v; want parcel %s", ref, got, err, one)
		}
	}
	_, err := c.Parcel(t.Context(), "", one[:6])
	wantCode(t, "the time that both begin with ("+two+")", err, Ambiguous)
	for ref, want := range map[string]Code{"": Usage, "01a2": Usage, "01-a2-0": Usage, "../../etc": Usage, "ffffffffff": NotFound, "019ab0f2-7c00-7e4d-8a55-3d5e0c2f9a01": NotFound} {
		_, err := c.Parcel(t.Context(), "", ref)
		wantCode(t, ref, err, want)
	}
}

func TestErrorsHaveACodeOnBothSidesOfThePipe(t *testing.T) {
	c := pinned(t)
	file := write(t, "request.txt", "We request.")
	to := func(id protocol.AuthorityID) Draft {
		d := draft(file)
		d.To = []protocol.AuthorityID{id}
		return d
	}
	for what, d := range map[string]Draft{"unpinned": to("xq/nobody"), "unknown": to("xb/nobody")} {
		_, err := c.Send(t.Context(), d, nil)
		wantCode(t, what, err, Code(protocol.UnknownRecipient))
	}
	_, err := c.Send(t.Context(), draft(filepath.Join(t.TempDir(), "missing.pdf")), nil)
	wantCode(t, "a missing file", err, NotFound)
	_, err = c.Send(t.Context(), draft(t.TempDir()), nil)
	wantCode(t, "a folder", err, Failed)
	d := draft(file)
	d.As = "nobody"
	_, err = c.Send(t.Context(), d, nil)
	wantCode(t, "another authority", err, Usage)
	_, err = c.Ping(t.Context(), "xb")
	wantCode(t, "ping while nothing runs", err, NotRunning)
	_, err = c.Ping(t.Context(), "xq")
	wantCode(t, "ping a stranger", err, NotPinned)
	_, err = call[Status](t.Context(), c, "/v1/status", map[string]int{"surprise": 1})
	wantCode(t, "a request of another version", err, Usage)
	_, err = call[Status](t.Context(), c, "/v2/status", nothing{})
	wantCode(t, "an operation of another version", err, Failed)
	sent := send(t, c, draft(file))
	_, err = c.Follow(t.Context(), "", string(sent.Parcel), exchange.StatusDelivered, nil)
	wantCode(t, "wait while nothing runs", err, NotRunning)
	_, err = c.Follow(t.Context(), "", string(sent.Parcel), "read", nil)
	wantCode(t, "wait for no status", err, Usage)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.Status(ctx)
	wantCode(t, "a caller who gave up", err, Interrupted)
}

func TestExportAndLogCheck(t *testing.T) {
	c := pinned(t)
	sent := send(t, c, draft(write(t, "request.txt", "We request.")))
	out := filepath.Join(t.TempDir(), "out")
	if _, err := c.Export(t.Context(), "", string(sent.Parcel), out); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"parcel.age", "envelope.json", "envelope.json.asc", "evidence-SubmissionAcceptance.tlog-proof"} {
		if info, err := os.Stat(filepath.Join(out, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	report, err := c.CheckLog(t.Context())
	if err != nil || report.Leaves != 3 || report.Evidence != 1 || report.Records != 2 {
		t.Errorf("log report %+v, %v; want two records and one evidence", report, err)
	}
}

// serving runs the socket over an open node, as serve does but for the network.
func serving(t *testing.T, dir string) (stop func()) {
	t.Helper()
	node, err := Open(t.Context(), dir, operate.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server, err := Listen(node, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx) }()
	return func() {
		cancel()
		if err := errors.Join(<-done, node.Close()); err != nil {
			t.Error(err)
		}
	}
}

func TestASocketAnswersWhileTheDirectoryIsLocked(t *testing.T) {
	dir, _ := newNode(t, "xa", "xa/central-authority")
	l := operate.Layout{Dir: dir}
	if Running(t.Context(), dir) {
		t.Error("a node that was never started runs")
	}
	// What a node that was killed leaves behind.
	if err := os.WriteFile(l.Socket(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	stop := serving(t, dir)
	info, err := os.Stat(l.Socket())
	if err != nil || info.Mode().Perm() != 0o600 || info.Mode().Type() != os.ModeSocket {
		t.Errorf("socket %v, %v; want mode 0600", info, err)
	}
	c, err := Dial(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if st, err := c.Status(t.Context()); err != nil || !st.Running || c.Local() {
		t.Errorf("status %+v, %v, local %v", st, err, c.Local())
	}
	_, err = c.Parcel(t.Context(), "", "0123456789")
	wantCode(t, "an error across the socket", err, NotFound)
	stop()
	if _, err := os.Stat(l.Socket()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
	_, err = c.Status(t.Context())
	wantCode(t, "a node that has stopped", err, Interrupted)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// Waiting requests end when the node stops; otherwise it could not be closed.
func TestFollowEndsWithTheNode(t *testing.T) {
	dir, _ := newNode(t, "xa", "xa/central-authority")
	_, other := newNode(t, "xb", "xb/prosecution-service")
	stop := serving(t, dir)
	c := dial(t, dir)
	pin(t, c, other)
	sent := send(t, c, draft(write(t, "request.txt", "We request.")))
	first := make(chan Evidence, 1)
	ended := make(chan error, 1)
	go func() {
		_, err := c.Follow(t.Context(), "", string(sent.Parcel), exchange.StatusDelivered, func(e Evidence) error {
			first <- e
			return nil
		})
		ended <- err
	}()
	if e := <-first; e.Event != evidence.SubmissionAcceptance {
		t.Errorf("first evidence %+v", e)
	}
	stop()
	wantCode(t, "follow", <-ended, Interrupted)
}

// What is taken out of a running node, the command writes: the process of the node may
// have other rights, or be confined to its directory.
func TestARunningNodeWritesNothingForACommand(t *testing.T) {
	dir, _ := newNode(t, "xa", "xa/central-authority")
	_, other := newNode(t, "xb", "xb/prosecution-service")
	stop := serving(t, dir)
	defer stop()
	c := dial(t, dir)
	pin(t, c, other)
	id := string(send(t, c, draft(write(t, "request.txt", "We request."))).Parcel)
	folder := t.TempDir()
	asked := BundleRequest{Parcel: id, Path: filepath.Join(folder, "evidence.tar"), Language: bundle.English, Offset: bundle.UTC}
	for path, in := range map[string]any{
		"/v1/bundle": asked, "/v1/export": exportRequest{parcelRequest{Parcel: id}, filepath.Join(folder, "out")},
	} {
		var taken bytes.Buffer
		_, err := take[json.RawMessage](t.Context(), c, path, in, func(r io.Reader) error { _, err := io.Copy(&taken, r); return err })
		if err != nil || taken.Len() < 1<<10 {
			t.Errorf("%s hands out %d bytes, %v", path, taken.Len(), err)
		}
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("the node wrote %v, %v", left, err)
	}
	b, err := c.Bundle(t.Context(), asked)
	if err != nil {
		t.Fatal(err)
	}
	if file, err := os.ReadFile(asked.Path); err != nil || int64(len(file)) != b.Bytes {
		t.Errorf("the bundle has %d bytes, want %d: %v", len(file), b.Bytes, err)
	}
	if _, err := c.Export(t.Context(), "", id, filepath.Join(folder, "out")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(folder, "out", "trust", "xb-record.json")); err != nil {
		t.Error(err)
	}
}

func TestASocketWithALongPath(t *testing.T) {
	dir, _ := newNode(t, "xa", "xa/central-authority")
	long := filepath.Join(t.TempDir(), strings.Repeat("long/", 30)+"xa")
	if err := os.MkdirAll(filepath.Dir(long), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir, long); err != nil {
		t.Fatal(err)
	}
	stop := serving(t, long)
	defer stop()
	if st, err := dial(t, long).Status(t.Context()); err != nil || !st.Running {
		t.Errorf("status %+v, %v", st, err)
	}
}

func TestNoSocketInADirectoryThatOthersCanEnter(t *testing.T) {
	dir, _ := newNode(t, "xa", "xa/central-authority")
	node, err := Open(t.Context(), dir, operate.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	_, err = Listen(node, slog.New(slog.DiscardHandler))
	wantCode(t, "an open directory", err, Failed)
}

// R-XCH-5: a test parcel has no place in what officers see.
func TestTestParcelsAreInNoList(t *testing.T) {
	c := pinned(t)
	d := draft(write(t, "test.txt", "A test."))
	d.Kind, d.Test = parcel.KindConformanceTest, true
	sent := send(t, c, d)
	if list, err := c.Sent(t.Context(), "", 0); err != nil || len(list.Parcels) != 0 {
		t.Errorf("sent list %+v, %v", list, err)
	}
	peers, err := c.Peers(t.Context())
	if err != nil || len(peers) != 1 || peers[0].Waiting != 0 {
		t.Errorf("peers %+v, %v: want nothing waiting", peers, err)
	}
	// Who knows its id may still look at it.
	if one, err := c.Parcel(t.Context(), "", string(sent.Parcel)); err != nil || !one.Test {
		t.Errorf("parcel %+v, %v", one, err)
	}
}

func TestListsAreCutAtTheirLimit(t *testing.T) {
	c := pinned(t)
	file := write(t, "request.txt", "We request.")
	var newest protocol.ParcelID
	for range 3 {
		newest = send(t, c, draft(file)).Parcel
	}
	list, err := c.Sent(t.Context(), "xa/central-authority", 2)
	if err != nil || len(list.Parcels) != 2 || !list.More || list.Parcels[0].Parcel != newest {
		t.Errorf("list %+v, %v; want two of three, the newest first", list, err)
	}
}

func TestDoctorOfANodeThatDoesNotRun(t *testing.T) {
	dir, _ := newNode(t, "xa", "xa/central-authority")
	now := time.Now()
	verdicts := func(checks []Check) map[string]Verdict {
		got := map[string]Verdict{}
		for _, c := range checks {
			if got[c.Name] == "" || c.Verdict != OK {
				got[c.Name] = c.Verdict
			}
			if c.Verdict != OK && c.Do == "" {
				t.Errorf("%s is %s and does not say what to do", c.Name, c.Verdict)
			}
		}
		return got
	}
	want := map[string]Verdict{"files": OK, "offline keys": Warn, "disk": OK, "configuration": OK, "key files": OK, "record": OK, "keys": OK}
	if diff := cmp.Diff(want, verdicts(Examine(dir, now))); diff != "" {
		t.Error(diff)
	}
	if err := os.RemoveAll(operate.Layout{Dir: dir}.Offline()); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "node", "node.key"), 0o640); err != nil {
		t.Fatal(err)
	}
	want["offline keys"], want["files"], want["record"], want["keys"] = OK, Fail, Warn, Warn
	if diff := cmp.Diff(want, verdicts(Examine(dir, now.Add(340*24*time.Hour)))); diff != "" {
		t.Error(diff)
	}
	want["record"], want["keys"] = Fail, Fail
	if diff := cmp.Diff(want, verdicts(Examine(dir, now.Add(400*24*time.Hour)))); diff != "" {
		t.Error(diff)
	}
	if err := os.Chmod(filepath.Join(dir, "node", "node.key"), 0o600); err != nil {
		t.Fatal(err)
	}
	var checks []Check
	c := dial(t, dir)
	err := c.Doctor(t.Context(), "", []protocol.NodeID{"xb"}, func(one Check) error {
		checks = append(checks, one)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	wantOpen := map[string]Verdict{"separation": OK, "signing": OK, "database": OK, "log": OK, "node": Warn, "peers": Warn, "probe xb": Fail}
	if diff := cmp.Diff(wantOpen, verdicts(checks)); diff != "" {
		t.Error(diff)
	}
}

func TestViewsInAHeaderAreASCII(t *testing.T) {
	got := asciiJSON(File{Name: "ملحق é 😀 \"quoted\""})
	if bytes.ContainsFunc(got, func(c rune) bool { return c > 0x7e || c < ' ' }) {
		t.Errorf("not ASCII: %q", got)
	}
}
