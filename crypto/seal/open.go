package seal

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
)

// Key is what opens sealed bytes: *[Identity], [Identities], or a [FileKey] or
// pointer to one. No other type can be a Key.
type Key interface{ opens() }

func (*Identity) opens()  {}
func (Identities) opens() {}
func (FileKey) opens()    {}

// Open gives random access to the content of the size sealed bytes in src. Only
// the header and the last chunk are read now; that proves the size of the
// content, so bytes cut off or added anywhere are noticed here. Each chunk is
// authenticated when it is read: an altered one fails then, with [ErrDamaged],
// and never yields a wrong byte.
//
// plain may be used concurrently if src may. Content of one chunk is kept as it
// was opened, and reading it costs nothing more. Of larger content the last chunk
// only is remembered, and each ReadAt costs one buffer of a chunk: read large
// ranges with buffers of many times [ChunkSize], after which memory costs little.
// src must not change while plain is in use.
//
// Errors wrap [ErrNoKey], [ErrHeader] or [ErrDamaged]; any other error comes
// from src or says that k is empty.
func Open(src io.ReaderAt, size int64, k Key) (plain io.ReaderAt, plainSize int64, err error) {
	if size < 0 {
		return nil, 0, fmt.Errorf("opening %d sealed bytes: want 0 or more", size)
	}
	header, err := readHeader(io.NewSectionReader(src, 0, size))
	if err != nil {
		return nil, 0, err
	}
	key, err := unwrap(header, k)
	if err != nil {
		return nil, 0, err
	}
	plain, plainSize, err = age.DecryptReaderAt(sourceAt{src}, size, age.NewInjectedFileKeyIdentity(key[:]))
	if err != nil {
		return nil, 0, blame(err)
	}
	if plainSize > ChunkSize {
		return contentAt{plain, plainSize}, plainSize, nil
	}
	// The library has authenticated the only chunk already. It would still make a
	// buffer for each of the many short reads that a small parcel takes, which was
	// a third of all that a busy node allocated.
	whole := make([]byte, plainSize)
	if _, err := (contentAt{plain, plainSize}).ReadAt(whole, 0); err != nil && !ended(err) {
		return nil, 0, err
	}
	return bytes.NewReader(whole), plainSize, nil
}

// OpenStream gives the content of all the sealed bytes in src, in order, for
// one pass without random access. It holds one chunk. Whether the bytes were
// complete is known only when Read returned [io.EOF]: until then nothing read
// may have any effect. A cut, extended or altered body ends with [ErrDamaged]
// instead. src is read to its end.
//
// The header is read before OpenStream returns; errors are those of [Open].
func OpenStream(src io.Reader, k Key) (io.Reader, error) {
	header, err := readHeader(src)
	if err != nil {
		return nil, err
	}
	key, err := unwrap(header, k)
	if err != nil {
		return nil, err
	}
	r, err := age.Decrypt(withHeader(header, source{src}), age.NewInjectedFileKeyIdentity(key[:]))
	if err != nil {
		return nil, blame(err)
	}
	return content{r}, nil
}

// ReadFileKey takes the file key out of the header at the beginning of sealed
// bytes. It reads the header from src and not a byte more. The header's MAC is
// checked, so the key is the one of this header, but nothing is said about the
// content. Errors are those of [Open].
func ReadFileKey(src io.Reader, ids Identities) (FileKey, error) {
	header, err := readHeader(src)
	if err != nil {
		return FileKey{}, err
	}
	return unwrap(header, ids)
}

// unwrap returns the file key of a header that readHeader passed, and checks
// the header's MAC with it.
func unwrap(header []byte, k Key) (FileKey, error) {
	var ids []age.Identity
	var err error
	direct := false // k is the file key itself
	switch k := k.(type) {
	case *Identity:
		ids, err = Identities{k}.age()
	case Identities:
		ids, err = k.age()
	case FileKey:
		ids, direct = []age.Identity{age.NewInjectedFileKeyIdentity(k[:])}, true
	case *FileKey:
		if k == nil {
			return FileKey{}, errors.New("opening sealed bytes: the file key is nil")
		}
		return unwrap(header, *k)
	default:
		return FileKey{}, fmt.Errorf("opening sealed bytes: %T is not a key", k)
	}
	if err != nil {
		return FileKey{}, fmt.Errorf("opening sealed bytes: %w", err)
	}
	if len(ids) == 0 {
		return FileKey{}, ErrNoKey
	}
	b, err := age.DecryptHeader(header, ids...)
	if err != nil {
		_, noMatch := errors.AsType[*age.NoIdentityMatchError](err)
		if noMatch || direct {
			// A wrong file key shows only as a wrong MAC.
			return FileKey{}, ErrNoKey
		}
		// A stanza that is no valid encapsulation, or a wrong MAC.
		return FileKey{}, fmt.Errorf("%w: it was altered or badly made", ErrHeader)
	}
	var key FileKey
	if len(b) != len(key) {
		return FileKey{}, fmt.Errorf("%w: it holds a file key of a wrong size", ErrHeader)
	}
	copy(key[:], b)
	return key, nil
}
