//go:build linux

package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// gpgOneSession is GnuPG and SFTP as well as scripts can do it: each file signed
// and encrypted, all put in one session, each opened and its signature checked.
var gpgOneSession = peer{
	name:  "gpg + sftp, one session",
	needs: []string{"gpg", "gpgconf", "ssh-keygen", "sftp", "sshd"},
	from:  "gnupg openssh-client openssh-server",
	lacks: "no receipt, no queue, no retry, no log, no post-quantum keys; a file is opened while it is checked",
	open:  func(tb testing.TB, dir string) (mover, error) { return openGPG(tb, dir, false) },
}

// gpgSessionEach is what most scripts do: one session for each file.
var gpgSessionEach = peer{
	name:  "gpg + sftp, a session a file",
	needs: gpgOneSession.needs,
	from:  gpgOneSession.from,
	lacks: "as before",
	most:  20,
	open:  func(tb testing.TB, dir string) (mover, error) { return openGPG(tb, dir, true) },
}

type gpgSFTP struct {
	ssh               *sshServer
	sender, recipient []string // environments: each side has a key folder of its own
	out, in, opened   string
	each              bool // a session for each file
}

func openGPG(tb testing.TB, dir string, each bool) (*gpgSFTP, error) {
	g := &gpgSFTP{out: filepath.Join(dir, "out"), in: filepath.Join(dir, "in"), opened: filepath.Join(dir, "opened"), each: each}
	for _, folder := range []string{g.out, g.in, g.opened} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return nil, err
		}
	}
	var err error
	if g.ssh, err = startSSH(tb, dir); err != nil {
		return nil, err
	}
	if g.sender, err = gpgHome(tb, "sender"); err != nil {
		return nil, err
	}
	if g.recipient, err = gpgHome(tb, "recipient"); err != nil {
		return nil, err
	}
	for _, way := range []struct {
		from, to []string
		name     string
	}{{g.sender, g.recipient, "sender"}, {g.recipient, g.sender, "recipient"}} {
		file := filepath.Join(dir, way.name+".key")
		if _, err := command(way.from, "gpg", "--batch", "--quiet", "--output", file, "--export", way.name); err != nil {
			return nil, err
		}
		if _, err := command(way.to, "gpg", "--batch", "--quiet", "--import", file); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// gpgHome makes a key folder with one new key. Its path is short, because the
// agent's socket lies in it.
func gpgHome(tb testing.TB, name string) ([]string, error) {
	home, err := os.MkdirTemp("", "bench-gpg-*") //nolint:usetesting // a test's own folder may have too long a path
	if err != nil {
		return nil, err
	}
	env := []string{"GNUPGHOME=" + home}
	tb.Cleanup(func() {
		_, _ = command(env, "gpgconf", "--kill", "all") // the agent of this folder only
		os.RemoveAll(home)
	})
	_, err = command(env, "gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", name, "future-default", "default", "never")
	return env, err
}

func (g *gpgSFTP) arrived(name string) string { return filepath.Join(g.opened, name) }

func (g *gpgSFTP) move(files []string) ([]stage, error) {
	names := make([]string, len(files))
	for i, path := range files {
		names[i] = filepath.Base(path)
	}
	seal, err := timed("sign and encrypt", func() error {
		for i, path := range files {
			if _, err := command(g.sender, "gpg", "--batch", "--quiet", "--trust-model", "always", "--compress-algo", "none",
				"--local-user", "sender", "--recipient", "recipient", "--sign", "--encrypt",
				"--output", filepath.Join(g.out, names[i]), path); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	wire, err := timed("sftp", func() error {
		if !g.each {
			return g.put(names)
		}
		for _, name := range names {
			if err := g.put([]string{name}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	open, err := timed("open, check, sync", func() error {
		opened := make([]string, len(names))
		for i, name := range names {
			opened[i] = g.arrived(name)
			if _, err := command(g.recipient, "gpg", "--batch", "--quiet", "--trust-model", "always",
				"--output", opened[i], "--decrypt", filepath.Join(g.in, name)); err != nil {
				return err
			}
		}
		return syncAll(opened)
	})
	for _, name := range names { // so that a large file does not lie there three times
		os.Remove(filepath.Join(g.out, name))
		os.Remove(filepath.Join(g.in, name))
	}
	return []stage{seal, wire, open}, err
}

// put uploads under a working name and renames, as whoever polls the folder
// needs it.
func (g *gpgSFTP) put(names []string) error {
	var batch strings.Builder
	for _, name := range names {
		to := filepath.Join(g.in, name)
		fmt.Fprintf(&batch, "put %s %s.part\nrename %s.part %s\n", filepath.Join(g.out, name), to, to, to)
	}
	file := filepath.Join(g.out, "batch")
	if err := os.WriteFile(file, []byte(batch.String()), 0o600); err != nil {
		return err
	}
	_, err := command(nil, "sftp", "-q", "-F", g.ssh.config, "-b", file, "recipient")
	return err
}
