// Package anchors reads what an auditor holds: a folder with one introduction
// for each state, called STATE.json, whose words somebody compared with that
// state over another channel (SPEC.md, R-BND-5), and perhaps a policy that says
// which witnesses must have cosigned (R-BND-10). Other files in it are left alone.
package anchors

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"comity/protocol"
	"comity/protocol/bundle"
)

// Read reads the folder. A folder without an anchor is an error: whoever names
// one means to check identities.
func Read(dir string) (*bundle.Trust, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read the anchors: %w", err)
	}
	files, held := map[string][]byte{}, false
	for _, e := range entries {
		anchor := strings.HasSuffix(e.Name(), ".json") && !strings.HasPrefix(e.Name(), ".")
		if !anchor && e.Name() != "policy" {
			continue
		}
		held = held || anchor
		if files[e.Name()], err = read(filepath.Join(dir, e.Name())); err != nil {
			return nil, err
		}
	}
	if !held {
		return nil, fmt.Errorf("%s holds no anchor: the introduction of each state belongs there, as STATE.json", dir)
	}
	trust, err := bundle.ParseTrust(files)
	if err != nil {
		return nil, fmt.Errorf("anchor %s: %w", dir, err)
	}
	return trust, nil
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read an anchor: %w", err)
	}
	defer f.Close() // only read from
	data, err := io.ReadAll(io.LimitReader(f, protocol.MaxIntroduction+1))
	if err != nil {
		return nil, fmt.Errorf("read anchor %s: %w", path, err)
	}
	return data, nil // ParseTrust refuses what is too long
}

// Check verifies the bundle file at path. trust may be nil.
func Check(path string, trust *bundle.Trust, o bundle.Options) (*bundle.Report, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read from
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", path)
	}
	return bundle.Verify(f, info.Size(), trust, o)
}
