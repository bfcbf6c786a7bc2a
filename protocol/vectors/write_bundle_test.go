package vectors

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"comity/crypto/seal"
	"comity/protocol"
	"comity/protocol/bundle"
	"comity/protocol/parcel"
	"comity/protocol/statement"
)

// bundles writes bundles of the exchange, read back from its files, and hostile ones.
func (w *writer) bundles() {
	pair := func(name string) statement.Signed {
		return statement.Signed{Document: read(w.t, "exchange/"+name), Signature: read(w.t, "exchange/"+name+".asc")}
	}
	c := bundle.Contents{Language: bundle.English, Offset: bundle.UTC, Envelope: pair("envelope.json")}
	for _, e := range positive {
		name := "evidence-" + string(e.event)
		c.Evidence = append(c.Evidence, bundle.Evidence{Packet: statement.Packet{Signed: pair(name + ".json"), Proof: read(w.t, "exchange/"+name+".tlog-proof")}})
	}
	c.Records = []statement.Signed{pair("trust/xa-record.json"), pair("trust/xb-record.json")}
	tar := func(c bundle.Contents) part {
		var b bytes.Buffer
		if err := bundle.Write(&b, &c); err != nil {
			w.t.Fatal(err)
		}
		return part{".tar", b.Bytes()}
	}
	valid := tar(c)
	w.add("bundle", "bundle/valid", "", "R-BND-1", "the exchange of section 1, not yet witnessed", valid)

	whole := c
	sealed := read(w.t, "exchange/parcel.age")
	identity := must(seal.ParseIdentity(string(read(w.t, "exchange/identity.txt"))))
	key := must(seal.ReadFileKey(bytes.NewReader(sealed), seal.Identities{identity}))
	whole.Language, whole.Offset, whole.Parcel, whole.FileKey = bundle.Arabic, "+03:00", bytes.NewReader(sealed), &key
	w.add("bundle", "bundle/disclosed", "", "R-BND-9", "with the sealed parcel and its file key, the cover sheet in Arabic and with a local time", tar(whole))

	c.Evidence = c.Evidence[:1] // what follows needs no more
	w.hostileBundles(tar(c).data)

	stranger := newWorld()
	own := bundle.Contents{Language: bundle.English, Offset: bundle.UTC, Envelope: stranger.envelope}
	own.Evidence = []bundle.Evidence{{Packet: stranger.events[0]}}
	own.Records = []statement.Signed{stranger.xa.state.Signed(), stranger.xb.state.Signed()}
	w.add("bundle", "bundle/own-trust", protocol.Equivocation, "R-BND-5", "consistent in itself, with records that somebody made up for the same states", tar(own))
}

// hostileBundles are wrong in one way each.
func (w *writer) hostileBundles(tar []byte) {
	members, order := taken(tar)
	bad := func(name string, code protocol.Code, rule, why string, file []byte) {
		if bytes.Equal(file, tar) {
			w.t.Fatalf("%s is the valid one", name)
		}
		w.add("bundle", "bundle/"+name, code, rule, why, part{".tar", file})
	}
	with := func(name string, content []byte, order ...string) []byte {
		changed := maps.Clone(members)
		changed[name] = content
		return laid(tar, changed, order)
	}
	replaced := func(old, now string) []byte { return bytes.Replace(tar, []byte(old), []byte(now), 1) }

	bad("tail", protocol.BadContainer, "R-BND-1", "one zero behind the trailer", append(bytes.Clone(tar), 0))
	mode := bytes.Clone(tar)
	copy(mode[100:], "0000644\x00")
	checksum(mode[:512])
	bad("mode", protocol.BadContainer, "R-BND-1", "the first member has another mode", mode)
	bad("flipped", protocol.DigestMismatch, "R-BND-2", "one letter of the envelope is another", replaced(`"routine"`, `"routinE"`))
	swapped := append([]string{order[2], order[3]}, append([]string{order[0], order[1]}, order[4:]...)...)
	bad("order", protocol.BadContainer, "R-BND-2", "the evidence stands before the envelope", laid(tar, members, swapped))
	bad("without-proof", protocol.BadContainer, "R-BND-2", "an evidence without the proof of its leaf, and a list that does not ask for it", laid(tar, members, without(order, "evidence-SubmissionAcceptance.tlog-proof")))
	bad("unknown-member", protocol.BadContainer, "R-BND-2", "the list names a member that no bundle has", with("note.txt", []byte("hello\n"), append(order, "note.txt")...))
	spaced := bytes.Replace(tar, []byte("{\n  \"type\""), []byte("{\n   \"type\""), 1)
	copy(spaced[124:], fmt.Sprintf("%011o", indexSize(tar)+1))
	checksum(spaced[:512])
	at := 512 + indexSize(tar) + 1
	spaced = append(spaced[:at], spaced[at+1:]...) // a zero of the padding less
	bad("spaced", protocol.BadContainer, "R-BND-3", "the list has one space more, and says the same", spaced)
	bad("language", protocol.DigestMismatch, "R-BND-7", "the list calls the cover sheet a French one", replaced(`"language": "en"`, `"language": "fr"`))
	bad("cover", protocol.DigestMismatch, "R-BND-7", "the cover sheet says more than the evidence, and the list fits it",
		with("cover.html", bytes.Replace(members["cover.html"], []byte("</h1>"), []byte(" (accepted)</h1>"), 1), order...))
	bad("version", protocol.UnsupportedVersion, "R-DOC-3", "a bundle of a later version", replaced("comity/bundle/v1", "comity/bundle/v2"))
}

func without(order []string, name string) (rest []string) {
	for _, o := range order {
		if o != name {
			rest = append(rest, o)
		}
	}
	return rest
}

// indexSize is the size of the list at the beginning of a bundle.
func indexSize(tar []byte) (n int) {
	for _, c := range tar[124:135] {
		n = n<<3 | int(c-'0')
	}
	return n
}

// taken takes a bundle apart into its members but the list.
func taken(tar []byte) (members map[string][]byte, order []string) {
	members = map[string][]byte{}
	for at := 0; ; {
		name, _, _ := strings.Cut(string(tar[at:at+100]), "\x00")
		if name == "" {
			return members, order
		}
		size := indexSize(tar[at:])
		if at > 0 {
			members[name], order = tar[at+512:at+512+size], append(order, name)
		}
		at += 512 + size + int(parcel.Padding(int64(size)))
	}
}

// laid lays members out anew, with a list that fits them.
func laid(tar []byte, members map[string][]byte, order []string) (out []byte) {
	head, _, _ := strings.Cut(string(tar[512:512+indexSize(tar)]), `"members": [`)
	var list []string
	for _, name := range order {
		list = append(list, fmt.Sprintf("    {\n      \"path\": %s,\n      \"size\": %d,\n      \"sha256\": \"%s\"\n    }",
			must(json.Marshal(name)), len(members[name]), protocol.Sum(members[name])))
	}
	put := func(name string, b []byte) {
		out = append(parcel.AppendHeader(out, name, int64(len(b))), b...)
		out = append(out, make([]byte, parcel.Padding(int64(len(b))))...)
	}
	put("bundle.json", []byte(head+"\"members\": [\n"+strings.Join(list, ",\n")+"\n  ]\n}\n"))
	for _, name := range order {
		put(name, members[name])
	}
	return append(out, make([]byte, parcel.TrailerSize)...)
}
