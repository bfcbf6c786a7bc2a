package operate

import (
	"io/fs"
	"log/slog"
	"os"
	"path"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
)

// memoryShare is how much of the memory that this process may have, in percent,
// the Go runtime aims at. The rest is for what it does not count: the database
// engine, buffers of the kernel, the program itself.
const memoryShare = 70

// LimitMemory tells the Go runtime how much memory the machine's administrator
// gave this process (its control group), so that the garbage collector works
// harder before the kernel ends the process. A GOMEMLIMIT in the environment
// wins; without a limit nothing is changed. It logs what it chose.
func LimitMemory(logger *slog.Logger) {
	if env := os.Getenv("GOMEMLIMIT"); env != "" {
		logger.Info("memory is limited by GOMEMLIMIT", "limit", env)
		return
	}
	group, ok := groupLimit(os.DirFS("/"))
	if !ok {
		logger.Info("memory is not limited by a control group")
		return
	}
	limit := group / 100 * memoryShare
	debug.SetMemoryLimit(limit)
	logger.Info("memory is limited by the control group", "group_bytes", group, "go_bytes", limit)
}

// unlimited is beyond what any machine has: version 1 of control groups writes
// a huge number where there is no limit.
const unlimited = 1 << 50

// groupLimit is the smallest memory limit of the control groups that this
// process is in, version 2 or 1; false when there is none.
func groupLimit(root fs.FS) (limit int64, ok bool) {
	membership, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(membership)) {
		// hierarchy:controllers:path; version 2 has no controllers.
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		var found int64
		switch controllers := strings.Split(parts[1], ","); {
		case parts[1] == "":
			found = lowest(root, "sys/fs/cgroup", parts[2], "memory.max")
		case slices.Contains(controllers, "memory"):
			found = lowest(root, "sys/fs/cgroup/memory", parts[2], "memory.limit_in_bytes")
		}
		if found > 0 && (!ok || found < limit) {
			limit, ok = found, true
		}
	}
	return limit, ok
}

// lowest walks from a group to the top: a limit binds all groups below it.
// Inside a container the path may be that of the host and the files those of the
// container, so what is not there is passed over. 0: no limit.
func lowest(root fs.FS, mount, group, file string) (limit int64) {
	for dir := path.Join("/", group); ; dir = path.Dir(dir) {
		text, err := fs.ReadFile(root, path.Join(mount, dir, file))
		if n, perr := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && perr == nil && n > 0 && n < unlimited {
			if limit == 0 || n < limit {
				limit = n
			}
		}
		if dir == "/" {
			return limit
		}
	}
}
