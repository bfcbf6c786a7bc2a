package gateway

import "io"

// pipeDepth is how many pieces may wait to be written, besides the one being
// read: enough that a disk which stalls for a moment does not stall the peer.
const pipeDepth = 3

// pipeline writes what its owner reads, in another goroutine: while one piece
// is hashed and written, the next one arrives. What fits into one piece is
// written at once, without goroutine. It belongs to one goroutine, which must
// call close; until then the writer belongs to the pipeline.
type pipeline struct {
	to    io.Writer
	piece int

	filled chan []byte // nil while nothing was handed over to another goroutine
	empty  chan []byte // written pieces, to be filled again
	made   int         // pieces that there are
	err    error       // of the writer; the goroutine's until done is closed
	done   chan struct{}
}

// newPipeline makes one for at most size bytes.
func newPipeline(to io.Writer, size int64) *pipeline {
	return &pipeline{to: to, piece: int(min(pieceSize, size))}
}

// buffer returns a piece to read into, or the error of a write.
func (p *pipeline) buffer() ([]byte, error) {
	if p.filled == nil {
		return make([]byte, p.piece), p.err
	}
	if p.made <= pipeDepth && len(p.empty) == 0 {
		p.made++
		return make([]byte, p.piece), nil
	}
	select {
	case buf := <-p.empty:
		return buf, nil
	case <-p.done:
		return nil, p.err
	}
}

// write hands a piece over; it must not be used any more.
func (p *pipeline) write(piece []byte) {
	if p.filled == nil && len(piece) < cap(piece) {
		if _, err := p.to.Write(piece); p.err == nil {
			p.err = err
		}
		return
	}
	if p.filled == nil {
		p.filled, p.empty, p.done = make(chan []byte, pipeDepth+1), make(chan []byte, pipeDepth+1), make(chan struct{})
		p.made = 1
		go p.run()
	}
	select {
	case p.filled <- piece:
	case <-p.done: // the error comes with the next buffer
	}
}

// run writes until close, or until a write fails.
func (p *pipeline) run() {
	defer close(p.done)
	for piece := range p.filled {
		if _, p.err = p.to.Write(piece); p.err != nil {
			return
		}
		p.empty <- piece[:cap(piece)] // has room for all that there are
	}
}

// close waits until everything is written and returns the first error.
func (p *pipeline) close() error {
	if p.filled != nil {
		close(p.filled)
		<-p.done
	}
	return p.err
}
