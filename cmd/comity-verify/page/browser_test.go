package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// The page in Debian's Chromium, as an auditor opens it: from disk, with the network off.

const (
	vectors = "../../../protocol/vectors/"
	valid   = vectors + "bundle/valid.tar"
	flipped = vectors + "bundle/flipped.tar"
)

// chromium is the browser's path. In CI its absence is a failure, elsewhere a loud skip.
func chromium(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil && os.Getenv("CI") != "" {
		t.Fatal("the auditor's page is tested in Debian's Chromium, and CI must not skip it: make tools")
	}
	if err != nil {
		t.Skip("SKIPPED, NOTHING WAS PROVED: the auditor's page is tested in Debian's Chromium, which is not here: make tools")
	}
	return path
}

// visit is an open page and all that it asked for.
type visit struct {
	ctx      context.Context
	mu       sync.Mutex
	requests []string // guarded by mu
	troubles []string // exceptions and broken rules; guarded by mu
}

// open builds the page and opens it from disk with the network off.
func open(t *testing.T) *visit {
	t.Helper()
	browser := chromium(t)
	page, err := build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "comity-verify.html")
	if err := os.WriteFile(path, page, 0o600); err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:len(chromedp.DefaultExecAllocatorOptions):len(chromedp.DefaultExecAllocatorOptions)],
		chromedp.ExecPath(browser), chromedp.NoSandbox, chromedp.UserDataDir(filepath.Join(dir, "profile")), chromedp.WindowSize(1000, 900))
	ctx, stop := context.WithTimeout(t.Context(), 4*time.Minute)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	v := &visit{ctx: ctx}
	v.do(t, chromedp.Navigate("about:blank"))
	if err := chromedp.Listen(ctx, v.saw); err != nil {
		t.Fatal(err)
	}
	_, err = chromedp.Call(ctx, network.Enable, network.EnableParams{})
	if err == nil {
		_, err = chromedp.Call(ctx, runtime.Enable, cdp.Empty{})
	}
	if err != nil {
		t.Fatal(err)
	}
	v.offline(t, true)
	v.do(t, chromedp.Navigate((&url.URL{Scheme: "file", Path: path}).String()))
	return v
}

// conditions is the older of the protocol's commands that take the network away, and the one that every Chromium of these years has.
var conditions = cdp.Command[conditionsParams, cdp.Empty]{Method: "Network.emulateNetworkConditions"}

type conditionsParams struct {
	Offline            bool    `json:"offline"`
	Latency            float64 `json:"latency"`
	DownloadThroughput float64 `json:"downloadThroughput"`
	UploadThroughput   float64 `json:"uploadThroughput"`
}

func (v *visit) offline(t *testing.T, off bool) {
	t.Helper()
	if _, err := chromedp.Call(v.ctx, conditions, conditionsParams{Offline: off, DownloadThroughput: -1, UploadThroughput: -1}); err != nil {
		t.Fatal(err)
	}
}

// saw notes what the browser tells, in its order.
func (v *visit) saw(event any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		v.requests = append(v.requests, e.Request.URL)
	case *runtime.EventExceptionThrown:
		v.troubles = append(v.troubles, e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError {
			v.troubles = append(v.troubles, "console.error")
		}
	}
}

func (v *visit) do(t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(v.ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

func (v *visit) read(t *testing.T, expression string, o ...chromedp.EvaluateOption) string {
	t.Helper()
	text, err := chromedp.Run(v.ctx, chromedp.Evaluate[string](expression, o...))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return text
}

// check chooses the files, as a person does, and waits for the verdict.
func (v *visit) check(t *testing.T, bundle string, anchors ...string) (verdict, exit, report string) {
	t.Helper()
	path, err := filepath.Abs(bundle)
	if err != nil {
		t.Fatal(err)
	}
	v.do(t, chromedp.Evaluate[chromedp.Void](`document.querySelector("#no-anchors").click()`))
	if len(anchors) > 0 {
		v.do(t, chromedp.SetUploadFiles(chromedp.CSS("#anchors"), anchors))
	}
	v.do(t,
		chromedp.SetUploadFiles(chromedp.CSS("#bundle"), []string{path}),
		chromedp.Click(chromedp.CSS("#check")),
		chromedp.WaitVisible(chromedp.CSS("#verdict")))
	return v.read(t, `document.querySelector("#result").innerText`), v.read(t, `document.querySelector("#result").dataset.exit || "none"`),
		v.read(t, `document.querySelector("#result").dataset.json || ""`)
}

// held are the anchors of the vectors' two states, under the names that they must have.
func held(t *testing.T) (dir string, files []string) {
	t.Helper()
	dir = t.TempDir()
	for _, state := range []string{"xa", "xb"} {
		b, err := os.ReadFile(vectors + "exchange/introduction-" + state + ".json")
		path := filepath.Join(dir, state+".json")
		if err == nil {
			err = os.WriteFile(path, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, path)
	}
	return dir, files
}

// command is what comity-verify says of a bundle, with --json.
func command(t *testing.T, args ...string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "comity-verify")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, verifier).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out, _ := exec.CommandContext(t.Context(), program, append([]string{"--json"}, args...)...).Output() // the exit code is the page's to show, too
	return string(out)
}

// The file, opened from disk with the network off, says what the command says, refuses what it refuses, and asks for nothing.
func TestPageInABrowser(t *testing.T) {
	v := open(t)
	dir, anchors := held(t)

	verdict, exit, report := v.check(t, valid, anchors...)
	if want := command(t, "--trust", dir, valid); exit != "0" || report != want || !json.Valid([]byte(report)) {
		t.Errorf("with anchors it leaves %s and reports\n%s\nthe command reports\n%s", exit, report, want)
	}
	if !strings.HasPrefix(verdict, "VALID by your anchors") || !strings.Contains(verdict, "What this does not prove") {
		t.Errorf("with anchors it shows\n%s", verdict)
	}
	v.photograph(t, "valid")

	verdict, exit, report = v.check(t, valid)
	if want := command(t, valid); exit != "4" || report != want || !strings.HasPrefix(verdict, "CONSISTENT, identities unchecked") {
		t.Errorf("without anchors it leaves %s and shows\n%s\nreport\n%s\nthe command reports\n%s", exit, verdict, report, want)
	}
	v.photograph(t, "unchecked")

	verdict, exit, report = v.check(t, flipped, anchors...)
	if exit != "3" || report != "" || !strings.HasPrefix(verdict, "WRONG: do not believe this bundle") || !strings.Contains(verdict, "envelope.json") {
		t.Errorf("of an altered bundle it leaves %s and shows\n%s\n%s", exit, verdict, report)
	}
	v.photograph(t, "altered")

	// An anchor under another state's name is no anchor.
	swapped := filepath.Join(t.TempDir(), "xc.json")
	if b, err := os.ReadFile(anchors[0]); err != nil || os.WriteFile(swapped, b, 0o600) != nil {
		t.Fatal(err)
	}
	verdict, exit, _ = v.check(t, valid, swapped)
	if exit != "3" || !strings.Contains(verdict, "xc.json") || strings.Contains(verdict, "VALID") {
		t.Errorf("of a wrong anchor it leaves %s and shows\n%s", exit, verdict)
	}

	// Stolen keys of a log and a witness, as the auditor's anchors tell of them.
	knowing := t.TempDir()
	var known []string
	for state, name := range map[string]string{"xa": "xa-log-before", "xb": "xb", "xc": "xc-witness"} {
		path := filepath.Join(knowing, state+".json")
		if b, err := os.ReadFile(vectors + "judged/" + name + ".json"); err != nil || os.WriteFile(path, b, 0o600) != nil {
			t.Fatal(err)
		}
		known = append(known, path)
	}
	judged := vectors + "judged/bundle.tar"
	verdict, exit, report = v.check(t, judged, known...)
	if want := command(t, "--trust", knowing, judged); exit != "4" || report != want || !strings.HasPrefix(verdict, "CONTESTED") {
		t.Errorf("of stolen keys it leaves %s and shows\n%s\nreport\n%s\nthe command reports\n%s", exit, verdict, report, want)
	}
	v.do(t, chromedp.Evaluate[chromedp.Void](`for (const d of document.querySelectorAll("details")) d.open = true`))
	told := v.read(t, `document.querySelector("#result").innerText`)
	for _, want := range []string{"The keys of this log are marked compromised since 2026-03-02", "it counts for nothing (contested), because the keys of this witness are marked compromised", "That the witness of xc saw any of this"} {
		if !strings.Contains(told, want) {
			t.Errorf("of stolen keys it does not say %q:\n%s", want, told)
		}
	}

	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.requests) == 0 {
		t.Error("the test sees no request, not even the one for the page")
	}
	for _, address := range v.requests {
		if !strings.HasPrefix(address, "file:") && !strings.HasPrefix(address, "data:") && !strings.HasPrefix(address, "blob:") && address != "about:blank" {
			t.Errorf("the page asked for %s", address)
		}
	}
	for _, trouble := range v.troubles {
		t.Errorf("the browser complains: %s", trouble)
	}
}

// Whatever its script might try, the page's own policy lets nothing out, with the network on.
func TestPageHasNoWayOut(t *testing.T) {
	v := open(t)
	v.offline(t, false)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var told atomic.Int64
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			// Chromium opens a connection for a frame before it asks the policy, and says nothing on it.
			if n, _ := c.Read(make([]byte, 1)); n > 0 {
				told.Add(1)
			}
			c.Close()
		}
	}()
	address := "http://" + l.Addr().String() + "/"
	for _, attempt := range []string{
		`fetch("` + address + `", {mode: "no-cors"}).then(() => "sent", () => "stopped")`,
		`new Promise((done) => { const i = new Image(); i.onload = i.onerror = () => done("tried"); i.src = "` + address + `"; })`,
		`new Promise((done) => { try { const w = new WebSocket("` + strings.Replace(address, "http", "ws", 1) + `"); w.onopen = w.onerror = () => done("tried"); } catch { done("stopped"); } })`,
		`new Promise((done) => { const f = document.createElement("iframe"); f.onload = f.onerror = () => done("tried"); f.src = "` + address + `"; document.body.append(f); setTimeout(() => done("stopped"), 500); })`,
		`Promise.resolve(String(navigator.sendBeacon("` + address + `", "x")))`,
	} {
		said := v.read(t, attempt, chromedp.EvalAwaitPromise)
		if told.Load() > 0 {
			t.Fatalf("%s: %q, and a server was told something", attempt, said)
		}
	}
}

// photograph keeps a picture of what is shown, wide and narrow, where COMITY_PICTURES says.
func (v *visit) photograph(t *testing.T, name string) {
	t.Helper()
	dir := os.Getenv("COMITY_PICTURES")
	if dir == "" {
		return
	}
	for suffix, width := range map[string]int64{"": 1000, "-narrow": 380} {
		v.do(t, chromedp.EmulateViewport(width, 900))
		picture, err := chromedp.Run(v.ctx, chromedp.FullScreenshot(100))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name+suffix+".png"), picture, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	paper, err := chromedp.Run(v.ctx, chromedp.PrintToPDF())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".pdf"), paper, 0o600)
	}
	if err != nil || !bytes.HasPrefix(paper, []byte("%PDF")) {
		t.Fatal(err)
	}
}
