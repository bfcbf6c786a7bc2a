package office

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"comity/protocol"
	"comity/protocol/exchange"
	"comity/protocol/statement"
	"comity/store"
)

// Names of files in an export. The recipe for stock tools in SPEC.md uses them.
const (
	exportParcel     = "parcel.age"
	exportEnvelope   = "envelope.json"
	exportWithdrawal = "withdrawal.json"
	exportTrust      = "trust"
)

// Export writes a new folder from which stock tools can check one transmission
// and, with a key, open its parcel: the sealed bytes, the envelope, all
// evidence with its proofs, and under trust/ what it is checked against. A sent
// message with several recipients gets one folder inside for each, named by the
// recipient. A withdrawal of this office is in it too.
//
// dir must not exist, or be empty. It appears whole or not at all, readable by
// its owner only. The export stands in the journal before it appears. Nothing
// is decrypted, and no file is held in memory.
func (o *Office) Export(ctx context.Context, name store.Name, dir string) error {
	return o.ExportFor(ctx, name, dir, "")
}

// ExportFor is Export into a folder from which another program takes it to a place of
// its own: that is what the journal names.
func (o *Office) ExportFor(ctx context.Context, name store.Name, dir, place string) error {
	m, err := o.message(ctx, name)
	if err != nil {
		return err
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("export to %s: %w", dir, err)
	}
	if err := vacant(dir); err != nil {
		return err
	}
	work, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+".*.new") // mode 0700
	if err != nil {
		return fmt.Errorf("export to %s: %w", dir, err)
	}
	defer os.RemoveAll(work) // gone already when all went well
	if err := o.exportTo(ctx, m, work); err != nil {
		return fmt.Errorf("export parcel %s: %w", name.Parcel, err)
	}
	digest := m.Digest()
	note, err := entry(ActExport, name, &digest, func(e *Entry) { e.Place = plainPath(cmp.Or(place, dir)) })
	if err != nil {
		return err
	}
	if _, err := o.store.Append(ctx, note); err != nil {
		return err
	}
	return appear(work, dir)
}

// vacant refuses a place where something would be mixed or overwritten.
func vacant(dir string) error {
	entries, err := os.ReadDir(dir)
	switch info, statErr := os.Lstat(dir); {
	case errors.Is(statErr, fs.ErrNotExist):
		return nil
	case statErr != nil:
		return fmt.Errorf("export to %s: %w", dir, statErr)
	case !info.IsDir():
		return fmt.Errorf("export to %s: there is something that is not a folder: choose a new place", dir)
	case err != nil:
		return fmt.Errorf("export to %s: %w", dir, err)
	case len(entries) > 0:
		return fmt.Errorf("export to %s: the folder is not empty: choose a new place", dir)
	}
	return nil
}

// appear gives the finished folder its name.
func appear(work, dir string) error {
	// A rename does not replace a folder; this removes an empty one only.
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("export to %s: %w", dir, err)
	}
	if err := os.Rename(work, dir); err != nil {
		return fmt.Errorf("export to %s: %w", dir, err)
	}
	return nil
}

func (o *Office) exportTo(ctx context.Context, m *store.Message, work string) error {
	first := ""
	for _, t := range m.Transmissions {
		folder := work
		if len(m.Transmissions) > 1 {
			folder = filepath.Join(work, flat(t.To))
			if err := os.Mkdir(folder, 0o700); err != nil {
				return err
			}
		}
		if err := o.exportParcel(ctx, m, folder, first); err != nil {
			return err
		}
		first = filepath.Join(folder, exportParcel)
		if err := o.exportTransmission(ctx, keyTo(m.Name, t.To), folder); err != nil {
			return err
		}
		if !t.HasWithdrawal() {
			continue
		}
		if err := writeSigned(folder, exportWithdrawal, t.Withdrawal); err != nil {
			return err
		}
	}
	return nil
}

// flat makes a file name of an authority's name.
func flat(id protocol.AuthorityID) string { return strings.ReplaceAll(string(id), "/", "-") }

// exportParcel copies the sealed bytes and compares them with their digest.
// Further recipients of the same bytes get a second name of the first copy.
func (o *Office) exportParcel(ctx context.Context, m *store.Message, folder, first string) error {
	path := filepath.Join(folder, exportParcel)
	if first != "" && os.Link(first, path) == nil {
		return nil
	}
	sealed, err := o.store.Sealed(ctx, m.Sealed.Digest)
	if errors.Is(err, store.ErrGone) {
		return fmt.Errorf("its sealed bytes were deleted: %w", err)
	} else if err != nil {
		return err
	}
	defer sealed.Close() // only read from
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	sum := sha256.New()
	buffer := takeBuffer()
	defer giveBuffer(buffer)
	_, err = io.CopyBuffer(cancellable(ctx, io.MultiWriter(out, sum)), onlyReader{io.NewSectionReader(sealed, 0, sealed.Size())}, *buffer)
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		return err
	}
	if got := protocol.Digest(sum.Sum(nil)); got != m.Sealed.Digest {
		return fmt.Errorf("%w: the sealed bytes have the digest %s, stored were %s", store.ErrIntegrity, got.Short(), m.Sealed.Digest.Short())
	}
	return nil
}

// exportTransmission writes envelope, evidence and what they are checked against.
func (o *Office) exportTransmission(ctx context.Context, k protocol.Key, folder string) error {
	env, err := o.gateway.Envelope(ctx, k)
	if err != nil {
		return fmt.Errorf("its envelope to %s (is it submitted?): %w", k.To, err)
	}
	if err := writeSigned(folder, exportEnvelope, env); err != nil {
		return err
	}
	all, err := o.evidenceOf(ctx, k)
	if err != nil {
		return err
	}
	proofs, err := o.gateway.Proofs(ctx, k)
	if err != nil {
		return err
	}
	for i := range all {
		e := &all[i]
		if better := proofs[e.Parsed.Event].Cosigned; better != nil {
			e.Proof = better
		}
		if err := writeEvidence(folder, *e); err != nil {
			return err
		}
	}
	return o.exportRecords(ctx, folder, k, all)
}

func writeEvidence(folder string, e exchange.Attested) error {
	base := "evidence-" + string(e.Parsed.Event)
	if err := writeSigned(folder, base+".json", e.Signed); err != nil {
		return err
	}
	if e.Proof == nil {
		return nil // signed and not filed yet
	}
	return writeNew(filepath.Join(folder, base+".tlog-proof"), e.Proof)
}

func writeSigned(folder, name string, s statement.Signed) error {
	if err := writeNew(filepath.Join(folder, name), s.Document); err != nil {
		return err
	}
	return writeNew(filepath.Join(folder, name+".asc"), s.Signature)
}

// writeNew writes one small file that must not exist.
func writeNew(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}
