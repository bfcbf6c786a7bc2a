package vectors

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"comity/crypto/merkle"
	"comity/protocol"
)

// witnessed writes cosignatures by a witness of its own below a checkpoint of the log of xb, and what that log sends to a witness.
// other is another checkpoint.
func (w *writer) witnessed(note, other []byte) {
	secret, ed, pq, err := merkle.GenerateKeypair("comity/witness/xc")
	c := must(merkle.ParseCosigner(must(secret, err)))
	w.file("cosignature/witness.vkeys", []byte(ed+"\n"+pq+"\n"))
	at := day.Add(5 * time.Hour)
	cut := func(lines []byte) [2]string {
		s := strings.SplitAfter(string(lines), "\n")
		return [2]string{s[0], s[1]}
	}
	now, later := cut(must(c.Cosign(note, at))), cut(must(c.Cosign(note, at.Add(time.Hour))))
	foreign := cut(must(c.Cosign(other, at)))
	for _, e := range []struct {
		name  string
		code  protocol.Code
		rule  string
		why   string
		lines string
	}{
		{"valid", "", "R-WIT-1", "both lines of the witness, of one time", now[0] + now[1]},
		{"lines-swapped", "", "R-WIT-2", "the order of the lines says nothing", now[1] + now[0]},
		{"without-mldsa44", protocol.BadSignature, "R-WIT-2", "the post-quantum line was taken off", now[0]},
		{"without-ed25519", protocol.BadSignature, "R-WIT-2", "the Ed25519 line was taken off", now[1]},
		{"two-times", protocol.BadSignature, "R-WIT-2", "its lines are of different times", now[0] + later[1]},
		{"of-another-checkpoint", protocol.BadSignature, "R-WIT-1", "it cosigned another checkpoint", foreign[0] + foreign[1]},
		{"same-line-twice", protocol.Malformed, "R-LOG-2", "one key signs once", now[0] + now[0] + now[1]},
	} {
		w.add("cosignature", "cosignature/"+e.name, e.code, e.rule, e.why,
			part{".note", []byte(string(note) + e.lines)}, part{"=cosignature/witness.vkeys", nil})
	}
	w.submissions(note)
}

func (w *writer) submissions(note []byte) {
	hash := merkle.Hash(protocol.Sum([]byte("a hash")))
	s := merkle.Submission{Old: 2, Proof: []merkle.Hash{hash, merkle.Hash(protocol.Sum([]byte("another")))}, Checkpoint: note}
	good := string(s.Marshal())
	many := s
	many.Proof = slices.Repeat(s.Proof[:1], merkle.MaxHashes+1)
	line := hash.String()
	for _, e := range []struct{ name, why, body string }{
		{"valid", "", good},
		{"first", "", string(merkle.Submission{Checkpoint: note}.Marshal())},
		{"size-with-zero", "a leading zero", strings.Replace(good, "old 2", "old 02", 1)},
		{"no-old-line", "the first line is missing", strings.TrimPrefix(good, "old 2\n")},
		{"no-empty-line", "nothing parts the proof from the note", strings.Replace(good, "\n\n", "\n", 1)},
		{"larger-than-checkpoint", "the old size is larger than the checkpoint", strings.Replace(good, "old 2", "old 1000", 1)},
		{"short-hash", "a hash of 30 bytes", strings.Replace(good, line, line[:40], 1)},
		{"too-many-hashes", "64 hashes", string(many.Marshal())},
		{"crlf", "carriage returns", strings.ReplaceAll(good, "\n", "\r\n")},
		{"extension", "the note has a fourth line", strings.Replace(good, "\n\n—", "\nextension\n\n—", 1)},
	} {
		code, why := protocol.Malformed, e.why
		if why == "" {
			code, why = "", "a checkpoint and the proof that it extends an older one"
		}
		if e.name == "first" {
			why = "the first submission to a witness has no proof"
		}
		w.add("submission", "submission/"+e.name, code, "R-WIT-4", why, part{".txt", []byte(e.body)})
	}
}

// cosignature: that the witness whose two keys stand in the second file cosigned the note.
func cosignature(files [][]byte) error {
	keys := bytes.Split(files[1], []byte("\n"))
	w, err := merkle.NewWitness(string(keys[0]), string(keys[1]))
	if err != nil {
		return err
	}
	_, err = w.Cosignature(files[0])
	return as(as(err, merkle.ErrCosignature, protocol.BadSignature), merkle.ErrCheckpoint, protocol.Malformed)
}

// submission: that the body of add-checkpoint has its form.
func submission(files [][]byte) error {
	_, _, err := merkle.ParseSubmission(files[0])
	return as(err, merkle.ErrSubmission, protocol.Malformed)
}
