package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"comity/node/operate"
	"comity/protocol/bundle"
	"comity/protocol/exchange"
)

// twoOffices runs the sockets of a node of xa with two authorities that has pinned xb,
// and returns a client of its operator and one of the court's officers.
func twoOffices(t *testing.T) (operator, court *Client, l operate.Layout) {
	t.Helper()
	dir, _ := newNode(t, "xa", "xa/central-authority", "xa/court")
	_, other := newNode(t, "xb", "xb/prosecution-service")
	folder := filepath.Join(t.TempDir(), "court")
	config, err := os.ReadFile(filepath.Join(dir, "comity.toml"))
	if err != nil {
		t.Fatal(err)
	}
	config = append(config, "\n[officers]\ncourt = '"+folder+"'\n"...)
	if err := errors.Join(os.Mkdir(folder, 0o750), os.WriteFile(filepath.Join(dir, "comity.toml"), config, 0o600)); err != nil {
		t.Fatal(err)
	}
	node, err := Open(t.Context(), dir, operate.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server, err := Listen(node, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	ctx := t.Context()
	go func() { ended <- server.Serve(ctx) }()
	t.Cleanup(func() { // the context of a test has ended by now
		if err := errors.Join(<-ended, node.Close()); err != nil {
			t.Error(err)
		}
	})
	operator, court = dial(t, dir), dial(t, folder)
	pin(t, operator, other)
	return operator, court, node.Layout
}

// On the socket of an office everything is about its authority, whatever is asked.
func TestOfficersReachTheirOfficeAlone(t *testing.T) {
	operator, court, _ := twoOffices(t)
	theirs := draft(write(t, "secret.txt", "For the central authority alone."))
	theirs.As = "central-authority"
	secret := send(t, operator, theirs)
	ours := send(t, court, draft(write(t, "ours.txt", "Ours.")))
	if ours.From != "xa/court" {
		t.Errorf("the court sent as %s", ours.From)
	}
	list, err := court.Sent(t.Context(), "", 0)
	if err != nil || len(list.Parcels) != 1 || list.Parcels[0].Parcel != ours.Parcel {
		t.Errorf("the court sees %+v, %v; want its own parcel alone", list, err)
	}
	for _, as := range []string{"", "court"} {
		_, err = court.Parcel(t.Context(), as, string(secret.Parcel))
		wantCode(t, "another authority's parcel", err, NotFound)
		_, _, err = court.Open(t.Context(), as, string(secret.Parcel), 1)
		wantCode(t, "another authority's file", err, NotFound)
		_, err = court.Withdraw(t.Context(), as, string(secret.Parcel), "")
		wantCode(t, "withdrawing it", err, NotFound)
		_, err = court.Bundle(t.Context(), BundleRequest{As: as, Parcel: string(secret.Parcel), Path: filepath.Join(t.TempDir(), "b.tar"), Language: bundle.English, Offset: bundle.OffsetOf(0)})
		wantCode(t, "bundling it", err, NotFound)
		_, err = court.Export(t.Context(), as, string(secret.Parcel), filepath.Join(t.TempDir(), "out"))
		wantCode(t, "exporting it", err, NotFound)
		_, err = take[nothing](t.Context(), court, "/v1/export", exportRequest{parcelRequest{As: as, Parcel: string(secret.Parcel)}, "out"}, nil)
		wantCode(t, "exporting it without a look", err, NotFound)
	}
	for _, as := range []string{"central-authority", "xa/central-authority"} {
		_, err = court.Sent(t.Context(), as, 0)
		wantCode(t, "in another authority's name", err, Usage)
		if strings.Contains(explain(err).Hint, "central") {
			t.Errorf("the hint names the other authority: %v", explain(err).Hint)
		}
		d := draft(write(t, "forged.txt", "Not ours."))
		d.As = as
		_, err = court.Send(t.Context(), d, nil)
		wantCode(t, "sending in another authority's name", err, Usage)
	}
	for what, err := range map[string]error{
		"peers":     second(court.Peers(t.Context())),
		"pin":       second(court.Pin(t.Context(), nil, "")),
		"log check": second(court.CheckLog(t.Context())),
		"import":    second(court.ImportListings(t.Context(), CSV, nil, true)),
		"act":       second(call[nothing](t.Context(), court, "/v1/act", actRequest{})),
		"disclose":  second(call[nothing](t.Context(), court, "/v1/disclose", discloseRequest{})),
	} {
		if CodeOf(err) != Failed || !strings.Contains(err.Error(), "this is the office of xa/court, and not the node") {
			t.Errorf("%s on the socket of an office: %v", what, err)
		}
	}
	if st, err := court.Status(t.Context()); err != nil || st.Only != "xa/court" || len(st.Authorities) != 1 {
		t.Errorf("status %+v, %v", st, err)
	}
	if st, err := operator.Status(t.Context()); err != nil || st.Only != "" || len(st.Authorities) != 2 {
		t.Errorf("the operator's status %+v, %v", st, err)
	}
}

func second[T any](_ T, err error) error { return err }

// The node opens no path for an officer: it could read what the officer may not, the
// keys of the other office before all. A request that names one and brings no open
// file sends nothing.
func TestOfficersCannotHaveTheNodeReadAFile(t *testing.T) {
	operator, court, l := twoOffices(t)
	key := l.OfficeFile("xa/central-authority", "act.key")
	_, err := listen[Progress, *Sent](t.Context(), court, "/v1/send", draft(key), nil)
	wantCode(t, "a path of the node", err, Usage)
	// With fewer files than are named, none is read by its path either.
	f, err := os.Open(write(t, "one.txt", "One."))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, err = listen[Progress, *Sent](t.Context(), court.handing([]*os.File{f}), "/v1/send", draft(f.Name(), key), nil)
	wantCode(t, "one file for two names", err, Usage)
	// What comes is read, and nothing at the path that the request tells.
	sent, err := listen[Progress, *Sent](t.Context(), court.handing([]*os.File{f}), "/v1/send", draft(key), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, content, err := court.Open(t.Context(), "", string(sent.Parcel), 1)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(content)
	if err = errors.Join(err, content.Close()); err != nil || string(text) != "One." {
		t.Errorf("sent %d bytes, %v; want the file that was handed over", len(text), err)
	}
	list, err := operator.Sent(t.Context(), "court", 0)
	if err != nil || len(list.Parcels) != 1 {
		t.Errorf("the court has sent %d parcels, %v; want 1", len(list.Parcels), err)
	}
	many := draft()
	for range maxHanded + 1 {
		many.Files = append(many.Files, Source{Path: f.Name()})
	}
	_, err = court.Send(t.Context(), many, nil)
	wantCode(t, "too many files", err, Usage)
	pipe := filepath.Join(t.TempDir(), "folder")
	if err := os.Mkdir(pipe, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err = court.Send(t.Context(), draft(pipe), nil)
	if err == nil || !strings.Contains(err.Error(), "it is a folder") {
		t.Errorf("a folder: %v", err)
	}
}

// However many commands hand files over, the office holds so many open and no more, and
// what was closed makes room again.
func TestOpenFilesOfAnOfficeAreBounded(t *testing.T) {
	held := make(chan struct{}, 3)
	one, two := &handed{held: held}, &handed{held: held}
	for i, h := range []*handed{one, one, two, two} {
		if got, want := h.hold(), i < 3; got != want {
			t.Errorf("file %d is held: %v", i+1, got)
		}
	}
	var files []*os.File
	for range 2 {
		f, err := os.Open(write(t, "one.txt", "One."))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	one.release(files)
	for i := range 3 {
		if got, want := two.hold(), i < 2; got != want {
			t.Errorf("file %d after two were closed is held: %v", i+1, got)
		}
	}
}

// As many files as may come, come, and in their order.
func TestManyFilesAreHandedOver(t *testing.T) {
	_, court, _ := twoOffices(t)
	var d Draft
	for i := range maxHanded {
		d = draft(append(pathsOf(d), write(t, "file-"+strings.Repeat("i", i+1), strings.Repeat("x", i)))...)
	}
	sent := send(t, court, d)
	p, err := court.Parcel(t.Context(), "", string(sent.Parcel))
	if err != nil || len(p.Files) != maxHanded {
		t.Fatalf("%d files, %v", len(p.Files), err)
	}
	for i, f := range p.Files {
		if f.Size != int64(i) || len(f.Name) != len("file-")+i+1 {
			t.Fatalf("file %d is %q with %d bytes", i+1, f.Name, f.Size)
		}
	}
}

// Commands that wait, such as "send --wait acknowledged", may wait for days. However many
// officers have some, the others are answered.
func TestOfficersWhoWaitKeepNobodyOut(t *testing.T) {
	_, court, _ := twoOffices(t)
	sent := send(t, court, draft(write(t, "request.txt", "We request.")))
	ctx, cancel := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	for range maxCallers - 2 {
		told := make(chan struct{})
		waiting.Go(func() {
			_, err := court.Follow(ctx, "", string(sent.Parcel), exchange.StatusDelivered, func(Evidence) error { close(told); return nil })
			wantCode(t, "one that waits", err, Interrupted)
		})
		select {
		case <-told:
		case <-time.After(10 * time.Second):
			t.Fatal("one more is not answered any more")
		}
	}
	if _, err := court.Sent(t.Context(), "", 0); err != nil {
		t.Error(err)
	}
	cancel()
	waiting.Wait()
}

// What officers take out may have many files and long names.
func TestAnExportOfManyFilesIsHandedOut(t *testing.T) {
	_, court, _ := twoOffices(t)
	var d Draft
	for i := range 30 {
		d = draft(append(pathsOf(d), write(t, fmt.Sprintf("ملحق %d.txt", i+1), "An annex."))...)
	}
	sent := send(t, court, d)
	folder := filepath.Join(t.TempDir(), "out")
	p, err := court.Export(t.Context(), "", string(sent.Parcel), folder)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Files) != 30 || len(p.Transmissions) != 1 || len(p.Transmissions[0].Evidence) == 0 {
		t.Errorf("the view has %d files and %+v", len(p.Files), p.Transmissions)
	}
	for _, name := range []string{"parcel.age", "envelope.json", "evidence-SubmissionAcceptance.tlog-proof"} {
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			t.Error(err)
		}
	}
}

func pathsOf(d Draft) (all []string) {
	for _, f := range d.Files {
		all = append(all, f.Path)
	}
	return all
}

// Only a folder into which nobody else can put a socket gets one.
func TestTheFolderOfOfficersIsTheNodesOwn(t *testing.T) {
	l := operate.Layout{Dir: t.TempDir()}
	folder := func(name string, mode os.FileMode) string {
		path := filepath.Join(t.TempDir(), name)
		if err := errors.Join(os.Mkdir(path, 0o700), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	inside := filepath.Join(l.Dir, "court")
	link := filepath.Join(t.TempDir(), "link")
	if err := errors.Join(os.Mkdir(inside, 0o750), os.Symlink(folder("target", 0o750), link)); err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct{ path, fault string }{
		"for a group":        {folder("a", 0o750), ""},
		"for the owner":      {folder("b", 0o700), ""},
		"the group writes":   {folder("c", 0o770), "may write in it"},
		"all write":          {folder("d", 0o757), "may write in it"},
		"all enter":          {folder("e", 0o755), "open to everybody"},
		"missing":            {filepath.Join(t.TempDir(), "none"), "it is not there"},
		"a file":             {write(t, "file", ""), "not a folder"},
		"a link":             {link, "not a folder"},
		"with the keys":      {inside, "in the data directory"},
		"the data directory": {l.Dir, "in the data directory"},
	} {
		err := officersFolder(l, c.path)
		if c.fault == "" && err != nil || c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)) {
			t.Errorf("%s: %v, want %q", what, err, c.fault)
		}
	}
}
