package vectors

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"comity/crypto/merkle"
	"comity/crypto/pgp"
	"comity/protocol"
	"comity/protocol/era"
	"comity/protocol/exchange"
	"comity/protocol/record"
	"comity/protocol/statement"
)

// restored writes what a node that was restored from a backup hears and says (SPEC.md, section 13).
func (w *writer) restored() {
	xb := newCountry("xb", "State of Xb", "دولة إكسب", newOffice("xb/prosecution-service", "xb", "Prosecution Service", "النيابة العامة", pgp.Ed25519))
	xb.draft.Authorities = nil // to keep the files small
	xb.state = must(record.Verify(must(record.SignRecord(&xb.draft, xb.primary.Primary, made)), nil))
	xb.logged(xb.state.Signed(), made)
	note := string(xb.checkpoint(day))
	w.held(xb, note)
	w.eras(xb, note)
	w.copies()
}

func (w *writer) held(xb *country, note string) {
	h := exchange.Held{Record: xb.state.Signed(), Checkpoint: &note}
	g := compact(must(exchange.EncodeHeld(&h)))
	w.add("held", "restored/held", "", "R-OLD-2", "the asker's newest record and checkpoint", doc(g))
	h.Checkpoint = nil
	none := must(exchange.EncodeHeld(&h))
	w.add("held", "restored/held-no-checkpoint", "", "R-OLD-2", "no checkpoint of the asker was seen yet", doc(none))
	small := statement.Signed{Document: []byte("{}\n"), Signature: []byte("-\n")}
	g = must(exchange.EncodeHeld(&exchange.Held{Record: small}))
	for _, c := range []struct {
		name string
		code protocol.Code
		rule string
		why  string
		old  string
		now  string
	}{
		{"next-version", protocol.UnsupportedVersion, "R-DOC-3", "an answer of a version to come", "held/v1", "held/v2"},
		{"checkpoint-missing", protocol.Malformed, "R-DOC-4", "without a checkpoint the member is null, not absent", ",\n  \"checkpoint\": null", ""},
		{"no-record", protocol.Malformed, "R-OLD-2", "a node that holds no record of the asker does not know it", "{\n    \"document\": \"{}\\n\",\n    \"signature\": \"-\\n\"\n  }", "null"},
		{"of-another", protocol.Malformed, "R-OLD-2", "an answer is about the asker alone and names nobody", `"record"`, `"node": "xa", "record"`},
		{"long-checkpoint", protocol.Malformed, "R-DOC-6", "a checkpoint longer than its limit", `"checkpoint": null`, `"checkpoint": "` + strings.Repeat("x", protocol.MaxCheckpoint+1) + `"`},
	} {
		w.add("held", "restored/held-"+c.name, c.code, c.rule, c.why, doc(edit(w, g, c.old, c.now)))
	}
}

func (w *writer) eras(xb *country, note string) {
	s := era.Statement{
		Type: era.Type, Node: "xb", Log: protocol.LogOrigin("xb", 2), Previous: xb.log.Origin(), Restored: &note,
		Shown: []era.Shown{{Node: "xa", Checkpoint: string(xb.checkpoint(day.Add(time.Hour)))}}, Record: xb.state.Ref().Digest, Created: protocol.At(day.Add(2 * time.Hour)),
	}
	w.add("era", "restored/era", "", "R-OLD-2", "the first leaf of the second log of xb, with what the copy and a peer held of the first", doc(must(statement.Encode(&s))))
	s.Restored, s.Shown = nil, []era.Shown{}
	g := must(statement.Encode(&s))
	w.add("era", "restored/era-bare", "", "R-OLD-2", "the copy was of an earlier log still, and no peer showed more", doc(g))
	shown := strings.TrimSuffix(strings.Repeat(`{"node": "xa", "checkpoint": "c"},`, protocol.MaxShown+1), ",")
	for _, c := range []struct{ name, rule, why, old, now string }{
		{"same", "R-OLD-2", "a log follows one of an earlier era", `"log": "comity/log/xb/2"`, `"log": "comity/log/xb/1"`},
		{"back", "R-OLD-2", "a log follows one of an earlier era", `"previous": "comity/log/xb/1"`, `"previous": "comity/log/xb/3"`},
		{"other-node", "R-OLD-2", "the log of another node", `"log": "comity/log/xb/2"`, `"log": "comity/log/xa/2"`},
		{"era-zero", "R-LOG-2", "eras count from 1", `"previous": "comity/log/xb/1"`, `"previous": "comity/log/xb/0"`},
		{"no-record", "R-NAME-4", "the digest of the record is zero", xb.state.Ref().Digest.String(), strings.Repeat("0", 64)},
		{"too-many-shown", "R-OLD-2", "more checkpoints than MaxShown", `"shown": []`, `"shown": [` + shown + `]`},
		{"shown-missing", "R-DOC-4", "nothing shown is an empty list, not absent", "  \"shown\": [],\n", ""},
	} {
		w.add("era", "restored/era-"+c.name, protocol.Malformed, c.rule, c.why, doc(edit(w, g, c.old, c.now)))
	}
	w.add("era", "restored/era-next-version", protocol.UnsupportedVersion, "R-DOC-3", "a statement of a version to come", doc(edit(w, g, "era/v1", "era/v2")))
}

func (w *writer) copies() {
	packets := must(statement.DecodePackets(read(w.t, "exchange/wire/put.json"), 2*protocol.MaxPacket, 2))
	page := func(next int64, packets []statement.Packet) []byte {
		return compact(must(exchange.EncodeCopies(&exchange.Copies{Next: next, Packets: packets})))
	}
	w.add("copies", "restored/copies", "", "R-OLD-3", "an envelope and its SubmissionAcceptance, as of one parcel that the asker received", doc(page(42, packets)))
	w.add("copies", "restored/copies-end", "", "R-OLD-3", "nothing more", doc(page(41, nil)))
	small := statement.Packet{Signed: statement.Signed{Document: []byte("{}\n"), Signature: []byte("-\n")}}
	one := []statement.Packet{small}
	w.add("copies", "restored/copies-nowhere", protocol.Malformed, "R-OLD-3", "packets, and no position beyond the one that was asked for", doc(page(41, one)))
	w.add("copies", "restored/copies-back", protocol.Malformed, "R-OLD-3", "it leads back", doc(page(40, one)))
	w.add("copies", "restored/copies-too-many", protocol.TooLarge, "R-OLD-3", "more packets than MaxFeedPage", doc(page(42, slices.Repeat(one, protocol.MaxFeedPage+1))))
	g := page(42, one)
	w.add("copies", "restored/copies-next-version", protocol.UnsupportedVersion, "R-DOC-3", "a page of a version to come", doc(edit(w, g, "copies/v1", "copies/v2")))
	w.add("copies", "restored/copies-feed", protocol.Malformed, "R-DOC-3", "a page of the evidence feed", doc(edit(w, g, "copies/v1", "feed/v1")))
	w.add("copies", "restored/copies-next-missing", protocol.Malformed, "R-DOC-4", "no position", doc(edit(w, g, `"next":42,`, "")))
}

// tiles writes addresses of tiles, and the tiles of a log of 300 leaves.
func (w *writer) tiles() {
	for _, a := range []struct{ name, why, address string }{
		{"whole", "", "0/x001/x234/067"},
		{"partial", "", "1/000.p/17"},
		{"not-grouped", "the index is not in groups of three digits", "0/1234067"},
		{"first-group-zero", "a group of zeros before the others", "0/x000/067"},
		{"last-group-with-x", "an x before the last group", "0/x001/x067"},
		{"width-zero", "a tile of no hash", "0/000.p/0"},
		{"width-256", "a whole tile under the address of a part", "0/000.p/256"},
		{"width-with-zero", "a leading zero", "0/000.p/01"},
		{"level-64", "a level that no log reaches", "64/000"},
		{"entries", "leaves are not shown", "entries/000"},
	} {
		code, why := protocol.Malformed, a.why
		if why == "" {
			code, why = "", "the address of a tile behind /v1/log/tile/"
		}
		w.add("tile-address", "tile/"+a.name, code, "R-TILE-2", why, part{".txt", []byte(a.address)})
	}
	c := &country{log: must(merkle.GenerateLog(protocol.LogOrigin("xb", 1)))}
	for i := range 300 {
		c.leaves = append(c.leaves, must(merkle.StoredHashes(c.size, merkle.Leaf(protocol.Sum(fmt.Appendf(nil, "leaf %d", i))), c.leaves))...)
		c.size++
	}
	w.file("tile/log.note", c.checkpoint(day))
	tile := func(path string) []byte { return must(must(merkle.ParseTile(path)).Read(c.size, c.leaves)) }
	paths := []string{"0/000", "0/001.p/44", "1/000.p/1"}
	tiles := map[string][]byte{}
	for _, p := range paths {
		tiles[p] = tile(p)
	}
	add := func(name string, code protocol.Code, why string, change func(map[string][]byte)) {
		parts := []part{{"=tile/log.note", nil}}
		changed := map[string][]byte{}
		for p, b := range tiles {
			changed[p] = bytes.Clone(b)
		}
		if change != nil {
			change(changed)
		}
		for i, p := range paths {
			parts = append(parts, part{fmt.Sprintf("=tile/address-%d.txt", i), nil})
			if file := fmt.Sprintf("tile/%d.tile", i); bytes.Equal(changed[p], tiles[p]) {
				w.file(file, tiles[p])
				parts = append(parts, part{"=" + file, nil})
			} else {
				parts = append(parts, part{fmt.Sprintf("-%d.tile", i), changed[p]})
			}
			w.file(fmt.Sprintf("tile/address-%d.txt", i), []byte(p))
		}
		w.add("tiles", "tile/"+name, code, "R-TILE-2", why, parts...)
	}
	add("log", "", "the tiles that a checkpoint over 300 leaves calls for, each after its address", nil)
	add("altered", protocol.DigestMismatch, "a bit of a leaf's hash is another: its tile leads to another root", func(m map[string][]byte) { m["0/001.p/44"][31] ^= 1 })
	add("short", protocol.DigestMismatch, "a tile of a hash less", func(m map[string][]byte) { m["0/001.p/44"] = m["0/001.p/44"][32:] })
	add("swapped", protocol.DigestMismatch, "two hashes in each other's place", func(m map[string][]byte) {
		b := m["0/001.p/44"]
		copy(b, append(bytes.Clone(b[32:64]), b[:32]...))
	})
}

// tileAddress: what stands behind /v1/log/tile/ is the address of a tile.
func tileAddress(files [][]byte) error {
	_, err := merkle.ParseTile(string(files[0]))
	return as(err, merkle.ErrTile, protocol.Malformed)
}

// logTiles: a reader reads each leaf of a log out of its tiles, under the root of a checkpoint whose signatures are not looked at.
func logTiles(files [][]byte) error {
	_, c, err := merkle.ParseSubmission(merkle.Submission{Checkpoint: files[0]}.Marshal())
	if err != nil {
		return err
	}
	tiles := map[string][]byte{}
	for i := 1; i+1 < len(files); i += 2 {
		tiles[string(files[i])] = files[i+1]
	}
	r := merkle.TiledLog(c.Size, c.Root, func(t merkle.Tile) ([]byte, error) {
		b, ok := tiles[t.String()]
		if !ok {
			return nil, fmt.Errorf("no tile %s", t)
		}
		return b, nil
	})
	for size := int64(1); size <= c.Size; size++ {
		if _, err := merkle.Root(size, r); err != nil {
			return as(err, merkle.ErrTile, protocol.DigestMismatch)
		}
	}
	return nil
}
