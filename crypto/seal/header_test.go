package seal

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"filippo.io/age"
)

// R-SEAL-2: the gateway judges every prefix without a key.
func TestInspectHeaderOfEveryPrefix(t *testing.T) {
	t.Parallel()
	_, to := generateAll(t, 3)
	body, _ := sealed(t, plainOf(100), to...)
	size := headerSize(3)
	for n := range body {
		h, err := InspectHeader(body[:n], MaxHeader)
		if n < size && (!errors.Is(err, ErrNeedMore) || h != Header{}) {
			t.Fatalf("prefix of %d bytes = %+v, %v; want ErrNeedMore", n, h, err)
		}
		if n >= size && (err != nil || h != Header{Size: size, Recipients: 3}) {
			t.Fatalf("prefix of %d bytes = %+v, %v; want %d bytes, 3 recipients", n, h, err, size)
		}
	}
}

func TestInspectHeaderLimit(t *testing.T) {
	t.Parallel()
	_, to := generateAll(t, 2)
	body, _ := sealed(t, nil, to...)
	size := headerSize(2)
	for _, c := range []struct {
		prefix, limit int
		want          error
	}{
		{size, size, nil},
		{len(body), size, nil},
		{size - 1, size, ErrNeedMore},
		{size, size - 1, ErrHeader},
		{size - 1, size - 1, ErrHeader},
		{size - 2, size - 1, ErrNeedMore},
		{0, 0, ErrHeader},
		{10, 0, ErrHeader},
		{10, -1, ErrHeader},
		{0, -1, ErrHeader},
		{0, 1, ErrNeedMore},
	} {
		if _, err := InspectHeader(body[:c.prefix], c.limit); !errors.Is(err, c.want) {
			t.Errorf("InspectHeader(%d bytes, %d) says %v, want %v", c.prefix, c.limit, err, c.want)
		}
	}
}

// alien is a recipient that writes a stanza of another shape.
type alien struct {
	to *age.HybridRecipient
	as func(*age.Stanza) []*age.Stanza
}

func (a alien) Wrap(key []byte) ([]*age.Stanza, error) {
	s, err := a.to.Wrap(key)
	if err != nil {
		return nil, err
	}
	return a.as(s[0]), nil
}

// TestForeignHeaders shows headers that the age library accepts and we do not.
func TestForeignHeaders(t *testing.T) {
	t.Parallel()
	id := generate(t)
	classic, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	password, err := age.NewScryptRecipient("long enough")
	if err != nil {
		t.Fatal(err)
	}
	password.SetWorkFactor(1)
	change := func(as func(*age.Stanza) []*age.Stanza) []age.Recipient {
		return []age.Recipient{alien{id.age.Recipient(), as}}
	}
	for name, to := range map[string][]age.Recipient{
		"classic":  {classic.Recipient()},
		"password": {password},
		"classic beside hybrid": append(change(func(s *age.Stanza) []*age.Stanza { return []*age.Stanza{s} }),
			classic.Recipient()),
		"unknown stanza first": change(func(s *age.Stanza) []*age.Stanza {
			return []*age.Stanza{{Type: "grease"}, s}
		}),
		"unknown stanza last": change(func(s *age.Stanza) []*age.Stanza {
			return []*age.Stanza{s, {Type: "grease", Args: []string{"a"}, Body: make([]byte, 100)}}
		}),
		"second argument": change(func(s *age.Stanza) []*age.Stanza {
			s.Args = append(s.Args, "more")
			return []*age.Stanza{s}
		}),
		"no argument": change(func(s *age.Stanza) []*age.Stanza {
			s.Args = nil
			return []*age.Stanza{s}
		}),
		"short share": change(func(s *age.Stanza) []*age.Stanza {
			s.Args[0] = s.Args[0][:len(s.Args[0])-4]
			return []*age.Stanza{s}
		}),
		"long body": change(func(s *age.Stanza) []*age.Stanza {
			s.Body = append(s.Body, 1)
			return []*age.Stanza{s}
		}),
		"empty body": change(func(s *age.Stanza) []*age.Stanza {
			s.Body = nil
			return []*age.Stanza{s}
		}),
		"longer type": change(func(s *age.Stanza) []*age.Stanza {
			s.Type += "x"
			return []*age.Stanza{s}
		}),
	} {
		var b bytes.Buffer
		w, err := age.Encrypt(&b, to...)
		if err != nil {
			t.Fatalf("%s: age refuses to make it: %v", name, err)
		}
		_, err = w.Write([]byte("Ersuchen"))
		if err := errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
		if h, err := InspectHeader(b.Bytes(), MaxHeader); !errors.Is(err, ErrHeader) {
			t.Errorf("%s: InspectHeader = %+v, %v; want ErrHeader", name, h, err)
		}
		if _, err := openAll(t, b.Bytes(), id); !errors.Is(err, ErrHeader) {
			t.Errorf("%s: opening says %v, want ErrHeader", name, err)
		}
	}
}

func TestAlteredHeaderText(t *testing.T) {
	t.Parallel()
	id := generate(t)
	body, _ := sealed(t, []byte("Ersuchen"), id.Recipient())
	header := string(body[:headerSize(1)])
	shareEnd := introSize + len(opening) + 1494
	next := func(s string, at int) string { // the next digit of base64: the same bytes, with unused bits set
		return s[:at] + string(s[at]+1) + s[at+1:]
	}
	for name, text := range map[string]string{
		"empty":                "x",
		"other version":        strings.Replace(header, "v1", "v2", 1),
		"armor":                "-----BEGIN AGE ENCRYPTED FILE-----\n" + header,
		"CRLF":                 strings.ReplaceAll(header, "\n", "\r\n"),
		"space at line end":    strings.Replace(header, "\n--- ", " \n--- ", 1),
		"two spaces":           strings.Replace(header, "-> ", "->  ", 1),
		"tab":                  strings.Replace(header, "-> ", "->\t", 1),
		"empty line":           strings.Replace(header, "\n-> ", "\n\n-> ", 1),
		"no recipient":         header[:introSize] + header[introSize+stanzaSize:],
		"padding":              header[:len(header)-1] + "=\n",
		"short MAC":            header[:len(header)-2] + "\n\n",
		"no newline after MAC": header[:len(header)-1] + "x",
		"MAC without space":    strings.Replace(header, "--- ", "---", 1) + "A",
		"dashes only":          header[:introSize+stanzaSize] + "---\n" + strings.Repeat("A", 60),
		"unused bits in share": next(header, shareEnd-1),
		"unused bits in MAC":   next(header, len(header)-2),
		"newline in share":     header[:100] + "\n" + header[101:],
		"newlines in share":    header[:100] + "\n\n" + header[102:], // the digits that are left are whole bytes
		"return in share":      header[:100] + "\r" + header[101:],
		"zero in share":        header[:100] + "\x00" + header[101:],
		"url alphabet":         header[:100] + "_" + header[101:],
		"not ASCII":            header[:100] + "é" + header[102:],
	} {
		if h, err := InspectHeader([]byte(text), MaxHeader); !errors.Is(err, ErrHeader) {
			t.Errorf("%s: InspectHeader = %+v, %v; want ErrHeader", name, h, err)
		}
		if _, err := OpenStream(strings.NewReader(text+string(body[len(header):])), id); !errors.Is(err, ErrHeader) {
			t.Errorf("%s: OpenStream says %v, want ErrHeader", name, err)
		}
	}
}

// Sealed bytes that end inside their header have a wrong header.
func TestHeaderCutShort(t *testing.T) {
	t.Parallel()
	id := generate(t)
	body, _ := sealed(t, []byte("Ersuchen"), id.Recipient())
	for _, n := range []int{0, 1, introSize, introSize + 100, headerSize(1) - 1} {
		if _, err := openAll(t, body[:n], id); !errors.Is(err, ErrHeader) || errors.Is(err, ErrDamaged) {
			t.Errorf("cut after %d bytes: opening says %v, want ErrHeader", n, err)
		}
	}
}

func TestTooManyRecipientsInHeader(t *testing.T) {
	t.Parallel()
	id := generate(t)
	many := func(n int) []byte {
		var b bytes.Buffer
		to := make([]age.Recipient, n)
		for i := range to {
			to[i] = id.age.Recipient()
		}
		w, err := age.Encrypt(&b, to...)
		if err != nil {
			t.Fatal(err)
		}
		w.Close()
		return b.Bytes()
	}
	if h, err := InspectHeader(many(MaxRecipients), MaxHeader); err != nil || h.Size != MaxHeader {
		t.Errorf("%d recipients: %+v, %v", MaxRecipients, h, err)
	}
	body := many(MaxRecipients + 1)
	// MaxHeader bytes always get an answer, however generous the limit.
	if _, err := InspectHeader(body[:MaxHeader], 1<<30); !errors.Is(err, ErrHeader) {
		t.Errorf("%d recipients: InspectHeader says %v, want ErrHeader", MaxRecipients+1, err)
	}
	if _, err := openAll(t, body, id); !errors.Is(err, ErrHeader) {
		t.Errorf("%d recipients: opening says %v, want ErrHeader", MaxRecipients+1, err)
	}
}

func TestHeaderFromASlowSource(t *testing.T) {
	t.Parallel()
	ids, to := generateAll(t, 2)
	plain := plainOf(ChunkSize + 3)
	body, _ := sealed(t, plain, to...)
	for name, src := range map[string]io.Reader{
		"one byte": iotest.OneByteReader(bytes.NewReader(body)), "halves": iotest.HalfReader(bytes.NewReader(body)),
		"error with the data": iotest.DataErrReader(bytes.NewReader(body)),
	} {
		r, err := OpenStream(src, ids[1])
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

// FuzzInspectHeader compares our reading of the header with the library's: what
// we accept, it accepts, with the same end; and a prefix never contradicts the whole.
func FuzzInspectHeader(f *testing.F) {
	id, err := ParseIdentity(testIdentity)
	if err != nil {
		f.Fatal(err)
	}
	body, _ := sealed(f, []byte("Ersuchen"), id.Recipient())
	two, _ := sealed(f, nil, id.Recipient(), generate(f).Recipient())
	f.Add(body, 1000, MaxHeader)
	f.Add(two, 2000, MaxHeader)
	f.Add(body[:500], 22, 400)
	f.Add([]byte(intro+"-> X25519 AAAA\nAAAA\n--- AAAA\n"), 30, 100)
	f.Fuzz(func(t *testing.T, b []byte, cut, limit int) {
		h, err := InspectHeader(b, limit)
		switch {
		case err == nil:
			if h.Size > limit || h.Size > len(b) || h.Size != headerSize(h.Recipients) {
				t.Fatalf("%+v of %d bytes with limit %d", h, len(b), limit)
			}
			again, err := age.ExtractHeader(bytes.NewReader(b))
			if err != nil || !bytes.Equal(again, b[:h.Size]) {
				t.Fatalf("age reads another header: %d bytes, %v", len(again), err)
			}
		case errors.Is(err, ErrNeedMore):
			if len(b) >= limit || len(b) >= MaxHeader {
				t.Fatalf("ErrNeedMore for %d bytes with limit %d", len(b), limit)
			}
		case !errors.Is(err, ErrHeader):
			t.Fatalf("error %q is no ErrHeader", err)
		}
		if cut < 0 || cut > len(b) {
			return
		}
		short, errShort := InspectHeader(b[:cut], limit)
		if !errors.Is(errShort, ErrNeedMore) && (short != h || (errShort == nil) != (err == nil)) {
			t.Fatalf("%d bytes give %+v, %v; %d bytes give %+v, %v", cut, short, errShort, len(b), h, err)
		}
	})
}
