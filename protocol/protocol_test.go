package protocol_test

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"comity/protocol"
)

// grammar lists what each kind of text takes and refuses, by the names of SPEC.md.
var grammar = []struct {
	name  string
	into  func() encoding.TextUnmarshaler
	take  []string
	leave []string
}{
	{
		name:  "R-NAME-1 state",
		into:  func() encoding.TextUnmarshaler { return new(protocol.StateID) },
		take:  []string{"xa", "zz"},
		leave: []string{"", "x", "xab", "XA", "x1", "xa\n", " xa", "хa"},
	},
	{
		name:  "R-NAME-1 node",
		into:  func() encoding.TextUnmarshaler { return new(protocol.NodeID) },
		take:  []string{"xa", "xa-north", "xa-1-2-3", "xa-0123456789abcdef"},
		leave: []string{"", "x", "xa-", "xa--1", "xa-North", "xa-1-2-3-4", "xa-0123456789abcdefg", "xa/north", "xa-é", "xa-north\n"},
	},
	{
		name: "R-NAME-1 authority",
		into: func() encoding.TextUnmarshaler { return new(protocol.AuthorityID) },
		take: []string{"xa/central-authority", "xb/c", "xb/1", "xa/" + strings.Repeat("a", 61)},
		leave: []string{
			"", "xa", "xa/", "/central", "xa/-a", "xa/a-", "xa/a--b", "xa/A", "xa/a b", "xa/a/b", "xa/..", "xa/a.b", "xa/a_b", "xab/a",
			"xa/state", "xa/node", "xa/record", "xa/log", "xa/\u0430", "xa/a\x00", "xa/a\n", "xa/" + strings.Repeat("a", 62),
		},
	},
	{
		name: "R-NAME-2 parcel",
		into: func() encoding.TextUnmarshaler { return new(protocol.ParcelID) },
		take: []string{"019ab0f2-7c00-7e4d-8a55-3d5e0c2f9a01", "019ab0f2-7c00-7e4d-ba55-3d5e0c2f9a01"},
		leave: []string{
			"", "019AB0F2-7c00-7e4d-8a55-3d5e0c2f9a01", "{019ab0f2-7c00-7e4d-8a55-3d5e0c2f9a01}", "019ab0f27c007e4d8a553d5e0c2f9a01",
			"urn:uuid:019ab0f2-7c00-7e4d-8a55-3d5e0c2f9a01", "019ab0f2-7c00-4e4d-8a55-3d5e0c2f9a01", "019ab0f2-7c00-7e4d-0a55-3d5e0c2f9a01",
			"019ab0f2-7c00-7e4d-ca55-3d5e0c2f9a01", "00000000-0000-0000-0000-000000000000", "019ab0f2-7c00-7e4d-8a55-3d5e0c2f9a0g", "../../../../etc/passwd",
		},
	},
	{
		name:  "R-NAME-2 case",
		into:  func() encoding.TextUnmarshaler { return new(protocol.CaseID) },
		take:  []string{"6f2b7c1e-0d5a-4c8e-9b1f-2f8f3f0a7a11", "019ab0f2-7c00-7e4d-8a55-3d5e0c2f9a01"},
		leave: []string{"", "6F2B7C1E-0d5a-4c8e-9b1f-2f8f3f0a7a11", "00000000-0000-0000-0000-000000000000", "6f2b7c1e0d5a4c8e9b1f2f8f3f0a7a11"},
	},
	{
		name: "R-NAME-3 time",
		into: func() encoding.TextUnmarshaler { return new(protocol.Time) },
		take: []string{"2026-11-23T10:00:00.000Z", "2024-02-29T23:59:59.999Z", "9999-12-31T23:59:59.999Z", "0000-01-01T00:00:00.000Z"},
		leave: []string{
			"", "2026-11-23T10:00:00Z", "2026-11-23T10:00:00.00Z", "2026-11-23T10:00:00.0000Z", "2026-11-23T10:00:00,000Z", "2026-11-23t10:00:00.000z",
			"2026-11-23 10:00:00.000Z", "2026-11-23T10:00:00.000+00:00", "2026-11-23T10:00:00.000", "2026-02-29T10:00:00.000Z", "2026-13-01T10:00:00.000Z",
			"2026-11-23T24:00:00.000Z", "2026-11-23T23:59:60.000Z", "2026-11-23T1:00:00.000Z", "12026-11-23T10:00:00.000Z", "-026-11-23T10:00:00.000Z", "null",
		},
	},
	{
		name: "R-NAME-4 digest",
		into: func() encoding.TextUnmarshaler { return new(protocol.Digest) },
		take: []string{strings.Repeat("0123456789abcdef", 4), strings.Repeat("0", 64)},
		leave: []string{
			"", strings.Repeat("0", 63), strings.Repeat("0", 65), strings.Repeat("A", 64), strings.Repeat("g", 64), "0x" + strings.Repeat("0", 62),
			strings.Repeat("0", 63) + "\n",
		},
	},
	{
		name:  "priority",
		into:  func() encoding.TextUnmarshaler { return new(protocol.Priority) },
		take:  []string{"routine", "urgent", "emergency"},
		leave: []string{"", "Routine", "normal", "urgent "},
	},
	{
		name:  "reason code",
		into:  func() encoding.TextUnmarshaler { return new(protocol.Code) },
		take:  []string{"malformed", "policy", "withdrawn"},
		leave: []string{"", "Malformed", "because", "malformed "},
	},
}

func TestGrammar(t *testing.T) {
	for _, g := range grammar {
		for _, text := range g.take {
			v := g.into()
			if err := v.UnmarshalText([]byte(text)); err != nil {
				t.Errorf("%s: %q: %v", g.name, text, err)
			}
			if got := textOf(v); got != text {
				t.Errorf("%s: %q came out as %q", g.name, text, got)
			}
		}
		for _, text := range g.leave {
			if err := g.into().UnmarshalText([]byte(text)); protocol.CodeOf(err) != protocol.Malformed {
				t.Errorf("%s: %q: got %v, want %s", g.name, text, err, protocol.Malformed)
			}
		}
	}
}

// textOf returns the text of the value that v points to.
func textOf(v any) string {
	if m, ok := v.(encoding.TextMarshaler); ok {
		b, err := m.MarshalText()
		return string(b) + map[bool]string{true: fmt.Sprint(err)}[err != nil]
	}
	b, _ := json.Marshal(v)
	return strings.Trim(string(b), `"`)
}

func FuzzGrammar(f *testing.F) {
	for _, g := range grammar {
		for _, text := range slices.Concat(g.take, g.leave) {
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, g := range grammar {
			v := g.into()
			err := v.UnmarshalText([]byte(text))
			if err == nil && textOf(v) != text {
				t.Errorf("%s: %q came out as %q", g.name, text, textOf(v))
			}
			if err != nil && len(err.Error()) > 1000 {
				t.Errorf("%s: an error of %d bytes", g.name, len(err.Error()))
			}
		}
		if node, era, err := protocol.ParseLogOrigin(text); err == nil && protocol.LogOrigin(node, era) != text {
			t.Errorf("log origin %q came out as %q", text, protocol.LogOrigin(node, era))
		}
	})
}

func TestNamesKnowTheirState(t *testing.T) {
	authority := protocol.AuthorityID("xa/central-authority")
	if authority.State() != "xa" || authority.Name() != "central-authority" {
		t.Errorf("%s: state %q, name %q", authority, authority.State(), authority.Name())
	}
	for node, want := range map[protocol.NodeID]protocol.StateID{"xa": "xa", "xa-north": "xa", "": "", "x": "x"} {
		if got := node.State(); got != want {
			t.Errorf("node %q: state %q, want %q", node, got, want)
		}
	}
	key := protocol.Key{From: authority, Parcel: "019ab0f2-7c00-7e4d-8a55-3d5e0c2f9a01", To: "xb/prosecution-service"}
	if got, want := key.String(), "xa/central-authority 019ab0f2-7c00-7e4d-8a55-3d5e0c2f9a01 xb/prosecution-service"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNewIDsAreTaken(t *testing.T) {
	parcel, err := protocol.NewParcelID()
	var p protocol.ParcelID
	if err != nil || p.UnmarshalText([]byte(parcel)) != nil || p != parcel {
		t.Errorf("parcel id %q, error %v", parcel, err)
	}
	dossier, err := protocol.NewCaseID()
	var c protocol.CaseID
	if err != nil || c.UnmarshalText([]byte(dossier)) != nil || c != dossier {
		t.Errorf("case id %q, error %v", dossier, err)
	}
	if other, _ := protocol.NewParcelID(); other == parcel {
		t.Errorf("the same parcel id twice: %s", parcel)
	}
}

func TestLogOrigin(t *testing.T) {
	for _, origin := range []string{"comity/log/xa/1", "comity/log/xb-north/12", "comity/log/xb/999999999"} {
		node, era, err := protocol.ParseLogOrigin(origin)
		if err != nil || protocol.LogOrigin(node, era) != origin {
			t.Errorf("%s: node %q, era %d, error %v", origin, node, era, err)
		}
	}
	for _, origin := range []string{
		"", "comity/log/", "comity/log/xa", "comity/log/xa/", "comity/log/xa/0", "comity/log/xa/-1", "comity/log/xa/+1", "comity/log/xa/01", "comity/log/xa/1/",
		"comity/log/xa/1000000000", "comity/log/xa/99999999999999999999", "comity/log/XA/1", "log/xa/1", "xa/1", "comity/log/xa/1\n",
	} {
		if node, era, err := protocol.ParseLogOrigin(origin); protocol.CodeOf(err) != protocol.Malformed {
			t.Errorf("%q: got node %q, era %d, error %v, want %s", origin, node, era, err, protocol.Malformed)
		}
	}
}

// TestTimesHaveOneForm: whichever way a time is written, it is the same text,
// and no other way of reading takes another.
func TestTimesHaveOneForm(t *testing.T) {
	const want = "2026-11-23T10:00:00.123Z"
	at := protocol.At(time.Date(2026, 11, 23, 12, 0, 0, 123_999_999, time.FixedZone("", 7200)))
	text, err := at.MarshalText()
	if err != nil || string(text) != want || at.String() != want || fmt.Sprint(at) != want {
		t.Errorf("text %s, string %s, error %v, want %s", text, at, err, want)
	}
	data, err := json.Marshal(struct{ T protocol.Time }{at})
	if got := string(data); err != nil || got != `{"T":"`+want+`"}` {
		t.Errorf("JSON %s, error %v", got, err)
	}
	var back protocol.Time
	if err := json.Unmarshal([]byte(`"`+want+`"`), &back); err != nil || back != at {
		t.Errorf("read back %v, error %v, want %v", back, err, at)
	}
	for _, data := range []string{`"2026-11-23T10:00:00Z"`, `"2026-11-23T12:00:00.123+02:00"`, `1`, `"`, `null`} {
		if err := back.UnmarshalJSON([]byte(data)); protocol.CodeOf(err) != protocol.Malformed {
			t.Errorf("%s: got %v, want %s", data, err, protocol.Malformed)
		}
	}
	for _, year := range []int{-1, 10000} {
		if text, err := protocol.At(time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)).MarshalText(); err == nil {
			t.Errorf("year %d was written as %s", year, text)
		}
	}
}

func TestWindow(t *testing.T) {
	from := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	w := protocol.Window{From: protocol.At(from), Until: protocol.At(from.Add(time.Hour))}
	for after, want := range map[time.Duration]bool{
		-time.Nanosecond: false, 0: true, time.Hour - time.Nanosecond: true, time.Hour: false,
	} {
		if got := w.Contains(from.Add(after)); got != want {
			t.Errorf("%s after its beginning: %v, want %v", after, got, want)
		}
	}
	if (protocol.Window{}).Contains(time.Time{}) {
		t.Error("an empty window contains an instant")
	}
}

func TestPriorityRank(t *testing.T) {
	order := []protocol.Priority{protocol.Emergency, protocol.Urgent, protocol.Routine}
	for i, p := range order {
		if p.Rank() != i {
			t.Errorf("%s has rank %d, want %d", p, p.Rank(), i)
		}
	}
}

func TestDigest(t *testing.T) {
	d := protocol.Sum(nil)
	const want = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	if d.String() != want || d.Short() != want[:12] || d.IsZero() || !(protocol.Digest{}).IsZero() {
		t.Errorf("digest %s, short %s", d, d.Short())
	}
	if back, err := protocol.ParseDigest(want); err != nil || back != d {
		t.Errorf("read back %s, error %v", back, err)
	}
}

func TestRefusalsKeepTheirCode(t *testing.T) {
	err := fmt.Errorf("taking the envelope of xa: %w", protocol.Refuse(protocol.Expired, "expired %d days ago", 3))
	if got := protocol.CodeOf(err); got != protocol.Expired {
		t.Errorf("code %q, want %q", got, protocol.Expired)
	}
	if want := "taking the envelope of xa: expired: expired 3 days ago"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	if got := protocol.CodeOf(errors.New("disk full")); got != "" {
		t.Errorf("an ordinary error has the code %q", got)
	}
	if got := protocol.CodeOf(nil); got != "" {
		t.Errorf("no error has the code %q", got)
	}
	for _, code := range protocol.Codes() {
		var back protocol.Code
		if err := back.UnmarshalText([]byte(code)); err != nil || back != code {
			t.Errorf("code %s: %v", code, err)
		}
	}
}

func TestQuoteIsSafeToShow(t *testing.T) {
	for _, text := range []string{"plain é", "\x1b[2J", "a\nb", "\u202egnp.exe", "\xff\xfe", strings.Repeat("x", 1000), strings.Repeat("é", 1000)} {
		got := protocol.Quote([]byte(text))
		if len(got) > 12*protocol.MaxQuote || strings.ContainsAny(got, "\x1b\n\u202e") || !strings.HasPrefix(got, `"`) {
			t.Errorf("Quote(%.20q) = %q", text, got)
		}
	}
	if got := protocol.Quote([]byte("plain é")); got != `"plain é"` {
		t.Errorf("got %s", got)
	}
}

// TestLimitsFitTogether: what a limit allows inside, the limit around it allows.
func TestLimitsFitTogether(t *testing.T) {
	for name, fits := range map[string]bool{
		"a checkpoint in an envelope":     protocol.MaxCheckpoint+8<<10 <= protocol.MaxEnvelope,
		"a checkpoint in a proof":         protocol.MaxCheckpoint+64*45 <= protocol.MaxProof,
		"an envelope in a packet":         2*(protocol.MaxEnvelope+protocol.MaxSignature) <= protocol.MaxPacket,
		"a record in an introduction":     2*protocol.MaxRecord < protocol.MaxIntroduction,
		"a certificate in an entry":       protocol.MaxCertificate*4/3 < protocol.MaxAuthorityEntry,
		"a reason in an evidence":         6*protocol.MaxReasonText < protocol.MaxEvidence,
		"9,999 files in a manifest":       protocol.MaxFiles*(protocol.MaxFileName*4+400) <= protocol.MaxManifest,
		"an authority in a text":          protocol.MaxAuthorityName <= protocol.MaxString,
		"the default lifetime in the max": protocol.DefaultLifetime <= protocol.MaxLifetime,
		"a file in a parcel":              protocol.MaxFileSize < protocol.MaxSealed,
		"the largest size in JSON":        protocol.MaxSealed < 1<<53,
	} {
		if !fits {
			t.Errorf("%s does not fit", name)
		}
	}
}
