package vectors

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// recipe is the shell script of SPEC.md, section 15: its blocks marked "sh both recipes" and "sh recipe", one after the other.
func recipe(t *testing.T) string {
	t.Helper()
	var script strings.Builder
	blocks := regexp.MustCompile("(?sm)^```sh (?:both recipes|recipe)\n(.*?)^```$").FindAllStringSubmatch(section(t, 15), -1)
	for _, b := range blocks {
		script.WriteString(b[1] + "\n")
	}
	if len(blocks) < 5 {
		t.Fatalf("SPEC.md has %d blocks of a recipe", len(blocks))
	}
	return script.String()
}

// stockTools makes sure that the recipe's programs are there. In CI their absence is a failure, elsewhere a loud skip.
func stockTools(t *testing.T) {
	t.Helper()
	missing := ""
	for _, tool := range []string{"sh", "age", "gpgv", "sqv", "jq", "tar", "awk", "basenc", "sha256sum"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing += " " + tool
		}
	}
	if out, err := exec.CommandContext(t.Context(), "age", "--version").Output(); missing == "" && (err != nil || !modern(string(out))) {
		missing = fmt.Sprintf(" age 1.3.0 or newer (have %q)", out)
	}
	if missing == "" {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("the recipe for stock tools needs%s, and CI must not skip it", missing)
	}
	t.Skipf("SKIPPED, NOTHING WAS PROVED: the recipe for stock tools needs%s", missing)
}

func modern(version string) bool {
	var major, minor int
	_, err := fmt.Sscanf(strings.TrimPrefix(version, "v"), "%d.%d", &major, &minor)
	return err == nil && (major > 1 || major == 1 && minor >= 3)
}

// follow runs the recipe as it stands, with a shell that has only what a person would set.
func follow(t *testing.T, out, identity string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh")
	cmd.Stdin = strings.NewReader(recipe(t))
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "OUT="+out, "IDENTITY="+identity, "TMPDIR="+cmd.Dir, "GNUPGHOME="+cmd.Dir)
	said, err := cmd.CombinedOutput()
	return string(said), err
}

// A person with stock tools and SPEC.md checks the exchange, and notices when something in it was changed.
func TestRecipe(t *testing.T) {
	stockTools(t)
	swap := func(name, old, now string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			t.Helper()
			path := filepath.Join(dir, name)
			b := read(t, path)
			if !bytes.Contains(b, []byte(old)) {
				t.Fatalf("%s does not hold %q", name, old)
			}
			if err := os.WriteFile(path, bytes.Replace(b, []byte(old), []byte(now), 1), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	move := func(from, to string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			t.Helper()
			for _, suffix := range []string{".json", ".json.asc"} {
				if err := os.WriteFile(filepath.Join(dir, to+suffix), read(t, from+suffix), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	sealed := func(t *testing.T, dir string) {
		t.Helper()
		path := filepath.Join(dir, "parcel.age")
		b := read(t, path)
		b[len(b)-1] ^= 1
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name   string
		change func(t *testing.T, dir string)
		want   string // in what it says
	}{
		{"untouched", nil, "everything agrees"},
		{"record", swap("trust/xa-record.json", "State of Xa", "State of Xo"), "xa-record.json.asc"},
		{"certificate", swap("trust/xb-node.gpg", "Node xb", "Node xc"), "differ"},
		{"envelope", swap("envelope.json", "-7e4d-", "-7e4e-"), "envelope.json.asc"},
		{"sealed bytes", sealed, "parcel.age is not what the envelope announces"},
		{"evidence", swap("evidence-RelayAcceptance.json", ".310Z", ".311Z"), "evidence-RelayAcceptance.json.asc"},
		{"evidence of another", move("evidence/other-envelope", "evidence-RelayAcceptance"), "about another transmission"},
		{"wrong role", move("evidence/acknowledged-by-machine", "evidence-ConsignmentAcceptance"), "does not count as act"},
		{"expired key", move("evidence/expired-key", "evidence-RelayAcceptance"), "does not count as node"},
		{"another key than named", move("evidence/other-key-than-named", "evidence-RelayAcceptance"), "another key than it names"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "an export")
			if err := os.CopyFS(dir, os.DirFS("exchange")); err != nil {
				t.Fatal(err)
			}
			if test.change != nil {
				test.change(t, dir)
			}
			said, err := follow(t, dir, filepath.Join(dir, "identity.txt"))
			if (err == nil) != (test.change == nil) || !strings.Contains(said, test.want) {
				t.Errorf("%s: %v, want it to say %q; it said\n%s", test.name, err, test.want, said)
			}
		})
	}
}

// The sender's side has no key: it leaves the identity empty, and the recipe ends well after step 5 without opening anything.
func TestRecipeWithoutIdentity(t *testing.T) {
	stockTools(t)
	t.Parallel()
	dir, err := filepath.Abs("exchange")
	if err != nil {
		t.Fatal(err)
	}
	said, err := follow(t, dir, "")
	if err != nil || !strings.Contains(said, "steps 1 to 5 agree") || strings.Contains(said, "plaintext") {
		t.Errorf("without an identity: %v, want it to end after step 5; it said\n%s", err, said)
	}
}
