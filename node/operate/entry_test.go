package operate

import (
	"strings"
	"testing"

	"comity/protocol/record"

	"github.com/google/go-cmp/cmp"
)

// What an editor does to the ends of a file changes nothing; what a person
// misspells is refused, and the member is named.
func TestReadEntryFile(t *testing.T) {
	written := &EntryFile{Type: EntryType, Authority: "xa/central-authority", Name: []record.Name{{Language: "en", Text: "Central Authority"}}}
	written.Particulars.Competences = []record.Competence{{Instrument: "UNTOC", Articles: []string{"16"}, Functions: []record.Term{"extradition"}}}
	written.Particulars.Hours = &record.Hours{Zone: "Europe/Madrid"}
	data, err := written.Encode()
	if err != nil {
		t.Fatal(err)
	}
	file := string(data)
	for name, edited := range map[string]string{
		"as written": file, "without its last line end": strings.TrimSpace(file), "with more of them": file + "\n\n",
		"marked as UTF-8": "\xEF\xBB\xBF" + file, "with the line ends of another system": strings.ReplaceAll(file, "\n", "\r\n"),
	} {
		read, err := ReadEntryFile([]byte(edited))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		again, err := read.Encode()
		if diff := cmp.Diff(file, string(again)); diff != "" || err != nil {
			t.Errorf("%s: read and written again, %v (-want +got):\n%s", name, err, diff)
		}
	}
	for _, c := range []struct{ old, now, says string }{
		{`"extradition"`, `"extraditon"`, `there is no function "extraditon"; there are mutual-legal-assistance, extradition,`},
		{`"kinds": []`, `"kinds": ["REQEST"]`, `"particulars.kinds.0": not in the list of kinds; there are CONSULTATION_OPEN, CONSULTATION_NOTE,`},
		{`"Europe/Madrid"`, `"Europe/Madird"`, `there is no time zone "Europe/Madird"`},
		{`"16"`, `"Article 16"`, `article "Article 16": want a form like 18`},
		{`"channels": [`, `"channels": [{"channel": "pigeon", "urgent_only": false, "address": null}`, `there is no channel "pigeon"`},
		{`"territory"`, `"teritory"`, `"particulars.teritory"`},
		{`"xa/central-authority"`, `"xa/central authority"`, `want a form like xa/central-authority`},
		{EntryType, "comity/authority/v2", "entry"},
		{file, "", "want an object"},
	} {
		_, err := ReadEntryFile([]byte(strings.Replace(file, c.old, c.now, 1)))
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want it to say %s", c.now, err, c.says)
		}
	}
}
