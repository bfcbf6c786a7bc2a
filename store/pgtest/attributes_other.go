//go:build !linux

package pgtest

import "syscall"

func roomy(string) bool { return false }

// attributes: elsewhere than on Linux the tests run as an ordinary account.
func attributes(*account) *syscall.SysProcAttr { return nil }
