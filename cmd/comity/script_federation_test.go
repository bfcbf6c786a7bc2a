package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"comity/node/federation"
	"comity/protocol/record"
	"comity/protocol/statement"
)

// scriptFederation: "federation FOLDER ROOTWORDS INTRODUCTION..." has the stewards of a
// federation publish the records in these files; the first time they found it, and
// the variable gets the words of its root. Their keys stand beside the folder.
func scriptFederation(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: federation FOLDER ROOTWORDS INTRODUCTION...")
	}
	dir, now := ts.MkAbs(args[0]), time.Now()
	key := func(name string) *federation.Key {
		path := dir + "." + name + ".key"
		text, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			k, err := federation.GenerateKey()
			ts.Check(err)
			text, err = k.Marshal()
			ts.Check(err)
			ts.Check(os.WriteFile(path, text, 0o600))
		} else {
			ts.Check(err)
		}
		k, err := federation.ParseKey(text)
		ts.Check(err)
		return k
	}
	roots, editions, online := []*federation.Key{key("root1"), key("root2")}, []*federation.Key{key("edition1"), key("edition2")}, key("online")
	signed := func(draft []byte, err error, by []*federation.Key) []byte {
		ts.Check(err)
		for _, k := range by {
			draft, err = federation.Sign(draft, k)
			ts.Check(err)
		}
		return draft
	}
	r, err := federation.NewRepository(dir)
	ts.Check(err)
	if !federation.IsDirectory(dir) {
		stewards := func(keys []*federation.Key) federation.Stewards {
			return federation.Stewards{Keys: []federation.PublicKey{keys[0].Public(), keys[1].Public()}, Threshold: 2}
		}
		draft, err := r.DraftRoot(federation.Charter{Root: stewards(roots), Edition: stewards(editions), Online: online.Public()}, now)
		ts.Check(r.PublishRoot(signed(draft, err, roots), now))
	}
	var records []statement.Signed
	for _, name := range args[2:] {
		s, err := record.DecodeIntroduction([]byte(ts.ReadFile(name)))
		ts.Check(err)
		records = append(records, s)
	}
	draft, err := r.DraftEdition(records, now)
	ts.Check(r.PublishEdition(signed(draft, err, editions), now))
	ts.Check(r.Stamp(online, now))
	root, err := os.ReadFile(filepath.Join(dir, "root.json"))
	ts.Check(err)
	i, err := federation.ReadRoot(root)
	ts.Check(err)
	ts.Setenv(args[1], strings.Join(i.Words, " "))
}

// scriptPort: "port VARIABLE" sets a variable to an address of this machine with a port
// that nobody has just now.
func scriptPort(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: port VARIABLE")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(args[0], l.Addr().String())
	ts.Check(l.Close())
}
