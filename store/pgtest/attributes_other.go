//go:build !linux

package pgtest

import "syscall"

// attributes: elsewhere than on Linux the tests run as an ordinary account.
func attributes(*account) *syscall.SysProcAttr { return nil }
