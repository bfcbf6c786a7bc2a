package main

import "runtime"

// slack is the garbage that a running node may have beyond what it has in use
// before it collects. Little is in use at any time, a few MiB, so by Go's rule
// alone (collect when the memory in use has doubled) a busy node would collect
// many times a second.
const slack = 16 << 20

// calmCollector adds slack to every collection's threshold until the returned
// function is called. It holds a block of that size that nobody ever touches, so
// that it costs addresses but no memory: the collector counts it as in use. A
// larger GOGC would do the same for a quiet node, but multiplies what a large
// parcel or many peers need; this adds the same 16 MiB whatever there is.
func calmCollector() (done func()) {
	block := make([]byte, slack)
	return func() { runtime.KeepAlive(block) }
}
