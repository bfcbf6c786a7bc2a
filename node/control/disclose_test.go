package control

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"comity/crypto/merkle"
	"comity/node/operate"
	"comity/protocol"
	"comity/protocol/disclosure"
	"comity/protocol/evidence"
	"comity/store"
)

// opened is a client of a node without a network, and the node itself.
func opened(t *testing.T, dir string) (*Client, *operate.Node) {
	t.Helper()
	node, err := operate.Open(t.Context(), dir, operate.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	c := inProcess(node)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c, node
}

// R-DISC-5: an answer about one parcel has nothing of any other: of all that the
// store knows, no other salt, digest, id or party stands in it, in any spelling.
func TestADisclosureTellsOfNothingElse(t *testing.T) {
	dir, _ := newNode(t, "xa", "xa/central-authority", "xa/court-of-appeal")
	_, xb := newNode(t, "xb", "xb/prosecution-service", "xb/district-court")
	c, node := opened(t, dir)
	pin(t, c, xb)
	var sent []*Sent
	for i, to := range [][]protocol.AuthorityID{{"xb/prosecution-service"}, {"xb/prosecution-service", "xb/district-court"}, {"xb/district-court"}} {
		d := draft(write(t, "letter.txt", strings.Repeat("letter ", i+1)))
		d.To, d.As = to, "xa/central-authority"
		if i == 2 {
			d.As = "xa/court-of-appeal"
		}
		sent = append(sent, send(t, c, d))
	}
	g := node.Gateway.Store
	rows, err := g.OutboundList(t.Context(), store.Filter{})
	if err != nil || len(rows) != 4 {
		t.Fatalf("%d rows, %v; want 4", len(rows), err)
	}
	var asked store.Outbound
	for _, row := range rows {
		if row.Key.Parcel == sent[0].Parcel {
			asked = row
		}
	}
	envelope := asked.Envelope.Digest()
	answer, err := c.Disclose(t.Context(), "", disclosure.Query{Envelope: &envelope}, nil, false)
	if err != nil || !answer.Found || len(answer.Events) != 1 || answer.Events[0] != evidence.SubmissionAcceptance {
		t.Fatalf("%+v, %v; want a SubmissionAcceptance", answer, err)
	}
	in := spellings(t, []byte(answer.File))
	if !in.has(envelope[:]) || !in.has([]byte(asked.Key.To)) {
		t.Fatal("the search does not find what is there")
	}
	forbidden := map[string][]byte{"the other office": []byte("xa/court-of-appeal"), "the other recipient": []byte("xb/district-court")}
	for _, row := range rows {
		if row.Key == asked.Key {
			continue
		}
		name := row.Key.String()
		for what, d := range map[string]protocol.Digest{
			"envelope of": row.Envelope.Digest(), "envelope's signature of": protocol.Sum(row.Envelope.Signature), "sealed bytes of": row.Sealed.Digest,
		} {
			forbidden[what+" "+name] = d[:]
		}
		forbidden["id of "+name] = []byte(row.Key.Parcel)
		list, err := g.Evidence(t.Context(), row.Key)
		if err != nil || len(list) == 0 {
			t.Fatal(err)
		}
		for _, e := range list {
			proof, err := merkle.ParseProof(e.Proof, protocol.MaxProof)
			if err != nil {
				t.Fatal(err)
			}
			forbidden["salt of "+name], forbidden["evidence of "+name], forbidden["signature of "+name] = proof.Salt[:], proof.Document[:], proof.Signature[:]
		}
	}
	records, err := g.Records(t.Context())
	if err != nil || len(records) != 2 {
		t.Fatal(err)
	}
	for _, r := range records {
		d, s := r.Signed.Digest(), protocol.Sum(r.Signed.Signature)
		forbidden["signature of the record of "+string(r.State)] = s[:]
		if !r.Own { // the evidence names the one under which its key counts
			forbidden["record of "+string(r.State)] = d[:]
		}
	}
	for what, b := range forbidden {
		if in.has(b) {
			t.Errorf("the answer has the %s", what)
		}
	}
	if len(forbidden) < 20 {
		t.Errorf("only %d things were searched for", len(forbidden))
	}
}

// spelled is a file with every stretch in it that is base64 or hexadecimal, as
// the bytes that it stands for, whatever the stretch begins with.
type spelled [][]byte

func (s spelled) has(b []byte) bool {
	for _, one := range s {
		if bytes.Contains(one, b) {
			return true
		}
	}
	return false
}

func spellings(t *testing.T, file []byte) (all spelled) {
	t.Helper()
	var texts []string
	d := json.NewDecoder(bytes.NewReader(file))
	for {
		token, err := d.Token()
		if err != nil {
			break
		}
		if text, ok := token.(string); ok {
			texts = append(texts, text)
		}
	}
	texts = append(texts, string(file))
	for _, text := range texts {
		all = append(all, []byte(text))
		for _, run := range regexp.MustCompile(`[0-9a-fA-F]{16,}`).FindAllString(text, -1) {
			for from := range 2 {
				b, _ := hex.DecodeString(run[from:])
				all = append(all, b)
			}
		}
		for _, run := range regexp.MustCompile(`[0-9A-Za-z+/\n]{20,}`).FindAllString(text, -1) {
			run = strings.ReplaceAll(run, "\n", "")
			for from := range min(4, len(run)) {
				piece := run[from:]
				b, _ := base64.RawStdEncoding.DecodeString(piece[:len(piece)/4*4])
				all = append(all, b)
			}
		}
	}
	return all
}

// R-DISC-4: where nothing matches, the file has the question and nothing else,
// whatever else the node knows.
func TestADisclosureOfNothingSaysOnlyThat(t *testing.T) {
	c := pinned(t)
	sent := send(t, c, draft(write(t, "letter.txt", "letter")))
	unknown := protocol.Sum([]byte("unknown"))
	for name, q := range map[string]disclosure.Query{
		"an unknown envelope": {Envelope: &unknown},
		"the right parcel with other bytes": {
			Parcel: &sent.Parcel, From: ptr(protocol.AuthorityID("xa/central-authority")), To: ptr(protocol.AuthorityID("xb/prosecution-service")), Sealed: &unknown,
		},
	} {
		answer, err := c.Disclose(t.Context(), "", q, []evidence.Event{evidence.RelayAcceptance}, false)
		if err != nil || answer.Found || answer.Way != nil {
			t.Errorf("%s: %+v, %v; want nothing found", name, answer, err)
			continue
		}
		want, err := disclosure.Encode(q, nil)
		if err != nil || answer.File != string(want) {
			t.Errorf("%s: the file is\n%s\nwant\n%s", name, answer.File, want)
		}
	}
}

func ptr[T any](v T) *T { return &v }

// A question that fits two recipients is not answered: the answer would tell of
// the one who was not asked for.
func TestAnAmbiguousQuestionIsAskedAgain(t *testing.T) {
	dir, _ := newNode(t, "xa", "xa/central-authority")
	_, xb := newNode(t, "xb", "xb/prosecution-service", "xb/district-court")
	c, node := opened(t, dir)
	pin(t, c, xb)
	d := draft(write(t, "letter.txt", "letter"))
	d.To = []protocol.AuthorityID{"xb/prosecution-service", "xb/district-court"}
	send(t, c, d)
	rows, err := node.Gateway.Store.OutboundList(t.Context(), store.Filter{})
	if err != nil || len(rows) != 2 {
		t.Fatal(err)
	}
	sealed := rows[0].Sealed.Digest
	_, err = c.Disclose(t.Context(), "", disclosure.Query{Sealed: &sealed}, nil, false)
	wantCode(t, "one sealed body to two", err, Ambiguous)
	answer, err := c.Disclose(t.Context(), "", disclosure.Query{Sealed: &sealed, To: &rows[0].Key.To}, nil, false)
	if err != nil || !answer.Found || strings.Contains(answer.File, string(rows[1].Key.To)) {
		t.Errorf("asked again: %v, found %v", err, answer)
	}
	_, err = c.Disclose(t.Context(), "", disclosure.Query{To: &rows[0].Key.To}, nil, false)
	wantCode(t, "a recipient is no question", err, Usage)
	_, err = c.Disclose(t.Context(), "", disclosure.Query{Sealed: &sealed, To: &rows[0].Key.To}, []evidence.Event{evidence.RelayAcceptance}, false)
	wantCode(t, "evidence that is not here", err, NotFound)
}
