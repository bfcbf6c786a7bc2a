package torchwood_test

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"comity/crypto/merkle"
)

// publishedIn is the version whose published examples are read, and not built, since it asks for a newer Go than ours; publishedSum is
// its digest as go.sum writes it.
const (
	publishedIn  = "filippo.io/torchwood@v0.10.0"
	publishedSum = "h1:zgBIImawK53X7lM0qHKcjn0pbDtFLqU04NU9qDvBnjs="
)

// published reads one file of that version.
func published(t *testing.T, name string) string {
	t.Helper()
	// The command fails for the version of Go, after it has fetched and verified the archive, and says all the same where that lies.
	said, failed := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", publishedIn).Output()
	var module struct{ Zip, Sum string }
	if err := json.Unmarshal(said, &module); err != nil || module.Sum != publishedSum {
		t.Fatalf("%s cannot be had: %v, %v, sum %q, want %q", publishedIn, failed, err, module.Sum, publishedSum)
	}
	archive := must(zip.OpenReader(module.Zip))
	defer func() { _ = archive.Close() }()
	file := must(archive.Open(publishedIn + "/" + name))
	defer func() { _ = file.Close() }()
	return string(must(io.ReadAll(file)))
}

// A checkpoint of a log with an ML-DSA-44 key, as it was published with litewitness: its signature is one for our verifier too. It bears
// the time 0, "nothing is said of time", which no log of ours may (R-LOG-2), so that is what it is refused for, and what the same line
// with one byte altered is not. An Ed25519 line, which it has not, is added by a key of the test.
func TestPublishedMLDSACheckpoint(t *testing.T) {
	text := published(t, "cmd/litewitness/testdata/mldsa.txt")
	const origin = "example.com/mldsa-log"
	key := regexp.MustCompile(regexp.QuoteMeta(origin) + `\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+`).FindString(text)
	line := regexp.MustCompile(`(?m)^— ` + regexp.QuoteMeta(origin) + ` [A-Za-z0-9+/=]+\n`).FindString(text)
	body := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(origin) + `\n([0-9]+)\n([A-Za-z0-9+/=]{44})\n$`).FindStringSubmatch(text)
	if key == "" || line == "" || body == nil {
		t.Fatal("the published checkpoint is not where it was")
	}
	if body[1] != "1" {
		t.Fatalf("it is of a tree of %s leaves", body[1])
	}
	var root merkle.Hash
	copy(root[:], must(base64.StdEncoding.DecodeString(body[2])))

	s := must(merkle.GenerateLog(origin))
	head, lines, _ := bytes.Cut(must(s.Checkpoint(1, root, time.Now())), []byte("\n\n"))
	classic, _, _ := bytes.Cut(lines, []byte("\n"))
	classicKey, _ := s.VerifierKeys()
	v := must(merkle.NewVerifier(origin, classicKey, key))
	note := func(quantum string) []byte { return []byte(string(head) + "\n\n" + string(classic) + "\n" + quantum) }

	if _, err := v.Checkpoint(note(line)); err == nil || !strings.Contains(err.Error(), "time 0 s") {
		t.Errorf("the published line: %v, want a refusal of its time alone", err)
	}
	altered := line[:200] + string(line[200]^1) + line[201:]
	if _, err := v.Checkpoint(note(altered)); err == nil || strings.Contains(err.Error(), "time 0 s") {
		t.Errorf("the published line with one letter altered: %v, want a refusal of the signature", err)
	}
}
