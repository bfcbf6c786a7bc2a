package main

import "syscall"

// orphanless lets a child end with us even if we are killed and cannot end it.
func orphanless() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} }
