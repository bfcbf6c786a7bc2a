package store

import (
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"sync"

	"comity/protocol"
)

// partial is the folder of bodies under way, named by their envelopes' digests.
const partial = "partial"

// Upload takes the bytes of one large body and can be made durable on the way,
// so that the body goes on from there after a restart. Where it has to be given
// up, the durable part stays for the next BeginUpload.
//
// It belongs to one goroutine at a time, but Settle may run beside Write. Close
// it in any case; no Settle may run then. Of one envelope only one may be open.
//
// If the power goes, the file keeps what was synced before its row; the next
// BeginUpload cuts off the rest.
type Upload struct {
	// Damage says why a stored part was thrown away and the body begins anew;
	// nil when all was well.
	Damage error

	v      *vault
	about  Announced
	name   string
	file   *os.File // nil until the first byte
	hash   hash.Hash
	offset int64

	mu     sync.Mutex
	stored bool  // guarded by mu; a row promises the first bytes
	unsure bool  // guarded by mu; one may
	sick   error // guarded by mu; nothing may rest on this file any more
}

// Mark is a place in an upload: so many bytes, and the state of their hash.
type Mark struct {
	Offset int64
	state  []byte
}

// BeginUpload goes on with what is durable of a body, or begins it. Bytes beyond
// the durable ones are cut off. A part whose row or file is damaged is thrown
// away and Damage set: better to ask for all bytes again than to trust them.
func (g *Gateway) BeginUpload(ctx context.Context, about Announced) (*Upload, error) {
	u := &Upload{v: g.v, about: about, name: partial + "/" + about.Envelope.String(), hash: sha256.New()}
	row, err := g.Upload(ctx, about.Envelope)
	switch {
	case errors.Is(err, ErrNotFound):
		// Of an attempt that was never promised anything.
		return u, wrap("beginning an upload", u.removeFile())
	case err != nil:
		return nil, err
	case row.Peer != about.Peer || row.Size != about.Size:
		return nil, fmt.Errorf("upload %s…: %w: it was announced by %s with %d bytes", about.Envelope.Short(), ErrIntegrity, row.Peer, row.Size)
	}
	if u.Damage, err = u.goOn(row); u.Damage == nil && err == nil {
		return u, nil
	}
	u.close()
	if err != nil {
		return nil, fmt.Errorf("going on with an upload: %w", err)
	}
	u.hash, u.offset, u.stored = sha256.New(), 0, false
	return u, g.DropUpload(ctx, about.Envelope)
}

// goOn opens the file at the durable offset. damage says why the part cannot be
// trusted; an error of the disk, or too many open files, says nothing about it.
func (u *Upload) goOn(row *Standing) (damage, err error) {
	if row.check != row.seal() {
		return errors.New("the stored hash state is damaged"), nil
	}
	if err := u.hash.(encoding.BinaryUnmarshaler).UnmarshalBinary(row.state); err != nil {
		return fmt.Errorf("the stored hash state: %w", err), nil
	}
	f, err := u.v.bodies.root.OpenFile(u.name, os.O_RDWR, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the file of the part: %w", err), nil
	case err != nil:
		return nil, err
	}
	u.file, u.offset, u.stored = f, row.Offset, true
	info, err := f.Stat()
	if err == nil && info.Size() < row.Offset {
		return fmt.Errorf("the file of the part has %d bytes, %d were durable", info.Size(), row.Offset), nil
	}
	if err == nil && info.Size() > row.Offset {
		err = f.Truncate(row.Offset)
	}
	return nil, err
}

// Offset is how many bytes have arrived: written and hashed, durable or not.
func (u *Upload) Offset() int64 { return u.offset }

// Write appends. After an error of the disk the bytes before p stand, and the
// same bytes may be written again.
func (u *Upload) Write(p []byte) (int, error) {
	if err := u.trouble(); err != nil {
		return 0, err
	}
	if int64(len(p)) > u.about.Size-u.offset {
		return 0, protocol.Refuse(protocol.SizeMismatch, "more than the announced %d bytes", u.about.Size)
	}
	if u.file == nil {
		f, err := u.v.bodies.root.OpenFile(u.name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return 0, fmt.Errorf("taking bytes of an upload: %w", err)
		}
		u.file = f
	}
	// At its place, not at the end: what a failed write left is written over.
	if _, err := u.file.WriteAt(p, u.offset); err != nil {
		return 0, fmt.Errorf("taking bytes of an upload: %w", err)
	}
	u.hash.Write(p)
	u.offset += int64(len(p))
	return len(p), nil
}

func (u *Upload) trouble() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.sick
}

// Mark names the place reached, for Settle.
func (u *Upload) Mark() (Mark, error) {
	state, err := u.hash.(encoding.BinaryMarshaler).MarshalBinary()
	return Mark{u.offset, state}, err
}

// Settle makes the bytes up to the mark durable, then the row that promises them.
// Marks must come in order, one at a time. When the disk did not take the bytes,
// or the row is gone because the upload was given up, the upload is of no use
// any more and Write says so.
func (u *Upload) Settle(ctx context.Context, m Mark) error {
	if err := u.trouble(); err != nil || m.Offset == 0 {
		return err
	}
	err := u.v.bodies.sync(u.file)
	if err == nil && !u.isStored() {
		err = u.v.bodies.syncShard(partial)
	}
	if err != nil {
		// After a failed sync the system may have thrown the bytes away and says so
		// only once: only what was durable before still counts.
		u.spoil(err)
		return fmt.Errorf("making an upload durable: %w", err)
	}
	row := &Standing{Announced: u.about, Offset: m.Offset, state: m.state}
	switch err = u.v.putUpload(ctx, row, u.isStored()); {
	case errors.Is(err, ErrNotFound):
		u.spoil(err)
	case err == nil, errors.Is(err, ErrUnknownOutcome):
		u.mu.Lock()
		u.stored, u.unsure = u.stored || err == nil, err != nil
		u.mu.Unlock()
	}
	return wrap("making an upload durable", err)
}

func (u *Upload) isStored() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.stored
}

func (u *Upload) spoil(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.sick == nil {
		u.sick = err
	}
}

// Digest is the SHA-256 of what has arrived.
func (u *Upload) Digest() protocol.Digest { return protocol.Digest(u.hash.Sum(nil)) }

// Reread computes the digest of what has arrived from the file. When it is not
// Digest, this side's disk is at fault.
func (u *Upload) Reread(ctx context.Context) (protocol.Digest, error) {
	h, buf := sha256.New(), make([]byte, 256<<10)
	for at := int64(0); at < u.offset; {
		n, err := u.file.ReadAt(buf[:min(int64(len(buf)), u.offset-at)], at)
		h.Write(buf[:n])
		if at += int64(n); at < u.offset && err == nil {
			err = ctx.Err()
		}
		if err != nil && !(errors.Is(err, io.EOF) && at == u.offset) {
			return protocol.Digest{}, fmt.Errorf("reading an upload again: %w", err)
		}
	}
	return protocol.Digest(h.Sum(nil)), nil
}

// Finish makes a kept spool of the bytes, for the fact that accepts them. They
// are not copied: a body of which a part was durable gets a second name, so that
// a commit that fails costs nothing of it; drop the upload after one that does
// not. A body that came at once is moved there, and comes again after such a failure.
func (u *Upload) Finish(ctx context.Context) (*Spool, error) {
	b, d := u.v.bodies, u.Digest()
	if u.file == nil {
		return nil, errSpoolState
	}
	name := u.name
	if u.isStored() {
		// Durable to its end before it has two names: a file that is whole is never
		// cut or written again, whoever holds the other name.
		m, err := u.Mark()
		if err == nil {
			err = u.Settle(ctx, m)
		}
		if err == nil {
			name = b.temporaryName()
			err = b.root.Link(u.name, name)
		}
		if err != nil {
			return nil, fmt.Errorf("keeping an upload: %w", err)
		}
	}
	f := u.file
	u.file = nil
	if err := b.keep(f, name, d); err != nil {
		return nil, errors.Join(err, b.removeName(name))
	}
	return &Spool{bodies: b, size: u.offset, name: name, linked: &d, state: spoolKept}, nil
}

// Close ends the work on an upload. The durable part stays; without one nothing does.
func (u *Upload) Close() error {
	u.close()
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.stored || u.unsure {
		return nil
	}
	return u.removeFile()
}

func (u *Upload) close() {
	if u.file != nil {
		u.file.Close() // synced before anything was promised about it
		u.file = nil
	}
}

func (u *Upload) removeFile() error { return u.v.bodies.removeName(u.name) }

// openPartials makes the folder of bodies under way and removes those that no
// row promises.
func (v *vault) openPartials(ctx context.Context) error {
	if err := v.bodies.root.Mkdir(partial, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := v.bodies.syncShard("."); err != nil {
		return err
	}
	return v.read(ctx, func(ctx context.Context, t *tx) error {
		return v.bodies.each(partial, func(name string, e fs.DirEntry) error {
			var live int64
			if d, err := protocol.ParseDigest(e.Name()); err == nil {
				if _, err := t.find(ctx, []any{&live}, uploadLives, d[:]); err != nil {
					return err
				}
			}
			if live != 0 {
				return nil
			}
			return v.bodies.root.RemoveAll(name)
		})
	})
}

// seal is the check over a row: it must be the same when it is read.
func (s *Standing) seal() protocol.Digest {
	text := append([]byte("comity/upload/v1\n"), s.Envelope[:]...)
	text = binary.BigEndian.AppendUint64(text, uint64(max(s.Offset, 0)))
	return protocol.Sum(append(text, s.state...))
}
