package bundle

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html"
	"slices"
	"strings"
	"time"

	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/record"
)

// The cover sheet is written by hand and not by html/template, and its sentences
// are its own: a verifier must write every byte of it again years later, with
// whatever library then is current (R-BND-7). A change here, in a sentence or in
// the style, is a new version of the format.

// coverStyle prints well on A4 and Letter, in both directions of writing.
const coverStyle = `@page{margin:18mm}
body{font:15px/1.5 system-ui,sans-serif;color:#111;background:#fff;max-width:52em;margin:2em auto;padding:0 1em}
h1{font-size:1.6em;margin:0 0 .3em}
h2{font-size:1.15em;margin:1.6em 0 .5em;border-bottom:1px solid #999;break-after:avoid}
table{border-collapse:collapse;width:100%}
th,td{text-align:start;vertical-align:top;padding:.2em .6em .2em 0;border-bottom:1px solid #ddd}
th{font-weight:600;width:13em}
ol{padding-inline-start:1.6em}
ol>li{margin:0 0 1.1em;break-inside:avoid}
li p{margin:.15em 0}
code{font:.85em/1.4 ui-monospace,monospace;overflow-wrap:anywhere}
.time{font-weight:600}
.small{font-size:.87em;color:#333}
.note{border:1px solid #555;padding:.6em .9em;margin:.8em 0;break-inside:avoid}
@media print{body{margin:0;max-width:none;font-size:10.5pt}}
`

// sheet writes one cover sheet.
type sheet struct {
	strings.Builder
	x *examined
	t *texts
}

// cover renders the cover sheet. It says what the members say, and nothing that
// depends on anchors: whoever holds none renders the same bytes.
func (x *examined) cover() ([]byte, error) {
	t, ok := sheets[x.Language]
	if !ok {
		return nil, protocol.Refuse(protocol.Malformed, "there is no cover sheet in the language %s", protocol.Quote([]byte(x.Language)))
	}
	s := &sheet{x: x, t: t}
	s.head()
	s.sent()
	s.happened()
	s.notProven()
	s.records()
	s.line("</body>")
	s.line("</html>")
	if s.Len() > protocol.MaxCover {
		return nil, protocol.Refuse(protocol.TooLarge, "%d bytes, at most %d allowed", s.Len(), protocol.MaxCover)
	}
	return []byte(s.String()), nil
}

func (s *sheet) line(format string, args ...any) { fmt.Fprintf(s, format+"\n", args...) }

func (s *sheet) head() {
	sum := sha256.Sum256([]byte(coverStyle))
	s.line("<!DOCTYPE html>")
	s.line(`<html lang="%s" dir="%s">`, s.x.Language, s.t.direction)
	s.line("<head>")
	s.line(`<meta charset="utf-8">`)
	s.line(`<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-%s'">`, base64.StdEncoding.EncodeToString(sum[:]))
	s.line(`<meta name="viewport" content="width=device-width, initial-scale=1">`)
	s.line("<title>%s %s</title>", s.t.title, s.x.env.Parcel)
	s.line("<style>%s</style>", coverStyle)
	s.line("</head>")
	s.line("<body>")
	s.line("<h1>%s</h1>", s.t.title)
	if s.x.env.Test {
		s.line(`<p class="note"><strong>%s</strong></p>`, s.t.test)
	}
	s.line(`<p class="note">%s <bdi dir="ltr"><code>comity verify FILE --trust DIR</code></bdi></p>`, s.t.aid)
	s.line("<p>%s</p>", s.t.notQualified)
}

// row is one line of a table. value is HTML already.
func (s *sheet) row(name, value string) { s.line("<tr><th>%s</th><td>%s</td></tr>", name, value) }

func (s *sheet) sent() {
	env := s.x.env
	s.line("<h2>%s</h2>", s.t.whatWasSent)
	s.line("<table>")
	s.row(s.t.parcel, code(string(env.Parcel)))
	s.row(s.t.from, s.authority(env.From))
	s.row(s.t.to, s.authority(env.To))
	s.row(s.t.created, s.moment(env.Created.Time))
	s.row(s.t.expires, s.moment(env.Expires.Time))
	s.row(s.t.size, ltr(fmt.Sprintf("%d", env.Sealed.Size)))
	s.row(s.t.sealedDigest, code(env.Sealed.Digest.String()))
	s.row(s.t.envelopeDigest, code(s.x.Envelope.Digest().String()))
	s.row(s.t.manifestDigest, code(env.Manifest.Document.String()))
	if b := s.x.notBefore; b != nil {
		s.row(s.t.notBefore, fmt.Sprintf("%s<br><span class=\"small\">%s %s</span>", s.moment(b.Time), s.t.notBeforeBy, code(b.Origin)))
	}
	s.line("</table>")
}

// happened tells the story in the order of the times that the evidence claims.
func (s *sheet) happened() {
	s.line("<h2>%s</h2>", s.t.whatHappened)
	s.line("<ol>")
	facts := slices.Clone(s.x.facts)
	slices.SortStableFunc(facts, func(a, b *fact) int { return a.Time.Compare(b.Time.Time) })
	told := s.x.withdrawal == nil
	for _, f := range facts {
		if !told && s.x.withdrawal.Created.Before(f.Time.Time) {
			s.withdrawn()
			told = true
		}
		s.fact(f)
	}
	if !told {
		s.withdrawn()
	}
	s.line("</ol>")
}

func (s *sheet) fact(f *fact) {
	w := s.t.words(f.Evidence)
	s.line("<li>")
	s.line(`<p class="time">%s</p>`, s.moment(f.Time.Time))
	s.line("<p>%s</p>", w.says)
	if f.Reason != nil {
		s.line(`<p>%s %s <bdi>“%s”</bdi></p>`, s.t.reason, code(string(f.Reason.Code)), plain(f.Reason.Text))
	}
	s.line(`<p class="small">%s %s</p>`, s.t.doesNotSay, w.leavesOpen)
	s.line(`<p class="small">%s %s (%s) · %s %s<br>%s · SHA-256 %s</p>`,
		s.t.signedBy, code(f.Issuer.Name), s.t.roles[f.Issuer.Role], s.t.key, code(f.Issuer.Key.String()), f.Event, code(f.ref.Document.String()))
	s.mark(s.t.keyMarked, s.x.histories[f.Side().State()].compromised(f.Issuer.Key))
	for _, one := range f.sightings() {
		s.sighting(one)
	}
	if len(s.x.witnessed(f)) == 0 {
		s.line(`<p class="small">%s</p>`, s.t.notWitnessed)
	}
	s.line("</li>")
}

// sighting tells where the leaf stands and who else saw the log so.
func (s *sheet) sighting(one *sighting) {
	s.line(`<p class="small">%s %s · %s %s · %s</p>`,
		s.t.log, code(one.Origin), s.t.entry, ltr(fmt.Sprintf("%d / %d", one.index+1, one.Size)), s.moment(one.Time))
	s.mark(s.t.logMarked, s.x.histories.logMark(one))
	for _, c := range one.seen {
		text := s.t.cosigned
		if s.x.party(c.State) {
			text = s.t.cosignedByParty
		}
		s.line(`<p class="small">%s %s: %s</p>`, text, code(string(c.Node)), s.moment(c.Time))
		s.mark(s.t.witnessMarked, s.x.histories.markedBy(c))
	}
	for _, node := range one.broken {
		s.line(`<p class="small">%s %s</p>`, s.t.brokenWitness, code(string(node)))
	}
}

// mark tells of a mark that the records of the bundle make. Which verdict follows
// from it, with the anchors that a verifier holds, no sheet can know.
func (s *sheet) mark(text string, m *record.Compromised) {
	if m != nil {
		s.line(`<p class="small"><strong>%s %s; %s %s</strong></p>`, text, s.moment(m.Since.Time), s.t.markAnnounced, s.moment(m.Announced.Time))
	}
}

func (s *sheet) withdrawn() {
	w := s.x.withdrawal
	s.line("<li>")
	s.line(`<p class="time">%s</p>`, s.moment(w.Created.Time))
	s.line("<p>%s</p>", s.t.withdrawal)
	s.line(`<p class="small">%s %s · %s %s</p>`, s.t.signedBy, code(string(w.From)), s.t.key, code(w.Key.String()))
	s.mark(s.t.keyMarked, s.x.histories[w.From.State()].compromised(w.Key))
	s.line("</li>")
}

func (s *sheet) notProven() {
	s.line("<h2>%s</h2>", s.t.whatIsNotProven)
	s.line("<ul>")
	for _, one := range s.t.never {
		s.line("<li>%s</li>", one)
	}
	var missing []string
	for _, event := range s.x.missing() {
		missing = append(missing, code(string(event)))
	}
	if len(missing) > 0 {
		s.line("<li>%s %s</li>", s.t.missing, strings.Join(missing, " · "))
	}
	if s.x.FileKey == nil {
		s.line("<li>%s</li>", s.t.stillSealed)
	}
	s.line("</ul>")
}

func (s *sheet) records() {
	s.line("<h2>%s</h2>", s.t.whoseKeys)
	s.line("<p>%s</p>", s.t.compare)
	s.line("<table>")
	for _, signed := range s.x.Records {
		st := s.x.histories.at(signed.Digest())
		r := st.Record()
		s.row(fmt.Sprintf("%s %s %d", code(string(r.State)), s.t.record, r.Sequence),
			fmt.Sprintf("<bdi>%s</bdi><br>%s<br><span class=\"small\"><bdi dir=\"ltr\">%s</bdi></span>",
				nameIn(s.x.Language, r.Name), code(st.Ref().Digest.String()), strings.Join(st.Words(), " ")))
	}
	s.line("</table>")
}

// moment is a time in UTC and, when the sheet has one, in local time.
func (s *sheet) moment(at time.Time) string {
	const form = "2006-01-02 15:04:05.000"
	utc := ltr(at.UTC().Format(form) + " UTC")
	if s.x.Offset == UTC {
		return utc
	}
	return utc + " (" + ltr(at.In(s.x.Offset.zone()).Format(form)+" UTC"+string(s.x.Offset)) + ")"
}

// authority is its name in the sheet's language and its id.
func (s *sheet) authority(id protocol.AuthorityID) string {
	for _, st := range slices.Backward(s.x.histories[id.State()]) {
		if m, ok := st.Authority(id); ok {
			return fmt.Sprintf("<bdi>%s</bdi> · <bdi>%s</bdi> (%s)",
				nameIn(s.x.Language, m.Document().Name), nameIn(s.x.Language, st.Record().Name), code(string(id)))
		}
	}
	return code(string(id))
}

// nameIn picks a name in the language, else in English, else the first.
func nameIn(l Language, names []record.Name) string {
	for _, want := range []Language{l, English} {
		for _, n := range names {
			if n.Language == string(want) {
				return plain(n.Text)
			}
		}
	}
	if len(names) == 0 {
		return ""
	}
	return plain(names[0].Text)
}

// witnessed are third parties that saw the leaf of f, going by the bundle alone.
func (x *examined) witnessed(f *fact) (nodes []protocol.NodeID) {
	for _, s := range f.sightings() {
		for _, c := range s.seen {
			if !x.party(c.State) && x.histories.markedBy(c) == nil && !slices.Contains(nodes, c.Node) {
				nodes = append(nodes, c.Node)
			}
		}
	}
	return nodes
}

// missing are the steps of a transmission in which all goes well for which there
// is no evidence here.
func (x *examined) missing() (events []evidence.Event) {
	for _, e := range evidence.Events() {
		if !e.Rule().Negative && !slices.ContainsFunc(x.facts, func(f *fact) bool { return f.Event == e }) {
			events = append(events, e)
		}
	}
	return events
}

func ltr(s string) string { return `<bdi dir="ltr">` + html.EscapeString(s) + `</bdi>` }

func code(s string) string { return `<bdi dir="ltr"><code>` + plain(s) + `</code></bdi>` }

// plain makes foreign text safe to read: escaped, and what cannot be seen or
// turns the direction of reading is shown as its number. The list is fixed, as a
// table of some year's Unicode would not be.
func plain(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r < ' ', r >= 0x7F && r < 0xA0, r == 0xAD, r == 0x61C, r >= 0x200B && r <= 0x200F, r >= 0x2028 && r <= 0x202E,
			r >= 0x2060 && r <= 0x206F, r == 0xFEFF, r >= 0xE000 && r <= 0xF8FF, r >= 0xFFF0 && r <= 0xFFFF, r >= 0xE0000:
			fmt.Fprintf(&b, "[U+%04X]", r)
		default:
			b.WriteString(html.EscapeString(string(r)))
		}
	}
	return b.String()
}
