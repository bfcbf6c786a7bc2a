package gateway

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// brokenAfter is a writer that fails once it took some bytes.
type brokenAfter struct {
	bytes.Buffer
	left int
}

var errBroken = errors.New("the disk is sick")

func (w *brokenAfter) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left < 0 {
		return 0, errBroken
	}
	return w.Buffer.Write(p)
}

// pour writes text through a pipeline, step bytes at a time.
func pour(to *brokenAfter, text []byte, size int64, step int) (err error) {
	p := newPipeline(to, size)
	for len(text) > 0 && err == nil {
		var buf []byte
		if buf, err = p.buffer(); err == nil {
			n := copy(buf[:min(len(buf), step)], text)
			text = text[n:]
			p.write(buf[:n])
		}
	}
	return errors.Join(err, p.close())
}

func TestPipelineKeepsTheOrder(t *testing.T) {
	for _, size := range []int{0, 1, pieceSize - 1, pieceSize, pieceSize + 1, 20*pieceSize + 7} {
		for _, step := range []int{pieceSize, pieceSize - 5} {
			text := make([]byte, size)
			for i := range text {
				text[i] = byte(i / 251)
			}
			var got brokenAfter
			got.left = size
			if err := pour(&got, text, int64(size)+1, step); err != nil || !bytes.Equal(got.Bytes(), text) {
				t.Errorf("%d bytes in steps of %d: got %d bytes, %v", size, step, got.Len(), err)
			}
		}
	}
}

// I7: what a large body costs in memory does not grow with it.
func TestPipelineAllocatesNothingPerPiece(t *testing.T) {
	through := func(pieces int) float64 {
		return testing.AllocsPerRun(3, func() {
			p := newPipeline(io.Discard, int64(pieces)*pieceSize+1)
			for range pieces {
				buf, err := p.buffer()
				if err != nil {
					t.Fatal(err)
				}
				p.write(buf)
			}
			if err := p.close(); err != nil {
				t.Fatal(err)
			}
		})
	}
	few, many := through(50), through(500)
	if perPiece := (many - few) / 450; perPiece > 0.05 {
		t.Errorf("%.2f allocations per piece, want none: %.0f for 50 pieces, %.0f for 500", perPiece, few, many)
	}
}

func TestPipelineTellsAFailedWrite(t *testing.T) {
	for _, left := range []int{0, 100, pieceSize, 5 * pieceSize} {
		to := &brokenAfter{left: left}
		if err := pour(to, make([]byte, 50*pieceSize), 50*pieceSize+1, pieceSize); !errors.Is(err, errBroken) {
			t.Errorf("a writer that fails after %d bytes: got %v, want %v", left, err, errBroken)
		}
	}
}
