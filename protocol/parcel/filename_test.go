package parcel

import (
	"strings"
	"testing"
)

// R-PCL-6: names in every script, and nothing that reads or stores differently elsewhere.
func TestCheckName(t *testing.T) {
	good := []string{
		"request.pdf", "a", ".profile", "no extension", "Ünïcode – naïve café.txt", "e\u0301.txt",
		"طلب المساعدة القانونية.pdf",      // Arabic
		"نامه\u200cها.pdf",                // Persian, with the non-joiner that its plural needs
		"अभ्युक्त क\u094d\u200dष.pdf",     // Hindi, with a joiner
		"അവന്\u200d.pdf",                  // Malayalam, a joiner at the end of the word
		"证据清单.pdf", "証拠 葛\U000e0100城.pdf", // Chinese; Japanese with a variant of a personal name
		"запрос о правовой помощи.docx", "בקשה.pdf", "คำร้องขอ.pdf", "❤\ufe0f.jpg",
		"Screenshot at 9.41\u202fAM.png", "annexe\u00a01.pdf", "a.b.c.tar.gz", "-rf", "~", "100%.txt", "console.txt", "com10.txt",
		"it's (final) [v2] {x} & #1; $5, a=b+c @home!^`.pdf",
		strings.Repeat("n", 255), strings.Repeat("ع", 127),
	}
	for _, name := range good {
		if err := CheckName(name); err != nil {
			t.Errorf("name %q: got %v, want it accepted", name, err)
		}
	}
	bad := []struct{ name, says string }{
		{"", "empty"},
		{strings.Repeat("n", 256), "256 bytes"},
		{strings.Repeat("ع", 128), "256 bytes"},
		{"a\xff.pdf", "UTF-8"},
		{"a\xed\xa0\x80", "UTF-8"},
		{".", "folder"},
		{"..", "folder"},
		{"...", "dot"},
		{"a.", "dot"},
		{" a", "begins with a space"},
		{"a ", "ends in a space"},
		{"\u00a0a", "begins with a space"},
		{"a\u3000", "ends in a space"},
		{" ", "begins with a space"},
		{"a/b", "\"/\" (U+002F)"},
		{`a\b`, "(U+005C)"},
		{"../a", "U+002F"},
		{`C:a`, "U+003A"},
		{"a<", "U+003C"},
		{"a>", "U+003E"},
		{`a"b`, "U+0022"},
		{"a|b", "U+007C"},
		{"a?", "U+003F"},
		{"a*", "U+002A"},
		{"a\x00b", "control"},
		{"a\nb", "U+000A"},
		{"a\tb", "U+0009"},
		{"a\x7f", "U+007F"},
		{"a\u0085b", "U+0085"},
		{"a\u2028b", "U+2028"},
		{"\u202efdp.exe", "direction"},
		{"a\u202ab", "direction"},
		{"a\u2066b\u2069", "direction"},
		{"a\u200eb", "direction"},
		{"طلب\u200f.pdf", "direction"},
		{"طلب\u061c.pdf", "direction"},
		{"a\u200bb", "seen"},
		{"\ufeffa", "seen"},
		{"a\u00adb", "seen"},
		{"a\u2060b", "seen"},
		{"a\u3164", "seen"},
		{"a\u2800b", "seen"},
		{"a\U000e0041", "seen"},
		{"a\ufffdb", "meaning"},
		{"a\uf8ff", "meaning"},
		{"a\ufdd0", "meaning"},
		{"a\uffff", "meaning"},
		{"a\U0001fffe", "meaning"},
		{"a\U0010ffff", "meaning"},
		{"a\u200cb", "U+200C"},
		{"\u200cنامه", "U+200C"},
		{"نامه\u200c\u200cها", "U+200C"},
		{"نامه \u200cها", "U+200C"},
		{"a\u200d", "U+200D"},
		{"a\ufe0f", "U+FE0F"},
		{"CON", "device"},
		{"con.txt", "device"},
		{"Nul .tar.gz", "device"},
		{"Nul\u00a0.tar.gz", "device"},
		{"con\u3000 .txt", "device"},
		{"com1", "device"},
		{"LPT¹.pdf", "device"},
		{"CONOUT$", "device"},
		{"aux.", "dot"},
	}
	for _, row := range bad {
		err := CheckName(row.name)
		if err == nil || !strings.Contains(err.Error(), row.says) {
			t.Errorf("name %q: got %v, want an error that says %q", row.name, err, row.says)
		}
	}
}

func TestRefusedPointsAscend(t *testing.T) {
	last := rune(-1)
	for _, r := range refusedPoints {
		if r.from <= last || r.to < r.from {
			t.Errorf("%U to %U follows %U", r.from, r.to, last)
		}
		last = r.to
	}
}

func TestNameKey(t *testing.T) {
	alike := [][2]string{
		{"Request.PDF", "request.pdf"},
		{"ÉTAT.txt", "état.txt"},
		{"ΣΑΣ", "σας"},
		{"Дело.pdf", "дело.PDF"},
		{"\u212aelvin", "kelvin"},
		{"a b", "a\u00a0b"},
		{"نامه\u200cها", "نامهها"},
		{"葛\U000e0100", "葛\U000e0101"},
	}
	for _, pair := range alike {
		if a, b := nameKey(pair[0]), nameKey(pair[1]); a != b {
			t.Errorf("%q and %q: got keys %q and %q, want one", pair[0], pair[1], a, b)
		}
	}
	for _, pair := range [][2]string{{"a", "b"}, {"résumé", "resume"}, {"a1", "a2"}, {"طلب", "طلبات"}, {"a b", "ab"}} {
		if nameKey(pair[0]) == nameKey(pair[1]) {
			t.Errorf("%q and %q: got one key, want two", pair[0], pair[1])
		}
	}
}

func TestSuggestName(t *testing.T) {
	for path, want := range map[string]string{
		"/home/officer/case 12/طلب.pdf": "طلب.pdf",
		"request.pdf":                   "request.pdf",
		"./scans/ page 1.tif ":          "page 1.tif",
		"ends in dots...":               "ends in dots",
		"dir/":                          "dir",
	} {
		if got, err := SuggestName(path); err != nil || got != want {
			t.Errorf("path %q: got %q (%v), want %q", path, got, err, want)
		}
	}
	for path, says := range map[string]string{
		"":                  "path of a file",
		"/":                 "path of a file",
		"..":                "path of a file",
		"/tmp/12:30.pdf":    `the character ":" (U+003A) is not allowed`,
		"/tmp/a\u202eb.pdf": `"a\u202eb.pdf" cannot be sent: the character U+202E`,
		"/tmp/aux.c":        "AUX is the name of a device",
		"a\xffb":            "UTF-8",
	} {
		if got, err := SuggestName(path); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("path %q: got %q (%v), want an error that says %q", path, got, err, says)
		}
	}
}
