package control

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"

	"comity/node/operate"
	"comity/protocol"
)

// A second way in, for the officers of one authority. Where comity.toml names a folder
// for them, a running node has a socket in it that knows that authority alone:
// whoever the folder lets in reads and acts for it, and reaches neither the other
// offices, nor the node, nor any file that is not one's own. The rights of the folder
// decide who that is, so the operating system keeps the authorities apart.

// officersPaths are the operations for officers.
var officersPaths = []string{
	"/v1/status", "/v1/authorities", "/v1/introduce", "/v1/inbox", "/v1/sent", "/v1/parcel", "/v1/acknowledge", "/v1/decline", "/v1/withdraw", "/v1/export", "/v1/bundle",
	"/v1/directory/show", "/v1/directory/find", "/v1/directory/export", "/v1/log/audit", "/v1/records", "/v1/report/exceptions",
	"/v1/follow", "/v1/doctor", "/v1/probe", "/v1/open",
}

// forOfficers is the handler for the officers of one authority.
func (s *Service) forOfficers(a protocol.AuthorityID) *Service {
	o := &Service{node: s.node, running: s.running, now: s.now, logger: s.logger, mux: http.NewServeMux(), turns: s.turns, party: a}
	all := o.routes()
	for _, path := range officersPaths {
		o.mux.Handle("POST "+path, all[path])
	}
	o.mux.Handle("POST /v1/send", stream(o.sendHanded))
	o.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writeError(w, fail(Failed, "the operator of the node does that, in its data directory", "this is the office of %s, and not the node", a))
	})
	return o
}

// officersFolder checks the folder of an office's socket: only the node, or the
// system, may put anything into it, or somebody else could answer in the node's place
// and be typed a passphrase.
func officersFolder(l operate.Layout, folder string) error {
	mend := func(format string, args ...any) error {
		return fmt.Errorf("the folder of the officers, %s: %w", folder, fmt.Errorf(format, args...))
	}
	info, err := os.Lstat(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return mend("it is not there: make it as OPERATING.md says")
	} else if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.IsDir():
		return mend("it is not a folder")
	case l.Contains(folder):
		return mend("it is in the data directory, which is closed to officers")
	case info.Mode().Perm()&0o022 != 0:
		return mend("others than its owner may write in it (mode %04o): type chmod 0750", info.Mode().Perm())
	case info.Mode().Perm()&0o007 != 0:
		return mend("it is open to everybody (mode %04o): type chmod 0750", info.Mode().Perm())
	case !ok || int(owner.Uid) != os.Geteuid() && owner.Uid != 0:
		return mend("it belongs neither to the user who runs the node nor to root")
	}
	return nil
}

// listenOfficers makes the sockets for officers. One that cannot be made is an error
// in the log, and keeps neither the node nor the others from working.
func listenOfficers(s *Service, logger *slog.Logger) (doors []*door) {
	for _, id := range s.node.Config.Authorities {
		folder := s.node.Config.Officers[id.Name()]
		if folder == "" {
			continue
		}
		d, err := officersDoor(s, id, folder)
		if err != nil {
			logger.Error("officers of an authority have no socket of their own", "authority", string(id), "error", err)
			continue
		}
		doors = append(doors, d)
	}
	return doors
}

func officersDoor(s *Service, id protocol.AuthorityID, folder string) (*door, error) {
	if err := officersFolder(s.node.Layout, folder); err != nil {
		return nil, err
	}
	info, err := os.Stat(folder)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(folder, operate.SocketName)
	listener, done, err := listenAt(path, 0o600)
	if err != nil {
		return nil, err
	}
	// The folder's group gets in; who is not in it does not even reach the socket.
	group := int(info.Sys().(*syscall.Stat_t).Gid)
	if err := errors.Join(os.Chown(path, -1, group), os.Chmod(path, 0o660)); err != nil { //nolint:gosec // for the group, which the folder lets in
		done()
		return nil, errors.Join(fmt.Errorf("give the socket to the group of %s: %w", folder, err), listener.Close(), os.Remove(path))
	}
	return &door{service: s.forOfficers(id), listener: newHandedListener(listener.(*net.UnixListener)), path: path, done: done}, nil
}

// officersFolders checks the folders that the configuration names.
func officersFolders(l operate.Layout, c operate.Config) (checks []Check) {
	for _, id := range c.Authorities {
		folder := c.Officers[id.Name()]
		if folder == "" {
			continue
		}
		if err := officersFolder(l, folder); err != nil {
			checks = append(checks, bad("officers", "mend it, or change [officers] in comity.toml, then start the node again", "%s: %v", id, err))
			continue
		}
		checks = append(checks, good("officers", "those of %s reach their office in %s", id, folder))
	}
	return checks
}
