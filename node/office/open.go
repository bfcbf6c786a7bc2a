package office

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"comity/crypto/seal"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/parcel"
	"comity/store"
)

// File is the content of one file of a sealed parcel. It decrypts what is read
// and no more. Close it.
type File struct {
	*io.SectionReader
	sealed io.Closer
}

// Close releases the sealed bytes.
func (f *File) Close() error { return f.sealed.Close() }

// WriteTo writes the rest of the file to w, in pieces that cost little memory.
func (f *File) WriteTo(w io.Writer) (int64, error) {
	buffer := takeBuffer()
	defer giveBuffer(buffer)
	return io.CopyBuffer(onlyWriter{w}, onlyReader{f.SectionReader}, *buffer)
}

// onlyWriter hides every method but Write, so that io.CopyBuffer uses its buffer.
type onlyWriter struct{ io.Writer }

// OpenFile opens file n of a message, counted from 1 as in the parcel's
// "files/0001", without unpacking the rest. Each opening is in the journal
// before the first byte is read, and the first one of a received message is
// attested to its sender (ContentAccessTracking).
func (o *Office) OpenFile(ctx context.Context, name store.Name, n int) (parcel.File, *File, error) {
	if o.locked != nil {
		return parcel.File{}, nil, o.locked
	}
	m, err := o.message(ctx, name)
	if err != nil {
		return parcel.File{}, nil, err
	}
	if n < 1 || n > len(m.Files) {
		return parcel.File{}, nil, fmt.Errorf("parcel %s has the files 1 to %d: there is no file %d", name.Parcel, len(m.Files), n)
	}
	content, err := o.content(ctx, m, n-1)
	if err != nil {
		return parcel.File{}, nil, fmt.Errorf("open file %d of parcel %s: %w", n, name.Parcel, err)
	}
	if err := o.noteOpening(ctx, m, n); err != nil {
		return parcel.File{}, nil, errors.Join(err, content.Close())
	}
	return m.Files[n-1], content, nil
}

// content opens the sealed bytes with the key slip. The layout follows from the
// manifest, which was compared with the container when it was taken in; that
// the bytes are still the same rests on age's authentication of every chunk.
func (o *Office) content(ctx context.Context, m *store.Message, i int) (*File, error) {
	if m.Slip == nil {
		return nil, fmt.Errorf("its key was destroyed, so nobody here can open it any more: %w", store.ErrGone)
	}
	key, err := seal.OpenSlip(m.Slip, o.identities)
	if err != nil {
		return nil, fmt.Errorf("its key slip is for an identity that is not in the office's key folder: put the older identities back: %w", err)
	}
	layout, err := parcel.NewLayout(m.Manifest, m.Approvals)
	if err != nil {
		return nil, err
	}
	sealed, err := o.store.Sealed(ctx, m.Sealed.Digest)
	if err != nil {
		return nil, err
	}
	plain, size, err := seal.Open(sealed, sealed.Size(), key)
	if err == nil && size != layout.Size() {
		err = fmt.Errorf("%w: the container has %d bytes, its manifest makes %d", store.ErrIntegrity, size, layout.Size())
	}
	if err != nil {
		return nil, errors.Join(err, sealed.Close())
	}
	return &File{io.NewSectionReader(plain, layout.FileOffset(i), m.Files[i].Size), sealed}, nil
}

// noteOpening writes the journal and, on the first opening of a received
// message, the evidence, in one transaction.
func (o *Office) noteOpening(ctx context.Context, m *store.Message, n int) error {
	if err := o.gateway.MayDate(ctx); err != nil {
		return err
	}
	digest, number := m.Digest(), int64(n)
	note, err := entry(ActOpen, m.Name, &digest, func(e *Entry) { e.File = &number })
	if err != nil {
		return err
	}
	if m.Direction == store.Sent {
		_, err := o.store.Append(ctx, note)
		return err
	}
	t := &m.Transmissions[0]
	var ev *store.Evidence
	k := keyTo(m.Name, o.authority)
	unsure := o.mayHaveSigned(k) // before the look, so that nothing slips between
	if t.Opened.IsZero() {
		if _, err := o.recall(ctx, k); err != nil {
			return err
		}
	}
	// While it cannot be known whether it was opened before, it is not attested.
	if t.Opened.IsZero() && !o.signed(ctx, k, evidence.ContentAccessTracking) && !unsure {
		signed, err := o.signAbout(evidence.ContentAccessTracking, t, nil)
		if err != nil {
			return err
		}
		ev = &signed
	}
	first, err := o.store.SetOpened(ctx, m.Name, ev, note)
	if err != nil {
		return err
	}
	if first {
		o.fileLater(ctx, k)
	}
	return nil
}

// signed reports whether evidence of an event stands here: signed before this
// office was restored from a backup, and fetched back.
func (o *Office) signed(ctx context.Context, k protocol.Key, event evidence.Event) bool {
	all, err := o.store.Evidence(ctx, k)
	return err == nil && slices.ContainsFunc(all, func(e store.Evidence) bool { return e.Event == event })
}

// signAbout signs evidence about a transmission whose envelope is stored.
func (o *Office) signAbout(event evidence.Event, t *store.Transmission, reason *evidence.Reason) (store.Evidence, error) {
	env, err := envelope.Parse(t.Envelope.Document)
	if err != nil {
		return store.Evidence{}, fmt.Errorf("read stored envelope: %w", err)
	}
	return o.sign(event, env, t.Envelope.Ref(), reason)
}
