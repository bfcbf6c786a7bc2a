//go:build linux

package bench

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"testing"

	"comity/testnet/local"
)

// sshServer is an sshd of our own on loopback: its own port, host key and
// settings, and one user key that it knows. It serves the user who runs the
// benchmark.
type sshServer struct {
	config string // for ssh -F and sftp -F; the host is called "recipient"
}

func startSSH(tb testing.TB, dir string) (*sshServer, error) {
	me, err := user.Current()
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, key := range []string{"host", "user"} {
		if _, err := command(nil, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key, "-f", in(key)); err != nil {
			return nil, err
		}
	}
	host, err := os.ReadFile(in("host.pub"))
	if err != nil {
		return nil, err
	}
	known := fmt.Sprintf("[127.0.0.1]:%d %s", port, host)
	server := fmt.Sprintf(`Port %d
ListenAddress 127.0.0.1
HostKey %s
AuthorizedKeysFile %s
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
PidFile none
LogLevel ERROR
Subsystem sftp internal-sftp
`, port, in("host"), in("user.pub"))
	client := fmt.Sprintf(`Host recipient
HostName 127.0.0.1
Port %d
User %s
IdentityFile %s
IdentitiesOnly yes
UserKnownHostsFile %s
StrictHostKeyChecking yes
BatchMode yes
LogLevel ERROR
`, port, me.Username, in("user"), in("known"))
	err = errors.Join(os.WriteFile(in("known"), []byte(known), 0o600),
		os.WriteFile(in("sshd_config"), []byte(server), 0o600), os.WriteFile(in("ssh_config"), []byte(client), 0o600))
	if err != nil {
		return nil, err
	}
	sshd, err := find("sshd")
	if err != nil {
		return nil, err
	}
	p := local.Start(tb, in("sshd.log"), sshd, "-D", "-e", "-f", in("sshd_config"))
	if err := awaitPort(port, func() bool { return !p.Ended() }); err != nil {
		return nil, fmt.Errorf("sshd: %w: %s", err, lastLine(p.Output()))
	}
	return &sshServer{config: in("ssh_config")}, nil
}
