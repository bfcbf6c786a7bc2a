package vectors

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/parcel"

	"github.com/google/go-cmp/cmp"
)

// section returns one section of SPEC.md, by its number.
func section(t *testing.T, n int) string {
	t.Helper()
	_, rest, ok := strings.Cut(string(read(t, "../SPEC.md")), fmt.Sprintf("\n## %d. ", n))
	if !ok {
		t.Fatalf("SPEC.md has no section %d", n)
	}
	text, _, _ := strings.Cut(rest, "\n## ")
	return text
}

// rows returns the cells of the table rows that match, without their back quotes.
func rows(text, first string) (all [][]string) {
	for _, line := range regexp.MustCompile(`(?m)^\| `+first+` \|.*\|$`).FindAllString(text, -1) {
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.Trim(strings.TrimSpace(cells[i]), "`")
		}
		all = append(all, cells)
	}
	return all
}

// Section 16 is the limits of limits.go, by name and value, in its order.
func TestLimits(t *testing.T) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "../limits.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	config := types.Config{Importer: importer.ForCompiler(fset, "source", nil)}
	pkg, err := config.Check("comity/protocol", fset, []*ast.File{file}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, name := range pkg.Scope().Names() {
		c, ok := pkg.Scope().Lookup(name).(*types.Const)
		if !ok {
			continue
		}
		n, exact := constant.Int64Val(constant.ToInt(c.Val()))
		if !exact {
			t.Fatalf("%s is not an integer", name)
		}
		want[name] = strconv.FormatInt(n, 10)
		if c.Type().String() == "time.Duration" {
			want[name] = strconv.FormatInt(n/int64(time.Second), 10) + " s"
		}
	}
	got := map[string]string{}
	for _, cells := range rows(section(t, 16), `[A-Z]\w+`) {
		if _, twice := got[cells[0]]; twice {
			t.Errorf("%s stands twice in the table", cells[0])
		}
		got[cells[0]] = strings.ReplaceAll(cells[1], ",", "")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the table of section 16 (-limits.go +SPEC.md):\n%s", diff)
	}
}

// Section 17 is the closed list of reason codes.
func TestReasonCodes(t *testing.T) {
	var got []protocol.Code
	for _, cells := range rows(section(t, 17), "`[a-z-]+`") {
		got = append(got, protocol.Code(cells[0]))
	}
	want := protocol.Codes()
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the table of section 17 (-code +SPEC.md):\n%s", diff)
	}
}

// Section 10 says who signs which event as evidence.Rule does (R-EVID-1).
func TestEvents(t *testing.T) {
	var got, want []string
	for _, cells := range rows(section(t, 10), "`[A-Za-z]+`") {
		got = append(got, cells[0]+": "+cells[1])
	}
	for _, e := range evidence.Events() {
		side := "receiving"
		if e.Rule().Sender {
			side = "sending"
		}
		want = append(want, fmt.Sprintf("%s: %s, %s", e, side, e.Rule().Role))
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the table of section 10 (-code +SPEC.md):\n%s", diff)
	}
}

// Section 7 lists the kinds in their groups.
func TestKinds(t *testing.T) {
	_, table, _ := strings.Cut(section(t, 7), "| group | kinds |\n")
	var got, want []string
	for _, cells := range rows(strings.SplitN(table, "\n\n", 2)[0], "[A-Z][a-z]+") {
		got = append(got, cells[0]+": "+strings.ReplaceAll(cells[1], "`", ""))
	}
	for _, g := range parcel.KindGroups() {
		var kinds []string
		for _, k := range g.Kinds {
			kinds = append(kinds, string(k))
		}
		want = append(want, g.Name+": "+strings.Join(kinds, ", "))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the kinds of section 7 (-code +SPEC.md):\n%s", diff)
	}
}

// Section 1 tells the exchange of exchange/: what stands there is in the files, but for white space and what is cut (…).
func TestExampleIsTheExchange(t *testing.T) {
	text := section(t, 1)
	blocks := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(text, -1)
	files := [][]byte{
		member(t, "container/valid.tar", "manifest.json"), read(t, "exchange/envelope.json"), read(t, "exchange/evidence-RelayAcceptance.json"),
	}
	if len(blocks) != len(files) {
		t.Fatalf("section 1 shows %d documents, want %d", len(blocks), len(files))
	}
	space := regexp.MustCompile(`\s+`)
	for i, b := range blocks {
		parts := strings.Split(space.ReplaceAllString(b[1], ""), "…")
		for j := range parts {
			parts[j] = regexp.QuoteMeta(parts[j])
		}
		got := space.ReplaceAllString(string(files[i]), "")
		if !regexp.MustCompile(`(?s)^` + strings.Join(parts, ".*?") + `$`).MatchString(got) {
			t.Errorf("document %d of section 1 is not the one of the exchange, which is\n%s", i+1, files[i])
		}
	}
	address := protocol.Sum(files[1]).String()[:4]
	for _, want := range []string{"PUT   /v1/parcels/" + address + "…", "PATCH /v1/parcels/" + address + "…"} {
		if !strings.Contains(text, want) {
			t.Errorf("section 1 does not say %q", want)
		}
	}
}

// member returns the content of an entry of a container, which is small.
func member(t *testing.T, file, name string) []byte {
	t.Helper()
	b := read(t, file)
	for at := 0; at < len(b) && b[at] != 0; {
		size, err := strconv.ParseInt(string(b[at+124:at+135]), 8, 64)
		if err != nil {
			t.Fatal(err)
		}
		if strings.TrimRight(string(b[at:at+100]), "\x00") == name {
			return b[at+512:][:size]
		}
		at += 512 + int(size+511)/512*512
	}
	t.Fatalf("%s has no %s", file, name)
	return nil
}
