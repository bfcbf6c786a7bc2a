package store

import (
	"context"

	"comity/protocol"
	"comity/protocol/adoption"
	"comity/protocol/envelope"
)

// directories verifies each statement by which a version of the directory was
// adopted, and that the envelopes kept beside it name another one (R-FED-7, R-FED-9).
func (a *audit) directories(ctx context.Context, v *vault) error {
	err := pages(ctx, a, v, func(ctx context.Context, t *tx, after *DirectoryVersion) ([]DirectoryVersion, error) {
		from := past(after, func(last *DirectoryVersion) int64 { return last.Ref.Version })
		return collect(ctx, t, scanDirectory, directoryColumns+` WHERE version > $1 ORDER BY version LIMIT $2`, from, checkPage)
	}, func(have *DirectoryVersion) error {
		r := a.row("version %d of the directory", have.Ref.Version)
		a.Directories++
		is, err := adoption.Parse(have.Statement.Document)
		if err == nil {
			is, err = a.history.VerifyAdoption(have.Statement, a.options.Own, is.Record, a.now)
		}
		if r.check("document and signature", err) {
			same(r, "version", have.Ref.Version, is.Directory.Version)
			same(r, "digest", have.Ref.Digest, is.Directory.Digest)
		}
		return r.err
	})
	if err != nil {
		return err
	}
	return pages(ctx, a, v, func(ctx context.Context, t *tx, after *auditedNamed) ([]auditedNamed, error) {
		var node protocol.NodeID
		differs := beginning
		if after != nil {
			node, differs = after.Node, after.differs
		}
		return collect(ctx, t, func(scan func(...any) error) (n auditedNamed, err error) {
			return n, scan(&n.Node, &n.differs, &n.Ref.Version, (*digest)(&n.Ref.Digest), &n.Envelope.Document, &n.Envelope.Signature, &n.contradicts)
		}, `SELECT n.node, n.differs, n.version, n.digest, n.envelope, n.signature, CASE WHEN v.digest <> n.digest THEN 1 ELSE 0 END
FROM directory_named n LEFT JOIN directory_version v ON v.version = n.version
WHERE n.node > $1 OR n.node = $1 AND n.differs > $2 ORDER BY n.node, n.differs LIMIT $3`, node, differs, checkPage)
	}, func(have *auditedNamed) error {
		r := a.row("named directory of %s", have.Node)
		e, err := a.history.VerifyEnvelope(have.Envelope, a.now)
		if !r.check("envelope and signature", err) {
			return r.err
		}
		var named envelope.Directory
		if e.Directory != nil {
			named = *e.Directory
		}
		same(r, "version and digest", have.Ref, named)
		same(r, "node", have.Node.State(), e.From.State())
		if have.differs == 1 && !have.contradicts {
			r.fault("differs", "the directory of that version is not known here as another one")
		}
		return r.err
	})
}

// auditedNamed is a row of directory_named.
type auditedNamed struct {
	NamedDirectory
	differs     int64
	contradicts bool // this node adopted another directory of that version
}
