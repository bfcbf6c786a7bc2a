package bundle_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"comity/crypto/pgp"
	"comity/protocol"
	"comity/protocol/bundle"
	"comity/protocol/evidence"
	"comity/protocol/parcel"
)

// whole is a bundle with all that one can hold.
func whole(t testing.TB) ([]byte, *bundle.Trust) {
	t.Helper()
	w := newWorld()
	c := w.contents()
	c.Parcel, c.FileKey = bytes.NewReader(w.sealed), &w.key
	return written(t, c), trust(t, w.xa, w.xb, w.xc)
}

// span is one part of a bundle file.
type span struct {
	member   string
	from, to int
}

// spans cuts a bundle into members, each with its header and padding, and the trailer.
func spans(t testing.TB, file []byte) (all []span) {
	t.Helper()
	for at := 0; at < len(file); {
		name, _, _ := strings.Cut(string(file[at:at+100]), "\x00")
		if name == "" {
			return append(all, span{"the end", at, len(file)})
		}
		size := 0
		for _, c := range file[at+124 : at+135] {
			size = size<<3 | int(c-'0')
		}
		end := at + 512 + size + int(parcel.Padding(int64(size)))
		all = append(all, span{name, at, end})
		at = end
	}
	t.Fatal("the file has no trailer")
	return nil
}

// faulted reports the member that a refusal names.
func faulted(err error) string {
	var f *bundle.Fault
	if errors.As(err, &f) && protocol.CodeOf(err) != "" {
		return f.Member
	}
	return ""
}

// lean is the smallest bundle: nobody has witnessed it, and little has happened.
func lean(t testing.TB) ([]byte, *bundle.Trust) {
	t.Helper()
	w := newWorld()
	c := w.contents()
	c.Evidence, c.Records = c.Evidence[:2], c.Records[:2]
	for i := range c.Evidence {
		c.Evidence[i].Cosigned, c.Evidence[i].Peer = nil, nil
	}
	return written(t, c), trust(t, w.xa, w.xb)
}

// R-BND-1, R-BND-3: whatever byte of the file is another, it is refused, and the
// member is named in which it stands. In a lean bundle every byte of the small
// members and of the list is tried; the rest, and a bundle with all that one can
// hold, at sampled bytes. Each time one bit is flipped.
func TestEveryByteCounts(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	file, tr := lean(t)
	flip(t, file, tr, seed, 4096)
	file, tr = whole(t)
	flip(t, file, tr, seed, 0)
}

func flip(t *testing.T, file []byte, tr *bundle.Trust, seed uint64, small int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 0))
	tried := 0
	for _, s := range spans(t, file) {
		step := func() int { return 1 }
		if s.to-s.from > small {
			step = func() int { return 1 + rng.IntN((s.to-s.from)/20) }
		}
		for at := s.from; at < s.to; at += step() {
			bit := byte(1) << rng.IntN(8)
			file[at] ^= bit
			_, err := verify(file, tr)
			file[at] ^= bit
			tried++
			got := faulted(err)
			if got == "" {
				t.Fatalf("seed %d: bit %#02x of byte %d (%s) flipped: got %v", seed, bit, at, s.member, err)
			}
			// In the list itself a flip may read as another list; else the member is named.
			if got != s.member && s.member != "bundle.json" {
				t.Errorf("seed %d: bit %#02x of byte %d, in %s, flipped: it names %s (%v)", seed, bit, at, s.member, got, err)
			}
		}
	}
	if _, err := verify(file, tr); err != nil {
		t.Errorf("the file itself: %v", err)
	}
	t.Logf("%d flips of %d bytes", tried, len(file))
}

// R-BND-3: no byte of the list is free, not even one that changes nothing in
// what it says.
func TestEveryByteOfTheListCounts(t *testing.T) {
	file, tr := lean(t)
	list := spans(t, file)[0]
	for at := list.from; at < list.to; at++ {
		for _, other := range []byte{file[at] ^ 0x20, ' '} {
			if old := file[at]; other != old {
				file[at] = other
				if _, err := verify(file, tr); faulted(err) == "" {
					t.Errorf("byte %d made %q: got %v", at, other, err)
				}
				file[at] = old
			}
		}
	}
}

// cut returns the file without one member.
func cut(file []byte, s span) []byte { return append(bytes.Clone(file[:s.from]), file[s.to:]...) }

// relist rewrites the list of a bundle so that it fits the members that are
// there: what an attacker does, whom nobody's signature stops.
func relist(t testing.TB, file []byte, members map[string][]byte, order []string) []byte {
	t.Helper()
	old := spans(t, file)
	raw := string(file[old[0].from+512 : old[0].to])
	head, _, _ := strings.Cut(raw, `"members": [`)
	var list []string
	for _, name := range order {
		b := members[name]
		list = append(list, "    {\n      \"path\": \""+name+"\",\n      \"size\": "+itoa(len(b))+",\n      \"sha256\": \""+protocol.Sum(b).String()+"\"\n    }")
	}
	index := []byte(head + "\"members\": [\n" + strings.Join(list, ",\n") + "\n  ]\n}\n")
	var out []byte
	put := func(name string, b []byte) {
		out = append(parcel.AppendHeader(out, name, int64(len(b))), b...)
		out = append(out, make([]byte, parcel.Padding(int64(len(b))))...)
	}
	put("bundle.json", index)
	for _, name := range order {
		put(name, members[name])
	}
	return append(out, make([]byte, parcel.TrailerSize)...)
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + string(rune('0'+n%10))
}

// unpack returns the members of a bundle but the list, and their order.
func unpack(t testing.TB, file []byte) (members map[string][]byte, order []string) {
	t.Helper()
	members = map[string][]byte{}
	for _, s := range spans(t, file) {
		if s.member == "bundle.json" || s.member == "the end" {
			continue
		}
		size := 0
		for _, c := range file[s.from+124 : s.from+135] {
			size = size<<3 | int(c-'0')
		}
		members[s.member] = bytes.Clone(file[s.from+512 : s.from+512+size])
		order = append(order, s.member)
	}
	return members, order
}

// R-BND-2: members are those of the list, all of them, in their order.
func TestMembersAreThoseOfTheList(t *testing.T) {
	file, tr := whole(t)
	members, order := unpack(t, file)
	if again := relist(t, file, members, order); !bytes.Equal(again, file) {
		t.Fatal("the test writes another list than the format has")
	}
	all := spans(t, file)
	for i, s := range all {
		if _, err := verify(cut(file, s), tr); faulted(err) == "" {
			t.Errorf("without %s: got %v", s.member, err)
		}
		if i > 1 && i < len(all)-1 {
			twice := append(bytes.Clone(file[:s.to]), file[s.from:]...)
			if _, err := verify(twice, tr); faulted(err) == "" {
				t.Errorf("%s twice: got %v", s.member, err)
			}
			p := all[i-1]
			swapped := append(bytes.Clone(file[:p.from]), file[s.from:s.to]...)
			swapped = append(append(swapped, file[p.from:p.to]...), file[s.to:]...)
			if _, err := verify(swapped, tr); faulted(err) == "" {
				t.Errorf("%s before %s: got %v", s.member, p.member, err)
			}
		}
	}
	added := parcel.AppendHeader(bytes.Clone(file[:all[2].from]), "note.txt", 5)
	added = append(append(added, "hello"...), make([]byte, 507)...)
	added = append(added, file[all[2].from:]...)
	if _, err := verify(added, tr); faulted(err) != "bundle.json" {
		t.Errorf("with a member that is not listed: got %v", err)
	}
	for _, tail := range []int{1, 512, 1024} {
		if _, err := verify(append(bytes.Clone(file), make([]byte, tail)...), tr); faulted(err) != "bundle.json" {
			t.Errorf("%d zeros behind: got %v", tail, err)
		}
	}
	for _, size := range []int{0, 1, 511, 512, 513, 4096, len(file) - 512, len(file) - 1} {
		if _, err := verify(file[:size], tr); faulted(err) == "" {
			t.Errorf("cut to %d bytes: got %v", size, err)
		}
	}
}

// The same, with a list that was made to fit.
func TestListMadeToFit(t *testing.T) {
	file, tr := whole(t)
	members, order := unpack(t, file)
	without := func(name string) []byte {
		var rest []string
		for _, o := range order {
			if o != name {
				rest = append(rest, o)
			}
		}
		return relist(t, file, members, rest)
	}
	for _, name := range order {
		_, err := verify(without(name), tr)
		// The key alone may be left out: then the cover sheet must say that the
		// parcel stays sealed, and this one does not.
		if faulted(err) == "" {
			t.Errorf("without %s: got %v", name, err)
		}
	}
	changed := func(name string, change func([]byte) []byte) error {
		old := members[name]
		members[name] = change(bytes.Clone(old))
		_, err := verify(relist(t, file, members, order), tr)
		members[name] = old
		return err
	}
	for _, name := range order {
		if name == "parcel.key" {
			continue // of one size only
		}
		refused := changed(name, func(b []byte) []byte { return append(b, '\n') })
		if got := faulted(refused); got != name && got != strings.TrimSuffix(name, ".asc") {
			t.Errorf("%s with a line more: it names %q (%v)", name, got, refused)
		}
		if strings.HasSuffix(name, ".asc") {
			refused := changed(name, func(b []byte) []byte {
				return bytes.Replace(b, []byte("\n\n"), []byte("\nComment: hello\n\n"), 1)
			})
			if got := faulted(refused); got != strings.TrimSuffix(name, ".asc") && got != name {
				t.Errorf("%s with an armor header: it names %q (%v)", name, got, refused)
			}
		}
	}
	for _, old := range []struct{ old, now, member string }{
		{`"en"`, `"fr"`, "cover.html"},
		{`"+01:00"`, `"+02:00"`, "cover.html"},
		{`"+01:00"`, `"+00:00"`, "cover.html"},
		{`"en"`, `"de"`, "bundle.json"},
		{`"xb/prosecution-service"`, `"xb/other-authority-xx00"`, "bundle.json"},
		{`comity/bundle/v1`, `comity/bundle/v2`, "bundle.json"},
	} {
		_, err := verify(bytes.Replace(file, []byte(old.old), []byte(old.now), 1), tr)
		if got := faulted(err); got != old.member {
			t.Errorf("%s in place of %s: it names %q (%v)", old.now, old.old, got, err)
		}
	}
}

// The same contents make the same bytes, whoever makes the bundle and when.
func TestOneBundleOfOneContents(t *testing.T) {
	w := newWorld()
	c := w.contents()
	if !bytes.Equal(written(t, c), written(t, c)) {
		t.Error("two bundles of one contents differ")
	}
}

// failing is a source that breaks: that is no fault of the bundle.
type failing struct{ io.ReaderAt }

func (failing) ReadAt([]byte, int64) (int, error) { return 0, io.ErrClosedPipe }

func TestTroubleInReadingIsNoFault(t *testing.T) {
	_, err := bundle.Verify(failing{}, 1<<20, nil, bundle.Options{})
	if !errors.Is(err, io.ErrClosedPipe) || faulted(err) != "" {
		t.Errorf("got %v", err)
	}
}

// tired is a source that gives up reading after so many bytes.
type tired struct {
	io.ReaderAt
	left int
}

func (s *tired) ReadAt(b []byte, at int64) (int, error) {
	if s.left -= len(b); s.left < 0 {
		return 0, io.ErrClosedPipe
	}
	return s.ReaderAt.ReadAt(b, at)
}

// Nor is it one of the parcel inside, which is read twice; also where the recipient's
// office has signed that something is wrong with that.
func TestTroubleInReadingTheParcelIsNoFault(t *testing.T) {
	for _, last := range []evidence.Event{evidence.ContentHandover, evidence.ContentHandoverFailure} {
		w := newWorld()
		w.steps = append(positive[:3:3], step{last, time.Minute})
		w.sign = func(e *evidence.Evidence) *pgp.Secret {
			if e.Event.Rule().Negative {
				e.Reason = evidence.NewReason(protocol.BadContainer, "broken")
			}
			return nil
		}
		c := w.contents()
		c.Parcel, c.FileKey = bytes.NewReader(w.sealed), &w.key
		file := written(t, c)
		for more := 0; more < len(w.sealed); more += 1000 {
			source := &tired{bytes.NewReader(file), len(file) + more}
			r, err := bundle.Verify(source, int64(len(file)), nil, bundle.Options{})
			var f *bundle.Fault
			if source.left < 0 && (!errors.Is(err, io.ErrClosedPipe) || errors.As(err, &f)) {
				t.Fatalf("%s, after %d bytes more than the file has: %v, %+v", last, more, err, r)
			}
		}
	}
}

func FuzzVerify(f *testing.F) {
	w := newWorld()
	c := w.contents()
	f.Add(written(f, c))
	c.Evidence, c.Records = c.Evidence[:1], c.Records[:2]
	c.Evidence[0].Cosigned, c.Evidence[0].Peer = nil, nil
	f.Add(written(f, c))
	f.Fuzz(func(t *testing.T, file []byte) {
		_, err := verify(file, nil)
		var fault *bundle.Fault
		if err != nil && (!errors.As(err, &fault) || protocol.CodeOf(err) == "") {
			t.Fatalf("%v is no refusal of a member", err)
		}
	})
}
