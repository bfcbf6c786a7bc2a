package operate

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Who copies what store/README.md names has the whole node: a restore must not forget
// a federation, or a key.
func TestBackupNamesEveryFile(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "store", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "## What to back up")
	table, _, _ = strings.Cut(table, "\n\n`lock`")
	var named []string
	for _, row := range strings.Split(table, "\n") {
		if cells := strings.Split(row, "|"); len(cells) > 2 {
			for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1) {
				named = append(named, strings.ReplaceAll(m[1], "NAME", "*"))
			}
		}
	}
	l := Layout{"."}
	for _, file := range []string{
		l.Config(), l.Record(), l.Record() + ".asc", l.NodeFile("gateway.db"), l.NodeFile("sealed/1"), l.NodeFile(certificateFile), l.NodeFile(nodeKeyFile),
		l.NodeFile(tlsFile), l.NodeFile(formerTLSFile), l.NodeFile(logKeyFile), l.NodeFile(witnessKeyFile), l.OfficeFile("xa/court", "office.db"),
		l.OfficeFile("xa/court", "parcels/1"), l.OfficeFile("xa/court", certificateFile), l.OfficeFile("xa/court", actKeyFile), l.OfficeFile("xa/court", attestKeyFile),
		l.OfficeFile("xa/court", tlsFile), l.OfficeFile("xa/court", ageFolder+"/1"+identitySuffix), filepath.Join(l.Federation(), "settings.json"),
	} {
		if !isNamed(named, file) {
			t.Errorf("%s is in no row of the table in %q", file, named)
		}
	}
	if isNamed(named, l.Lock()) {
		t.Error("the table names everything")
	}
}

// isNamed reports whether a file, or a folder that it is in, is named.
func isNamed(named []string, file string) bool {
	for _, pattern := range named {
		folder, isFolder := strings.CutSuffix(pattern, "/")
		for at := filepath.ToSlash(file); at != "."; at = path.Dir(at) {
			if ok, err := path.Match(folder, at); ok && err == nil && (isFolder || at == filepath.ToSlash(file)) {
				return true
			}
		}
	}
	return false
}
