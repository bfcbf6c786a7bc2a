package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"strings"
)

// The page, its style and its script. Places in braces are filled here.
var (
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageCSS string
	//go:embed page.js
	pageJS string
)

// assemble makes one file of all parts. The policy in it names each of them by
// its digest and allows nothing else: no other script, no style, no image, and
// no connection whatever the script may try.
func assemble(program, glue []byte) ([]byte, error) {
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(program); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	// In a script of its own, so that the policy's digest covers the program too.
	carried := `const comityProgram = "` + base64.StdEncoding.EncodeToString(packed.Bytes()) + `";`
	scripts := []string{string(glue), carried, pageJS}
	policy := "default-src 'none'; script-src 'wasm-unsafe-eval'"
	for _, s := range scripts {
		if strings.Contains(strings.ToLower(s), "</script") || strings.Contains(s, "<!--") {
			return nil, fmt.Errorf("a script holds what would end it in HTML")
		}
		policy += " " + digest(s)
	}
	policy += "; style-src " + digest(pageCSS) + "; connect-src 'none'; base-uri 'none'; form-action 'none'; " +
		"require-trusted-types-for 'script'; trusted-types 'none'"
	page := strings.NewReplacer(
		"{policy}", policy, "{style}", pageCSS, "{glue}", scripts[0], "{program}", scripts[1], "{script}", scripts[2],
	).Replace(pageHTML)
	return []byte(page), nil
}

// digest is how a policy names a script or a style.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
