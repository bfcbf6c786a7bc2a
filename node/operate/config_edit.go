package operate

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"comity/crypto/keys"
	"comity/protocol"
)

// addToConfig names one more authority in the configuration, with the files of its
// passphrases. What an operator wrote into the file, comments too, stays. Whenever
// the power goes, either the old file is there or the new one.
func addToConfig(l Layout, c Config, a protocol.AuthorityID, files map[Holder]string) error {
	wanted := c
	wanted.Authorities = append(slices.Clone(c.Authorities), a)
	if len(files) > 0 {
		wanted.PassphraseFiles = maps.Clone(c.PassphraseFiles)
		if wanted.PassphraseFiles == nil {
			wanted.PassphraseFiles = map[Holder]string{}
		}
		maps.Copy(wanted.PassphraseFiles, files)
	}
	if err := wanted.validate(); err != nil {
		return err
	}
	before, err := os.ReadFile(l.Config())
	if err != nil {
		return err
	}
	text := edited(before, wanted.Authorities, files)
	var got Config
	if err := toml.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, wanted) {
		// Written in a way that is not understood here: then without the comments.
		if text, err = wanted.encode(); err != nil {
			return err
		}
	}
	return keys.Put(l.Config(), text)
}

var authoritiesLine = regexp.MustCompile(`(?m)^authorities\s*=\s*\[[^\]]*\]`)

// edited is a configuration with another list of authorities and more passphrase
// files, as text.
func edited(text []byte, all []protocol.AuthorityID, files map[Holder]string) []byte {
	names := make([]string, len(all))
	for i, a := range all {
		names[i] = "'" + string(a) + "'"
	}
	text = authoritiesLine.ReplaceAllLiteral(text, []byte("authorities = ["+strings.Join(names, ", ")+"]"))
	if len(files) == 0 {
		return text
	}
	var lines bytes.Buffer
	for _, h := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(&lines, "%s = '%s'\n", h, files[h]) // one with an apostrophe is found out by the caller
	}
	const table = "[passphrase_files]\n"
	if at := bytes.Index(text, []byte("\n"+table)); at >= 0 {
		return slices.Insert(text, at+1+len(table), lines.Bytes()...)
	}
	return append(append(text, "\n"+table...), lines.Bytes()...)
}
