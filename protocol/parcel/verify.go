package parcel

import (
	"context"
	"crypto/sha256"
	"fmt"

	"comity/protocol"
)

// VerifyAll reads and hashes every file in full and compares it with the
// manifest (R-PCL-5). A difference is a *protocol.Refusal with DigestMismatch
// that names the file by its number; an error from the source or from ctx is
// returned as it is. progress may be nil; it learns how many bytes of the files
// have been read and how many there are.
func (c *Contents) VerifyAll(ctx context.Context, progress func(done, total int64)) error {
	total := c.Manifest.TotalSize()
	chunk := make([]byte, chunkFor(c.Manifest))
	sum := sha256.New()
	var done int64
	for i, f := range c.Manifest.Files {
		sum.Reset()
		at := c.layout.FileOffset(i)
		for left := f.Size; left > 0; {
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("verifying file %d: %w", i+1, err)
			}
			b := chunk[:min(left, int64(len(chunk)))]
			if err := readAt(c.src, b, at); err != nil {
				return fmt.Errorf("verifying file %d: %w", i+1, err)
			}
			sum.Write(b)
			n := int64(len(b))
			at, left, done = at+n, left-n, done+n
			if progress != nil {
				progress(done, total)
			}
		}
		var got protocol.Digest
		if sum.Sum(got[:0]); got != f.Digest {
			return protocol.Refuse(protocol.DigestMismatch, "file %d has other bytes than its manifest says", i+1)
		}
	}
	return nil
}
