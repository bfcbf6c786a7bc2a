package hostile

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"

	"comity/protocol"
)

// Bomber sends documents that are small to write and dear to read.
var Bomber = Program{
	Name: "bomber", Does: "sends JSON that is deep, wide, long or repeats, and sealed tar archives that claim terabytes",
	Step: func(ctx context.Context, s *Session) error {
		round, i := s.step/(len(bombs)+1), s.step%(len(bombs)+1)-1
		if i < 0 {
			return s.tarBomb(ctx)
		}
		all, ok := s.kept.(map[int][]byte)
		if !ok {
			all = map[int][]byte{}
			s.kept = all
		}
		if all[i] == nil {
			all[i] = []byte(bombs[i].text())
		}
		path, method := "/v1/hello", http.MethodPost
		if round%2 == 1 {
			path, method = "/v1/parcels/"+protocol.Sum(all[i]).String(), http.MethodPut
		}
		a, err := s.call(ctx, method, path, nil, all[i])
		if err == nil && a.accepted() {
			return untrue("took %s at %s: %d", bombs[i].what, path, a.Status)
		}
		return err
	},
}

// hello is how a document must begin, so that its reader goes on.
const hello = `{"type":"comity/hello/v1","node":`

var bombs = []struct {
	what string
	text func() string
}{
	{"lists, a million levels deep", func() string { return hello + strings.Repeat("[", 1<<20) + "}\n" }},
	{"objects in objects", func() string { return hello + strings.Repeat(`{"type":`, 1<<17) + "}\n" }},
	{"an object with 100,000 members", func() string {
		var b strings.Builder
		b.WriteString(hello + `"xh"`)
		for i := range 100_000 {
			fmt.Fprintf(&b, `,"m%d":0`, i)
		}
		return b.String() + "}\n"
	}},
	{"one member 100,000 times", func() string {
		return hello + `"xh"` + strings.Repeat(`,"node":"xh"`, 100_000) + "}\n"
	}},
	{"a string of four megabytes", func() string { return hello + `"` + strings.Repeat("x", 4<<20) + "\"}\n" }},
	{"a number of a megabyte", func() string { return hello + strings.Repeat("9", 1<<20) + "}\n" }},
	{"half a million escapes", func() string { return hello + `"` + strings.Repeat(`\u0041`, 500_000) + "\"}\n" }},
	{"a record of seven megabytes", func() string {
		return hello + `"xh","time":"2026-01-01T00:00:00.000Z","record":{"document":"` + strings.Repeat(`{\"a\":`, 1<<20) + "\"}}\n"
	}},
	{"a list of 50,000 packets", func() string {
		return `{"type":"comity/packets/v1","packets":[` + strings.Repeat(`{},`, 50_000) + "{}]}\n"
	}},
}

// tarBomb delivers an archive whose first entry claims eight gibibytes. The
// gateway cannot know; the office must refuse it at little cost.
func (s *Session) tarBomb(ctx context.Context) error {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := w.WriteHeader(&tar.Header{Name: "manifest.json", Mode: 0o644, Size: 8 << 30, Format: tar.FormatPAX}); err != nil {
		return err
	}
	m, err := s.offered(append(archive.Bytes(), make([]byte, 4096)...), nil)
	if err != nil {
		return err
	}
	if a, err := s.call(ctx, http.MethodPut, m.path, nil, m.put); err != nil || !a.accepted() {
		return err
	}
	_, err = s.call(ctx, http.MethodPatch, m.path, appending(), m.body)
	return err
}
