package office

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"comity/crypto/seal"
	"comity/protocol"
	"comity/protocol/exchange"
	"comity/protocol/parcel"
	"comity/store"

	"github.com/google/go-cmp/cmp"
)

// write makes a file to attach.
func write(t *testing.T, name string, content []byte) Source {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return Source{Path: path}
}

// request is an ordinary draft from the central authority.
func request(t *testing.T, files ...Source) Draft {
	if files == nil {
		files = []Source{write(t, "request.pdf", []byte("the letter of request"))}
	}
	return Draft{To: []protocol.AuthorityID{prosecution}, Kind: parcel.KindRequest, Files: files}
}

// send sends a draft from the central authority and fails if it cannot.
func (w *world) send(d Draft) *Sent {
	w.t.Helper()
	sent, err := w.office(central).Send(w.t.Context(), d, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return sent
}

func TestSendAndTakeIn(t *testing.T) {
	w := newWorld(t)
	pages := int64(3)
	d := request(t,
		write(t, "طلب المساعدة القانونية.pdf", []byte("the letter of request")),
		write(t, "empty.txt", nil),
		write(t, "evidence.bin", bytes.Repeat([]byte{7}, 3<<20)))
	d.Files[0].Pages, d.Files[1].Name = &pages, "nothing.txt"
	stages := map[string]int64{}
	sent, err := w.office(central).Send(t.Context(), d, func(stage string, done, total int64) {
		if done < stages[stage] || done > total {
			t.Errorf("progress of %s goes from %d to %d of %d", stage, stages[stage], done, total)
		}
		stages[stage] = done
	})
	if err != nil {
		t.Fatal(err)
	}
	if stages["hash"] != 3<<20+21 || stages["seal"] <= 3<<20 {
		t.Errorf("progress ends at %v", stages)
	}
	if len(sent.Receipts) != 1 || sent.Receipts[0].Key != (protocol.Key{From: central, Parcel: sent.Name.Parcel, To: prosecution}) {
		t.Errorf("receipts %v", sent.Receipts)
	}
	if err := w.takeAll(prosecution); err != nil {
		t.Fatal(err)
	}
	inbox, err := w.office(prosecution).Inbox(t.Context(), store.MessageFilter{})
	if err != nil || len(inbox) != 1 {
		t.Fatalf("inbox of %d messages, %v", len(inbox), err)
	}
	got := inbox[0]
	type brief struct {
		Name, MediaType string
		Size            int64
		Role            parcel.FileRole
	}
	var files []brief
	for _, f := range got.Files {
		files = append(files, brief{f.Name, f.MediaType, f.Size, f.Role})
	}
	want := []brief{
		{"طلب المساعدة القانونية.pdf", "application/pdf", 21, parcel.Document},
		{"nothing.txt", "text/plain", 0, parcel.Attachment},
		{"evidence.bin", "application/octet-stream", 3 << 20, parcel.Attachment},
	}
	if diff := cmp.Diff(want, files); diff != "" {
		t.Errorf("files arrived otherwise (-want +got):\n%s", diff)
	}
	if got.Name != sent.Name || got.Case != sent.Case || got.Digest != sent.Message || got.Size != 3<<20+21 || got.Files[0].Pages == nil || !got.Opened.IsZero() {
		t.Errorf("message arrived as %+v", got)
	}
	mine, err := w.office(central).SentMessages(t.Context(), store.MessageFilter{})
	if err != nil || len(mine) != 1 || mine[0].To[0].Status != exchange.StatusDelivered || !mine[0].To[0].Submitted {
		t.Errorf("sent list %+v, %v; want one delivered", mine, err)
	}
	if diff := cmp.Diff([]Act{ActTakeIn}, w.acts(prosecution)); diff != "" {
		t.Errorf("journal of the recipient (-want +got):\n%s", diff)
	}
}

// R-XCH-6: one sealed body, one envelope and chain of evidence for each.
func TestSendToSeveral(t *testing.T) {
	w := newWorld(t)
	d := request(t)
	d.To = append(d.To, ministry)
	sent := w.send(d)
	if err := w.takeAll(ministry); err != nil {
		t.Fatal(err)
	}
	m, err := w.office(central).Message(t.Context(), sent.Name)
	if err != nil {
		t.Fatal(err)
	}
	got := map[protocol.AuthorityID]exchange.Status{}
	for _, to := range m.To {
		got[to.To] = to.Status
	}
	want := map[protocol.AuthorityID]exchange.Status{prosecution: exchange.StatusTransmitted, ministry: exchange.StatusDelivered}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
}

func TestSendInACase(t *testing.T) {
	w := newWorld(t)
	first := w.send(request(t))
	if err := w.takeAll(prosecution); err != nil {
		t.Fatal(err)
	}
	reply := Draft{To: []protocol.AuthorityID{central}, Kind: parcel.KindAcknowledgement, Case: first.Case, Files: []Source{write(t, "reply.txt", []byte("yes"))}}
	if _, err := w.office(prosecution).Send(t.Context(), reply, nil); err != nil {
		t.Fatal(err)
	}
	if err := w.takeAll(central); err != nil {
		t.Fatal(err)
	}
	more := request(t)
	more.Case, more.Kind = first.Case, parcel.KindAmendment
	third := w.send(more)
	messages, err := w.office(central).store.CaseMessages(t.Context(), first.Case)
	if err != nil || len(messages) != 3 {
		t.Fatalf("%d messages in the case, %v", len(messages), err)
	}
	m := must(parcel.ParseManifest(messages[2].Manifest.Document))
	if diff := cmp.Diff([]protocol.Digest{messages[0].Digest(), messages[1].Digest()}, m.Follows); m.Parcel != third.Name.Parcel || m.Sequence != 2 || diff != "" {
		t.Errorf("sequence %d, want 2; it follows (-want +got):\n%s", m.Sequence, diff)
	}
}

func TestSendRefuses(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	for name, c := range map[string]struct {
		change func(*Draft)
		want   string // part of the sentence
	}{
		"no recipient":         {func(d *Draft) { d.To = nil }, "name at least one authority"},
		"unknown state":        {func(d *Draft) { d.To = []protocol.AuthorityID{"zz/court"} }, "exchange introductions"},
		"unknown authority":    {func(d *Draft) { d.To = []protocol.AuthorityID{"xb/court"} }, "no record lists it"},
		"not an authority":     {func(d *Draft) { d.To = []protocol.AuthorityID{"Prosecution"} }, "want a form like"},
		"itself":               {func(d *Draft) { d.To = []protocol.AuthorityID{central} }, "cannot send to itself"},
		"named twice":          {func(d *Draft) { d.To = append(d.To, prosecution) }, "named twice"},
		"unknown kind":         {func(d *Draft) { d.Kind = "LETTER" }, "no kind of message"},
		"test kind":            {func(d *Draft) { d.Kind = parcel.KindConformanceTest }, "marked as a test"},
		"unknown priority":     {func(d *Draft) { d.Priority = "now" }, "routine, urgent or emergency"},
		"short lifetime":       {func(d *Draft) { d.Lifetime = time.Second }, "one minute to 180 days"},
		"long lifetime":        {func(d *Draft) { d.Lifetime = year }, "one minute to 180 days"},
		"no file":              {func(d *Draft) { d.Files = nil }, "no file"},
		"missing file":         {func(d *Draft) { d.Files[0].Path += ".missing" }, "no such file"},
		"a folder":             {func(d *Draft) { d.Files[0].Path = filepath.Dir(d.Files[0].Path) }, "it is a folder"},
		"a pipe":               {func(d *Draft) { d.Files[0].Path = pipe }, "not a plain file"},
		"a path as name":       {func(d *Draft) { d.Files[0].Name = "../etc/passwd" }, "without folders"},
		"a name that deceives": {func(d *Draft) { d.Files[0].Name = "invoice\u202Efdp.exe" }, "direction"},
		"a media type":         {func(d *Draft) { d.Files[0].MediaType = "PDF" }, "media type"},
		"a role":               {func(d *Draft) { d.Files[0].Role = "letter" }, "role"},
		"one name twice":       {func(d *Draft) { d.Files = append(d.Files, d.Files[0]) }, "same name"},
		"an unknown case":      {func(d *Draft) { d.Case = "6f2b7c1e-0d5a-4c8e-9b1f-2f8f3f0a7a11" }, "no case"},
		"too large":            {func(d *Draft) { grow(t, d.Files[0].Path, 8<<20+1) }, "send it in several messages"},
		"too large sealed":     {func(d *Draft) { grow(t, d.Files[0].Path, 8<<20-1024) }, "send it in several messages"},
	} {
		t.Run(name, func(t *testing.T) {
			d := request(t)
			c.change(&d)
			sent, err := w.office(central).Send(t.Context(), d, nil)
			if err == nil || !strings.Contains(err.Error(), c.want) || sent != nil {
				t.Errorf("got %v, %v; want nothing and an error with %q", sent, err, c.want)
			}
			if acts := w.acts(central); acts != nil {
				t.Errorf("journal says %v of a message that was not sent", acts)
			}
		})
	}
}

// grow makes a file large without using the disk.
func grow(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

func TestUnreadableFile(t *testing.T) {
	err := attachError("request.pdf", &fs.PathError{Op: "open", Path: "request.pdf", Err: fs.ErrPermission})
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "you may not read it") {
		t.Errorf("got %v", err)
	}
}

// R-PCL-4: a file that changes between intake and sealing stops everything.
func TestFileChangesBeforeSealing(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"other content": func(path string) error { return os.WriteFile(path, []byte("another letter of so many"), 0o600) },
		"shorter":       func(path string) error { return os.Truncate(path, 3) },
		"longer":        func(path string) error { return os.Truncate(path, 1<<20) },
		"gone":          os.Remove,
		"a folder":      func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			d := request(t, write(t, "request.pdf", []byte("the letter of request, p1")))
			changed := false
			_, err := w.office(central).Send(t.Context(), d, func(stage string, _, _ int64) {
				if stage == "seal" && !changed {
					changed = true
					if err := change(d.Files[0].Path); err != nil {
						t.Error(err)
					}
				}
			})
			if err == nil {
				t.Fatal("it was sent")
			}
			if name != "gone" && name != "a folder" && !errors.Is(err, parcel.ErrChanged) {
				t.Errorf("got %v, want %v", err, parcel.ErrChanged)
			}
			if acts := w.acts(central); acts != nil {
				t.Errorf("journal says %v of a message that was not sent", acts)
			}
		})
	}
}

// R-SEAL-4, R-XCH-3: what a crash left unsubmitted is submitted as the same bytes.
func TestSubmitAgain(t *testing.T) {
	w := newWorld(t)
	w.nodes["xa"].setFail(errors.New("the node is being restarted"))
	sent, err := w.office(central).Send(t.Context(), request(t), nil)
	if !errors.Is(err, ErrNotTaken) || sent == nil {
		t.Fatalf("got %v, %v; want %v", sent, err, ErrNotTaken)
	}
	m, err := w.office(central).Message(t.Context(), sent.Name)
	if err != nil || m.To[0].Submitted || m.To[0].Status != exchange.StatusQueued {
		t.Errorf("message %+v, %v; want one that is not submitted", m, err)
	}
	w.clock.pass(time.Hour)
	office := w.open(central) // after a restart
	if _, err := office.finishAll(t.Context()); err == nil {
		t.Error("finished although the node refuses")
	}
	w.nodes["xa"].setFail(nil)
	for range 2 {
		if _, err := office.finishAll(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	r := w.nodes["xa"].rows[keyTo(sent.Name, prosecution)]
	if got, want := r.env.Expires.Time, today.Add(protocol.DefaultLifetime); !got.Equal(want) {
		t.Errorf("submitted again to expire %s, want %s as it was asked at first", got, want)
	}
	if err := w.takeAll(prosecution); err != nil {
		t.Fatal(err)
	}
	if inbox, err := w.office(prosecution).Inbox(t.Context(), store.MessageFilter{}); err != nil || len(inbox) != 1 {
		t.Errorf("inbox of %d, %v; want 1", len(inbox), err)
	}
}

// A message dated by a clock that was wrong waits until its time has come: abroad
// it would be refused for good.
func TestAMessageDatedTooLateIsSubmittedLater(t *testing.T) {
	w := newWorld(t)
	w.nodes["xa"].setFail(errors.New("the clock jumped"))
	w.clock.pass(time.Hour)
	sent, err := w.office(central).Send(t.Context(), request(t), nil)
	if !errors.Is(err, ErrNotTaken) {
		t.Fatal(err)
	}
	w.nodes["xa"].setFail(nil)
	w.clock.pass(-time.Hour)
	if _, err := w.office(central).finishAll(t.Context()); err == nil || len(w.nodes["xa"].rows) > 0 {
		t.Errorf("submitted before its time: %v", err)
	}
	w.clock.pass(time.Hour)
	if _, err := w.office(central).finishAll(t.Context()); err != nil || len(w.nodes["xa"].rows) != 1 {
		t.Errorf("%s is still not submitted: %v", sent.Name, err)
	}
}

// An office whose store was lost cannot sign as if nothing had been.
func TestNewRefusesForeignKeys(t *testing.T) {
	w := newWorld(t)
	s := stateOf(central)
	for name, change := range map[string]func(*Config){
		"act key in place of attest key": func(c *Config) { c.Attest = s.holder.Subkeys[actKey] },
		"attest key in place of act key": func(c *Config) { c.Act = s.holder.Subkeys[attestKey] },
		"primary key":                    func(c *Config) { c.Act = s.holder.Primary },
		"another authority's key":        func(c *Config) { c.Act = stateOf(prosecution).holder.Subkeys[actKey] },
		"no identity":                    func(c *Config) { c.Identities = seal.Identities{} },
		"another state's authority":      func(c *Config) { c.Authority = prosecution },
	} {
		c := w.config(s, w.office(central).store)
		change(&c)
		if _, err := New(c); err == nil {
			t.Errorf("%s: an office opened with it", name)
		}
	}
}
