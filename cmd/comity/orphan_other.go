//go:build !linux

package main

import "syscall"

// orphanless can do nothing here: a child that outlives us must be ended by hand.
func orphanless() *syscall.SysProcAttr { return nil }
