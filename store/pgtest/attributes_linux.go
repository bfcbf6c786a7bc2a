package pgtest

import "syscall"

// roomy reports whether a folder has room for a server's data; a container gives
// /dev/shm 64 MiB, which are not enough.
func roomy(dir string) bool {
	var s syscall.Statfs_t
	return syscall.Statfs(dir, &s) == nil && s.Bavail*uint64(s.Bsize) >= 1<<30
}

// attributes of a server's process: its account, and that it ends with the test
// even when that is killed.
func attributes(o *account) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGQUIT}
	if o != nil {
		a.Credential = &syscall.Credential{Uid: uint32(o.uid), Gid: uint32(o.gid)}
	}
	return a
}
