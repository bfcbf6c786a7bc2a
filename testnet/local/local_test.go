//go:build linux

package local

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

// pair are two nodes that run and know each other.
func pair(t *testing.T) (*Network, *Node, *Node) {
	t.Helper()
	w := New(t)
	a, b := w.Create("xa"), w.Create("xb")
	w.Introduce(a, b)
	a.Start()
	b.Start()
	return w, a, b
}
