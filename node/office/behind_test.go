package office

import (
	"bytes"
	"errors"
	"testing"
)

var errSick = errors.New("the disk is sick")

// sickAfter is a writer that fails once it took some bytes.
type sickAfter struct {
	bytes.Buffer
	room int
}

func (w *sickAfter) Write(p []byte) (int, error) {
	if w.room -= len(p); w.room < 0 {
		return 0, errSick
	}
	return w.Buffer.Write(p)
}

// pourBehind writes text in steps and returns the first error.
func pourBehind(to *sickAfter, text []byte, step int) (failed error) {
	b := newBehind(to, int64(len(text)))
	for len(text) > 0 && failed == nil {
		n := min(step, len(text))
		_, failed = b.Write(text[:n])
		text = text[n:]
	}
	return errors.Join(failed, b.close())
}

func TestBehindKeepsTheOrder(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, behindPiece, behindPiece + 1, 9*behindPiece + 77} {
		for _, step := range []int{65552, behindPiece, 3*behindPiece + 5} {
			text := make([]byte, size)
			for i := range text {
				text[i] = byte(i / 251)
			}
			to := &sickAfter{room: size}
			if err := pourBehind(to, text, step); err != nil || !bytes.Equal(to.Bytes(), text) {
				t.Errorf("%d bytes in steps of %d: got %d bytes, %v", size, step, to.Len(), err)
			}
		}
	}
}

// A full disk must not end in a sealed body that looks whole.
func TestBehindTellsAFailedWrite(t *testing.T) {
	t.Parallel()
	const size = 20 * behindPiece
	for _, room := range []int{0, 100, behindPiece, 7 * behindPiece, size - 1} {
		if err := pourBehind(&sickAfter{room: room}, make([]byte, size), 65552); !errors.Is(err, errSick) {
			t.Errorf("a writer that fails after %d bytes: got %v, want %v", room, err, errSick)
		}
	}
}
