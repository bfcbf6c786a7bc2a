//go:build linux

package bench

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// rsyncSSH is the bare copying that the others are measured against.
var rsyncSSH = peer{
	name:  "rsync over ssh",
	needs: []string{"rsync", "ssh", "ssh-keygen", "sshd"},
	from:  "rsync openssh-client openssh-server",
	lacks: "seals, signs and receipts nothing: the file lies open with whoever runs the server; no queue, no log",
	open: func(tb testing.TB, dir string) (mover, error) {
		ssh, err := startSSH(tb, dir)
		if err != nil {
			return nil, err
		}
		r := &rsync{ssh: ssh, list: filepath.Join(dir, "list"), in: filepath.Join(dir, "in")}
		return r, os.MkdirAll(r.in, 0o700)
	},
}

type rsync struct {
	ssh      *sshServer
	list, in string
}

func (r *rsync) arrived(name string) string { return filepath.Join(r.in, name) }

func (r *rsync) move(files []string) ([]stage, error) {
	names := make([]string, len(files))
	for i, path := range files {
		names[i] = filepath.Base(path)
	}
	if err := os.WriteFile(r.list, []byte(strings.Join(names, "\n")+"\n"), 0o600); err != nil {
		return nil, err
	}
	all, err := timed("copy and sync", func() error {
		_, err := command(nil, "rsync", "--whole-file", "--fsync", "--files-from", r.list, "-e", "ssh -F "+r.ssh.config,
			filepath.Dir(files[0])+"/", "recipient:"+r.in+"/")
		return err
	})
	return []stage{all}, err
}
