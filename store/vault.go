package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"comity/protocol"
)

// vault is a database together with its sealed bytes: what both stores share.
type vault struct {
	*database
	bodies *bodies
}

func openVault(ctx context.Context, c Config, k kind) (*vault, error) {
	d, err := open(ctx, c, k)
	if err != nil {
		return nil, err
	}
	b, err := openBodies(filepath.Join(c.Dir, k.bodies), c)
	if err != nil {
		d.close()
		return nil, err
	}
	return &vault{d, b}, nil
}

func (v *vault) close() error {
	err := v.database.close()
	return errors.Join(err, v.bodies.root.Close())
}

const fileKept = `SELECT count(*) FROM sealed WHERE digest = $1 AND inline = 0 AND released_us IS NULL`

// RemoveOrphans removes files to which no row refers: bytes whose fact was never
// committed before a crash, and bytes that were released just before one.
//
// It is not for a database that may be an older copy of itself: the rows that it
// lacks are the only word that such a file is no orphan, and the newer copy that
// has them would come back to a folder without their bytes. So call it when the
// node has compared its log with what its peers hold (R-OLD-1), once after opening.
func (g *Gateway) RemoveOrphans(ctx context.Context) error { return g.v.removeOrphans(ctx) }

// RemoveOrphans does for the office's store what Gateway.RemoveOrphans does.
func (o *Office) RemoveOrphans(ctx context.Context) error { return o.v.removeOrphans(ctx) }

func (v *vault) removeOrphans(ctx context.Context) error {
	err := v.bodies.each(".", func(_ string, e fs.DirEntry) error {
		if !e.IsDir() || len(e.Name()) != 2 {
			return nil
		}
		suspects, err := v.unkept(ctx, e.Name())
		for some := range slices.Chunk(suspects, maxSweep) {
			if err == nil {
				err = v.removeFree(ctx, some)
			}
		}
		return err
	})
	return wrap("removing sealed bytes to which no row refers", err)
}

// unkept returns the digests of the files in a folder to which no row refers now.
func (v *vault) unkept(ctx context.Context, shard string) (all []protocol.Digest, err error) {
	err = v.read(ctx, func(ctx context.Context, t *tx) error {
		return v.bodies.each(shard, func(_ string, e fs.DirEntry) error {
			d, err := protocol.ParseDigest(e.Name())
			if err != nil {
				return nil //nolint:nilerr // not ours
			}
			var kept int64
			if _, err = t.find(ctx, []any{&kept}, fileKept, d[:]); err == nil && kept == 0 {
				all = append(all, d)
			}
			return err
		})
	})
	return all, err
}

// removeFree removes the files of those digests that no spool holds and to which no
// row refers.
func (v *vault) removeFree(ctx context.Context, all []protocol.Digest) error {
	return v.bodies.whileFree(all, func(free []protocol.Digest) error {
		if len(free) == 0 {
			return nil
		}
		// A writing transaction asks: it begins only when a commit of unknown
		// outcome, which may still hang in the server, is over.
		return v.write(ctx, func(ctx context.Context, t *tx) error {
			for _, d := range free {
				var kept int64
				_, err := t.find(ctx, []any{&kept}, fileKept, d[:])
				if err == nil && kept == 0 {
					err = v.bodies.remove(d)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// putSealed inserts the row of a kept spool, or takes released bytes back into
// use. The bytes are as durable as the transaction from then on.
func (v *vault) putSealed(ctx context.Context, t *tx, s *Spool, size int64, d protocol.Digest) error {
	if s == nil {
		var kept int64
		if _, err := t.find(ctx, []any{&kept}, `SELECT count(*) FROM sealed
WHERE digest = $1 AND size_bytes = $2 AND released_us IS NULL`, d[:], size); err != nil {
			return err
		}
		if kept == 0 {
			return fmt.Errorf("sealed bytes %s…: %w", d.Short(), ErrNotFound)
		}
		return nil
	}
	if s.bodies != v.bodies || s.state != spoolKept && s.state != spoolCommitted {
		return factError("spool was not kept in this store")
	}
	if s.size != size {
		return protocol.Refuse(protocol.SizeMismatch, "sealed bytes: %d, announced were %d", s.size, size)
	}
	if s.Digest() != d {
		return protocol.Refuse(protocol.DigestMismatch, "sealed bytes have digest %s…, announced was %s…", s.Digest().Short(), d.Short())
	}
	var body any
	if s.isInline() {
		body = s.inline
		if s.inline == nil {
			body = []byte{}
		}
	}
	_, err := t.exec(ctx, `INSERT INTO sealed (digest, size_bytes, inline, body, stored_us)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (digest) DO UPDATE SET inline = excluded.inline, body = excluded.body, released_us = NULL
WHERE sealed.released_us IS NOT NULL`, d[:], size, flag(s.isInline()), body, t.now.UnixMicro())
	return err
}

// sealed opens sealed bytes by their digest.
func (v *vault) sealed(ctx context.Context, d protocol.Digest) (*Sealed, error) {
	var size, inline int64
	var body []byte
	var released *int64
	err := v.read(ctx, func(ctx context.Context, t *tx) error {
		found, err := t.find(ctx, []any{&size, &inline, &body, &released},
			`SELECT size_bytes, inline, body, released_us FROM sealed WHERE digest = $1`, d[:])
		if err == nil && !found {
			err = ErrNotFound
		}
		if err == nil && released != nil {
			err = ErrGone
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("opening sealed bytes %s…: %w", d.Short(), err)
	}
	if inline != 0 {
		return &Sealed{body: bytes.NewReader(body), size: size}, nil
	}
	_, name := bodyName(d)
	f, err := v.bodies.root.Open(name)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: the file is missing", ErrIntegrity)
		}
		return nil, fmt.Errorf("opening sealed bytes %s…: %w", d.Short(), err)
	}
	if info, err := f.Stat(); err != nil || info.Size() != size {
		f.Close()
		return nil, fmt.Errorf("opening sealed bytes %s…: %w: the file has another size (%v)", d.Short(), ErrIntegrity, err)
	}
	return &Sealed{body: f, size: size, file: f}, nil
}

// maxSweep bounds one transaction of a sweep: spools wait for it.
const maxSweep = 256

// sweep releases bodies for which the condition holds, then removes their
// files. If the power goes between the two, a file is an orphan. It returns how
// many bodies it released.
func (v *vault) sweep(ctx context.Context, unneeded string, limit int) (removed int, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("releasing sealed bytes that are no longer needed: %w", err)
		}
	}()
	if err = v.removeFree(ctx, v.bodies.givenUp()); err != nil {
		return 0, err
	}
	if limit <= 0 || limit > maxSweep {
		limit = maxSweep
	}
	var all []protocol.Digest
	err = v.read(ctx, func(ctx context.Context, t *tx) error {
		rows, err := t.query(ctx, `SELECT digest FROM sealed WHERE released_us IS NULL AND `+unneeded+` LIMIT $1`, limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var d digest
			if err := rows.Scan(&d); err != nil {
				return err
			}
			all = append(all, protocol.Digest(d))
		}
		return rows.Err()
	})
	if err != nil || len(all) == 0 {
		return 0, err
	}
	err = v.bodies.whileFree(all, func(free []protocol.Digest) error {
		var gone []protocol.Digest
		err := v.write(ctx, func(ctx context.Context, t *tx) error {
			for _, d := range free {
				// Asked again inside the transaction: a fact may have come.
				n, err := t.exec(ctx, `UPDATE sealed SET body = NULL, released_us = $2
WHERE digest = $1 AND released_us IS NULL AND `+unneeded, d[:], t.now.UnixMicro())
				if err != nil {
					return err
				}
				if n > 0 {
					gone = append(gone, d)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, d := range gone {
			if err := v.bodies.remove(d); err != nil {
				return err
			}
		}
		removed = len(gone)
		return nil
	})
	return removed, err
}
