package office

import "io"

const (
	// behindPiece is how much is handed over at a time, behindDepth how many
	// pieces may wait to be written, besides the one being filled.
	behindPiece = 256 << 10
	behindDepth = 3
)

// behind writes in a goroutine of its own: while one piece is hashed and written
// to disk, the next one is read, hashed and sealed. Hashing is most of the work
// on both sides, so two processors do it in little more than half of the time.
// What is small is written at once, without goroutine. It belongs to one
// goroutine, which must call close; until then the writer belongs to behind.
type behind struct {
	to     io.Writer
	piece  []byte
	made   int         // pieces that there are
	filled chan []byte // nil: nothing is handed over
	empty  chan []byte // written pieces, to be filled again
	err    error       // of the writer; the goroutine's until done is closed
	done   chan struct{}
}

// newBehind makes one for size bytes.
func newBehind(to io.Writer, size int64) *behind {
	b := &behind{to: to}
	if size > behindPiece {
		b.filled, b.empty, b.done = make(chan []byte, behindDepth), make(chan []byte, behindDepth+1), make(chan struct{})
		go b.run()
	}
	return b
}

func (b *behind) run() {
	defer close(b.done)
	for piece := range b.filled {
		if _, b.err = b.to.Write(piece); b.err != nil {
			return
		}
		b.empty <- piece[:0] // has room for all that there are
	}
}

// Write copies p. An error is that of an earlier piece.
func (b *behind) Write(p []byte) (n int, err error) {
	if b.filled == nil {
		return b.to.Write(p)
	}
	for n < len(p) {
		if b.piece == nil {
			if err := b.next(); err != nil {
				return n, err
			}
		}
		m := min(len(p)-n, cap(b.piece)-len(b.piece))
		b.piece = append(b.piece, p[n:n+m]...)
		n += m
		if len(b.piece) == cap(b.piece) {
			b.pass()
		}
	}
	return n, nil
}

// next takes a piece to fill, or the error of a write.
func (b *behind) next() error {
	if b.made <= behindDepth && len(b.empty) == 0 {
		b.made++
		b.piece = make([]byte, 0, behindPiece)
		return nil
	}
	select {
	case b.piece = <-b.empty:
		return nil
	case <-b.done:
		return b.err
	}
}

// pass hands the piece over; after an error it goes nowhere.
func (b *behind) pass() {
	select {
	case b.filled <- b.piece:
	case <-b.done: // the error comes with the next piece, or with close
	}
	b.piece = nil
}

// close waits until everything is written and returns the first error.
func (b *behind) close() error {
	if b.filled == nil {
		return nil
	}
	if len(b.piece) > 0 {
		b.pass()
	}
	close(b.filled)
	<-b.done
	return b.err
}
