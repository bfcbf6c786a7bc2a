package envelope_test

import (
	"strings"
	"testing"
	"time"

	"comity/crypto/pgp"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/statement"

	"github.com/google/go-cmp/cmp"
)

const sample = `{
  "type": "comity/envelope/v1",
  "parcel": "019ab0f2-7c00-7e4d-8a55-3d5e0c2f9a01",
  "from": "xa/central-authority",
  "to": "xb/prosecution-service",
  "recipient_key": "77aa0000000000000000000000000000000000000000000000000000000000aa",
  "priority": "routine",
  "test": false,
  "sealed": {
    "size": 186880,
    "sha256": "0c9d000000000000000000000000000000000000000000000000000000000001",
    "recipients": 1
  },
  "manifest": {
    "sha256": "51be000000000000000000000000000000000000000000000000000000000002",
    "signature_sha256": "e6a0000000000000000000000000000000000000000000000000000000000003"
  },
  "created": "2026-11-23T10:00:02.120Z",
  "expires": "2026-12-23T10:00:02.120Z",
  "directory": null,
  "records": {
    "from": {
      "state": "xa",
      "sequence": 1,
      "sha256": "d4c2000000000000000000000000000000000000000000000000000000000004"
    },
    "to": {
      "state": "xb",
      "sequence": 2,
      "sha256": "8e19000000000000000000000000000000000000000000000000000000000005"
    }
  },
  "not_before": "comity/log/xb/1\n17\nAAAA\n\n— comity/log/xb/1 AAAA\n"
}
`

func parse(t *testing.T, text string) *envelope.Envelope {
	t.Helper()
	e, err := envelope.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestParseThenEncodeGivesTheSameBytes(t *testing.T) {
	e := parse(t, sample)
	doc, err := statement.Encode(e)
	if err != nil || string(doc) != sample {
		t.Errorf("error %v, got\n%s\nwant\n%s", err, doc, sample)
	}
	want := protocol.Key{From: "xa/central-authority", Parcel: "019ab0f2-7c00-7e4d-8a55-3d5e0c2f9a01", To: "xb/prosecution-service"}
	if e.Key() != want {
		t.Errorf("key %v, want %v", e.Key(), want)
	}
}

func TestParseTakes(t *testing.T) {
	for name, change := range map[string][2]string{
		"a first contact":      {`"comity/log/xb/1\n17\nAAAA\n\n— comity/log/xb/1 AAAA\n"`, `null`},
		"a large checkpoint":   {`17\nAAAA`, strings.Repeat("x", protocol.MaxCheckpoint-100)},
		"a directory":          {`"directory": null`, `"directory": {"version": 7, "sha256": "` + strings.Repeat("ab", 32) + `"}`},
		"a test":               {`"test": false`, `"test": true`},
		"the longest lifetime": {`2026-12-23T10:00:02.120Z`, `2027-05-22T10:00:02.120Z`},
		"the largest parcel":   {`186880`, `2199023255552`},
	} {
		text := strings.Replace(sample, change[0], change[1], 1)
		if _, err := envelope.Parse([]byte(text)); err != nil || text == sample {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	zero := strings.Repeat("0", 64)
	tests := []struct {
		name, old, new string
		code           protocol.Code // Malformed unless given
	}{
		{name: "another document", old: "comity/envelope/v1", new: "comity/evidence/v1"},
		{name: "another version", old: "comity/envelope/v1", new: "comity/envelope/v2", code: protocol.UnsupportedVersion},
		{name: "too long", old: `"routine"`, new: strings.Repeat(" ", protocol.MaxEnvelope) + `"routine"`, code: protocol.TooLarge},
		{name: "too large a checkpoint", old: `17\nAAAA`, new: strings.Repeat("x", protocol.MaxCheckpoint)},
		{name: "an empty checkpoint", old: `"comity/log/xb/1\n17\nAAAA\n\n— comity/log/xb/1 AAAA\n"`, new: `""`},
		{name: "a second recipient", old: `"priority"`, new: `"to": "xc/court", "priority"`},
		{name: "a list of recipients", old: `"xb/prosecution-service"`, new: `["xb/prosecution-service"]`},
		{name: "R-NAME-1 a name in Cyrillic", old: `"xa/central-authority"`, new: `"xа/central-authority"`},
		{name: "R-NAME-1 a path in a name", old: `"xa/central-authority"`, new: `"xa/../central"`},
		{name: "R-NAME-2 an id in capitals", old: `019ab0f2`, new: `019AB0F2`},
		{name: "R-NAME-2 an id of version 4", old: `7e4d`, new: `4e4d`},
		{name: "R-NAME-3 a time without milliseconds", old: `10:00:02.120Z`, new: `10:00:02Z`},
		{name: "R-NAME-4 a short digest", old: `"0c9d00`, new: `"0c9d`},
		{name: "an unknown priority", old: `"routine"`, new: `"Routine"`},
		{name: "no bytes", old: `186880`, new: `0`},
		{name: "fewer than no bytes", old: `186880`, new: `-186880`},
		{name: "too many bytes", old: `186880`, new: `2199023255553`, code: protocol.TooLarge},
		{name: "no recipients", old: `"recipients": 1`, new: `"recipients": 0`},
		{name: "too many recipients", old: `"recipients": 1`, new: `"recipients": 65`, code: protocol.TooLarge},
		{name: "a zero recipient key", old: "77aa0000000000000000000000000000000000000000000000000000000000aa", new: zero},
		{name: "a zero sealed digest", old: "0c9d000000000000000000000000000000000000000000000000000000000001", new: zero},
		{name: "a zero manifest", old: "51be000000000000000000000000000000000000000000000000000000000002", new: zero},
		{name: "a zero signature", old: "e6a0000000000000000000000000000000000000000000000000000000000003", new: zero},
		{name: "a zero record", old: "8e19000000000000000000000000000000000000000000000000000000000005", new: zero},
		{name: "R-ENV-5 expires at once", old: `2026-12-23T10:00:02.120Z`, new: `2026-11-23T10:00:02.120Z`},
		{name: "R-ENV-5 expires before", old: `2026-12-23T`, new: `2026-10-23T`},
		{name: "R-ENV-5 expires too late", old: `2026-12-23T10:00:02.120Z`, new: `2027-05-22T10:00:02.121Z`, code: protocol.TooLarge},
		{name: "R-ENV-5 expires millennia later", old: `2026-12-23T`, new: `9999-12-23T`, code: protocol.TooLarge},
		{name: "the sender's record of another state", old: `"state": "xa"`, new: `"state": "xb"`},
		{name: "the recipient's record of another state", old: `"state": "xb"`, new: `"state": "xc"`},
		{name: "a record number 0", old: `"sequence": 1`, new: `"sequence": 0`},
		{name: "a directory version 0", old: `"directory": null`, new: `"directory": {"version": 0, "sha256": "` + strings.Repeat("ab", 32) + `"}`},
		{name: "no directory member", old: `"directory": null,`, new: ``},
	}
	for _, tt := range tests {
		text := strings.Replace(sample, tt.old, tt.new, 1)
		if tt.code == "" {
			tt.code = protocol.Malformed
		}
		if _, err := envelope.Parse([]byte(text)); protocol.CodeOf(err) != tt.code || text == sample {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.code)
		}
	}
	// All that speaks of the recipient is changed: nothing else may contradict.
	itself := strings.NewReplacer(`"xb/prosecution-service"`, `"xa/central-authority"`, `"state": "xb"`, `"state": "xa"`).Replace(sample)
	if _, err := envelope.Parse([]byte(itself)); protocol.CodeOf(err) != protocol.Malformed {
		t.Errorf("to itself: got %v, want %s", err, protocol.Malformed)
	}
}

func TestCheckTimes(t *testing.T) {
	e := parse(t, sample)
	tests := []struct {
		name string
		now  time.Time
		want protocol.Code
	}{
		{"R-ENV-4 just within the skew", e.Created.Add(-protocol.MaxSkew), ""},
		{"R-ENV-4 from the future", e.Created.Add(-protocol.MaxSkew - time.Millisecond), protocol.ClockSkew},
		{"at once", e.Created.Time, ""},
		{"in the last millisecond", e.Expires.Add(-time.Millisecond), ""},
		{"R-ENV-8 at the end", e.Expires.Time, protocol.Expired},
		{"R-ENV-8 a year later", e.Expires.AddDate(1, 0, 0), protocol.Expired},
		{"in another zone", e.Created.In(time.FixedZone("", 7200)), ""},
	}
	for _, tt := range tests {
		if err := e.CheckTimes(tt.now); protocol.CodeOf(err) != tt.want {
			t.Errorf("%s: now %s: got %v, want %q", tt.name, tt.now, err, tt.want)
		}
	}
	e.Expires = e.Created
	if err := e.CheckTimes(e.Created.Time); protocol.CodeOf(err) != protocol.Malformed {
		t.Errorf("R-ENV-5: got %v, want %s", err, protocol.Malformed)
	}
}

func TestSign(t *testing.T) {
	e := parse(t, sample)
	made := e.Created.Time
	keys, err := pgp.Generate("node xa", pgp.Ed25519, 1, made.Add(-time.Hour), 0)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := e.Sign(keys.Subkeys[0], made)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Certificate.Verify(signed.Document, signed.Signature, keys.Subkeys[0].Digest(), made); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(e, parse(t, string(signed.Document))); diff != "" {
		t.Errorf("difference (-want +got):\n%s", diff)
	}
	e.Type = ""
	if _, err := e.Sign(keys.Subkeys[0], made); protocol.CodeOf(err) != protocol.Malformed {
		t.Errorf("without a type: got %v, want %s", err, protocol.Malformed)
	}
	e.Type = envelope.Type
	if _, err := e.Sign(nil, made); err == nil {
		t.Error("without a key: got no error")
	}
	e.Parcel = "1"
	if _, err := e.Sign(keys.Subkeys[0], made); err == nil {
		t.Error("with a parcel id of the wrong form: got no error")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte(strings.ReplaceAll(strings.ReplaceAll(sample, "\n", ""), "  ", "") + "\n"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		e, err := envelope.Parse(doc)
		if err != nil {
			if protocol.CodeOf(err) == "" {
				t.Fatalf("%q: %v is no refusal", doc, err)
			}
			return
		}
		again, err := statement.Encode(e)
		if err != nil {
			t.Fatalf("%q: taken but not written: %v", doc, err)
		}
		f, err := envelope.Parse(again)
		if diff := cmp.Diff(e, f); err != nil || diff != "" {
			t.Fatalf("%q: error %v, difference:\n%s", doc, err, diff)
		}
	})
}
