package store

import (
	"context"
	"time"

	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/statement"
)

// DirectoryVersion is a version of the federation's directory that this node adopted.
type DirectoryVersion struct {
	Ref       envelope.Directory
	Statement statement.Signed // comity/adoption/v1
	Adopted   time.Time        // filled when read
}

// AdoptDirectory stores that this node took a version of the directory: its
// statement is a leaf (R-FED-9). The same directory again is a repeat, another one of
// that version Equivocation, an older version Expired. What envelopes of peers named
// as this version, and was another directory, is kept as evidence.
type AdoptDirectory struct {
	DirectoryVersion
}

func (f AdoptDirectory) apply(ctx context.Context, b *batch) (*answer, error) {
	if f.Ref.Version < 1 || f.Ref.Digest.IsZero() || len(f.Statement.Document) == 0 || len(f.Statement.Signature) == 0 {
		return nil, factError("directory without version, digest, statement or signature")
	}
	var newest int64
	if _, err := b.find(ctx, []any{&newest}, `SELECT coalesce(max(version), 0) FROM directory_version`); err != nil {
		return nil, err
	}
	if f.Ref.Version <= newest {
		return f.known(ctx, b, newest)
	}
	p := storedPacket{signed: f.Statement, leaf: b.leaf()}
	if _, err := b.exec(ctx, `INSERT INTO directory_version (version, digest, document, signature, adopted_us, leaf) VALUES ($1, $2, $3, $4, $5, $6)`,
		f.Ref.Version, f.Ref.Digest[:], string(f.Statement.Document), string(f.Statement.Signature), b.now.UnixMicro(), p.leaf); err != nil {
		return nil, err
	}
	b.leaves = append(b.leaves, newLeafRow(f.Statement.Ref()))
	if _, err := b.exec(ctx, `INSERT INTO directory_named (node, differs, version, digest, envelope, signature, named_us)
SELECT node, 1, version, digest, envelope, signature, named_us FROM directory_named WHERE differs = 0 AND version = $1 AND digest <> $2
ON CONFLICT (node, differs) DO NOTHING`, f.Ref.Version, f.Ref.Digest[:]); err != nil {
		return nil, err
	}
	return &answer{packets: []storedPacket{p}}, nil
}

// known answers for a version that is not new.
func (f AdoptDirectory) known(ctx context.Context, b *batch, newest int64) (*answer, error) {
	var have digest
	var p storedPacket
	found, err := b.find(ctx, []any{&have, &p.signed.Document, &p.signed.Signature, &p.leaf},
		`SELECT digest, document, signature, leaf FROM directory_version WHERE version = $1`, f.Ref.Version)
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, protocol.Refuse(protocol.Expired, "version %d of the directory: version %d is known", f.Ref.Version, newest)
	case protocol.Digest(have) != f.Ref.Digest:
		return blocked(p), protocol.Refuse(protocol.Equivocation, "another version %d of the directory (%s) is known", f.Ref.Version, protocol.Digest(have).Short())
	}
	return &answer{packets: []storedPacket{p}, repeat: true}, nil
}

// NewestDirectory returns the newest version that was adopted. ErrNotFound.
func (g *Gateway) NewestDirectory(ctx context.Context) (*DirectoryVersion, error) {
	return one(ctx, g.v, "the newest version of the directory", scanDirectory, directoryColumns+` ORDER BY version DESC LIMIT 1`)
}

// Directory returns a version that was adopted. ErrNotFound.
func (g *Gateway) Directory(ctx context.Context, version int64) (*DirectoryVersion, error) {
	return one(ctx, g.v, "a version of the directory", scanDirectory, directoryColumns+` WHERE version = $1`, version)
}

const directoryColumns = `SELECT version, digest, document, signature, adopted_us FROM directory_version`

func scanDirectory(scan func(...any) error) (v DirectoryVersion, err error) {
	var adopted int64
	err = scan(&v.Ref.Version, (*digest)(&v.Ref.Digest), &v.Statement.Document, &v.Statement.Signature, &adopted)
	v.Adopted = instant(&adopted)
	return v, err
}

// NamedDirectory is what an envelope of a peer named as the directory.
type NamedDirectory struct {
	Node     protocol.NodeID
	Ref      envelope.Directory
	Envelope statement.Signed
	Named    time.Time // filled when read
}

// NameDirectory remembers what a peer named, if it is a newer version than that
// which it named before, and reports whether this node knows another directory of
// that version. The first such envelope of each peer is kept for ever.
func (g *Gateway) NameDirectory(ctx context.Context, n NamedDirectory) (differs bool, err error) {
	err = g.v.write(ctx, func(ctx context.Context, t *tx) error {
		var have digest
		found, err := t.find(ctx, []any{&have}, `SELECT digest FROM directory_version WHERE version = $1`, n.Ref.Version)
		if err != nil {
			return err
		}
		const columns = `INSERT INTO directory_named (node, differs, version, digest, envelope, signature, named_us) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (node, differs) DO `
		differs = found && protocol.Digest(have) != n.Ref.Digest
		query := columns + `UPDATE SET version = excluded.version, digest = excluded.digest, envelope = excluded.envelope, signature = excluded.signature,
named_us = excluded.named_us WHERE excluded.version > directory_named.version`
		if differs {
			query = columns + `NOTHING`
		}
		_, err = t.exec(ctx, query, n.Node, flag(differs), n.Ref.Version, n.Ref.Digest[:], string(n.Envelope.Document), string(n.Envelope.Signature), t.now.UnixMicro())
		return err
	})
	return differs, wrap("noting the directory that "+string(n.Node)+" named", err)
}

// DifferingDirectories returns the envelopes that named another directory than the
// one that was adopted here under the same version, by peer.
func (g *Gateway) DifferingDirectories(ctx context.Context) (list []NamedDirectory, err error) {
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		list, err = collect(ctx, t, func(scan func(...any) error) (n NamedDirectory, err error) {
			var named int64
			err = scan(&n.Node, &n.Ref.Version, (*digest)(&n.Ref.Digest), &n.Envelope.Document, &n.Envelope.Signature, &named)
			n.Named = instant(&named)
			return n, err
		}, `SELECT node, version, digest, envelope, signature, named_us FROM directory_named WHERE differs = 1 ORDER BY node`)
		return err
	})
	return list, wrap("reading which peers named another directory", err)
}

// RecordRefs returns the number and digest of every record that was adopted, by
// state and number.
func (g *Gateway) RecordRefs(ctx context.Context) (list []envelope.RecordRef, err error) {
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		list, err = collect(ctx, t, func(scan func(...any) error) (r envelope.RecordRef, err error) {
			return r, scan(&r.State, &r.Sequence, (*digest)(&r.Digest))
		}, `SELECT state, sequence, digest FROM record ORDER BY state, sequence`)
		return err
	})
	return list, wrap("reading the numbers of all records", err)
}
