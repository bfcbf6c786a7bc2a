package office

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"comity/crypto/seal"
	"comity/node/newfile"
	"comity/protocol"
	"comity/protocol/bundle"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/record"
	"comity/protocol/statement"
	"comity/store"
)

// BundleOptions say what goes into a bundle beside the evidence.
type BundleOptions struct {
	Language bundle.Language
	Offset   bundle.Offset
	// WithParcel puts the sealed bytes in, Disclose their file key too: whoever has
	// the bundle can then read this parcel, and no other.
	WithParcel, Disclose bool
}

// Bundled says what a bundle holds.
type Bundled struct {
	To       protocol.AuthorityID
	Size     int64
	Evidence []evidence.Event
	// Unproven are events whose evidence has no proof here yet and was left out.
	Unproven []evidence.Event
}

// Bundle writes a new file with everything that an auditor needs to check one
// transmission of a message (SPEC.md, "Bundle"). The file must not exist; it
// appears whole or not at all, readable by its owner only, and stands in the
// journal before it appears. A disclosed key is an act of its own there.
func (o *Office) Bundle(ctx context.Context, name store.Name, to protocol.AuthorityID, path string, with BundleOptions) (*Bundled, error) {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("write a bundle: %s exists already: choose a new name", path)
	}
	return o.bundle(ctx, name, to, with, func(m *store.Message, c *bundle.Contents, b *Bundled) error {
		return o.writeBundle(ctx, m, c, b, path)
	})
}

// BundleTo is Bundle for a reader elsewhere, who keeps it under the name place: that
// stands in the journal before the first byte leaves. After an error, what was
// written is to be thrown away.
func (o *Office) BundleTo(ctx context.Context, w io.Writer, name store.Name, to protocol.AuthorityID, place string, with BundleOptions) (*Bundled, error) {
	return o.bundle(ctx, name, to, with, func(m *store.Message, c *bundle.Contents, b *Bundled) error {
		noted := false
		return bundle.Write(writerFunc(func(p []byte) (int, error) {
			if !noted {
				if err := o.noteBundle(ctx, m, c, b, place); err != nil {
					return 0, err
				}
				noted = true
			}
			n, err := w.Write(p)
			b.Size += int64(n)
			return n, err
		}), c)
	})
}

// bundle collects what goes into a bundle and has it written.
func (o *Office) bundle(ctx context.Context, name store.Name, to protocol.AuthorityID, with BundleOptions, write func(*store.Message, *bundle.Contents, *Bundled) error) (*Bundled, error) {
	if with.Disclose && o.locked != nil {
		return nil, o.locked
	}
	m, err := o.message(ctx, name)
	if err != nil {
		return nil, err
	}
	c, b, err := o.contentsOf(ctx, m, keyTo(name, to), with)
	if err != nil {
		return nil, fmt.Errorf("bundle parcel %s to %s: %w", name.Parcel, to, err)
	}
	if with.WithParcel || with.Disclose {
		sealed, err := o.store.Sealed(ctx, m.Sealed.Digest)
		if err != nil {
			return nil, err
		}
		defer sealed.Close() // only read from
		c.Parcel = sealed
	}
	return b, write(m, c, b)
}

// writeBundle writes the file beside its place, notes the act, and moves it there.
func (o *Office) writeBundle(ctx context.Context, m *store.Message, c *bundle.Contents, b *Bundled, path string) error {
	f, err := newfile.Create(path)
	if err != nil {
		return fmt.Errorf("write a bundle: %w", err)
	}
	defer f.Discard()
	err = bundle.Write(f, c)
	if info, statErr := f.Stat(); statErr == nil {
		b.Size = info.Size()
	}
	if err = errors.Join(err, f.Sync()); err != nil {
		return fmt.Errorf("write the bundle of parcel %s: %w", m.Name.Parcel, err)
	}
	if err := o.noteBundle(ctx, m, c, b, path); err != nil {
		return err
	}
	if err := f.Keep(); err != nil {
		return fmt.Errorf("write a bundle: %w", err)
	}
	return nil
}

// noteBundle writes into the journal that a bundle goes out, and whether with the key.
func (o *Office) noteBundle(ctx context.Context, m *store.Message, c *bundle.Contents, b *Bundled, place string) error {
	digest, act := m.Digest(), ActExport
	if c.FileKey != nil {
		act = ActDisclose
	}
	note, err := entry(act, m.Name, &digest, func(e *Entry) { e.To, e.Place = &b.To, plainPath(place) })
	if err != nil {
		return err
	}
	_, err = o.store.Append(ctx, note)
	return err
}

// contentsOf collects what stands here about one transmission.
func (o *Office) contentsOf(ctx context.Context, m *store.Message, k protocol.Key, with BundleOptions) (*bundle.Contents, *Bundled, error) {
	c, b := &bundle.Contents{Language: with.Language, Offset: with.Offset}, &Bundled{To: k.To}
	var err error
	if c.Envelope, err = o.gateway.Envelope(ctx, k); err != nil {
		return nil, nil, fmt.Errorf("its envelope (is it submitted?): %w", err)
	}
	all, err := o.evidenceOf(ctx, k)
	if err != nil {
		return nil, nil, err
	}
	proofs, err := o.gateway.Proofs(ctx, k)
	if err != nil {
		return nil, nil, err
	}
	for _, event := range evidence.Events() {
		i := slices.IndexFunc(all, func(a exchange.Attested) bool { return a.Parsed.Event == event })
		switch {
		case i < 0:
		case all[i].Proof == nil:
			b.Unproven = append(b.Unproven, event)
		default:
			p := proofs[event]
			c.Evidence = append(c.Evidence, bundle.Evidence{Packet: all[i].Packet, Cosigned: p.Cosigned, Peer: p.Peer})
			b.Evidence = append(b.Evidence, event)
		}
	}
	for i := range m.Transmissions {
		if t := &m.Transmissions[i]; t.To == k.To && t.HasWithdrawal() {
			c.Withdrawal = &t.Withdrawal
		}
	}
	if c.Records, err = o.recordsFor(ctx, c, all); err != nil {
		return nil, nil, err
	}
	if with.Disclose {
		if c.FileKey, err = o.fileKey(m); err != nil {
			return nil, nil, err
		}
	}
	return c, b, nil
}

func (o *Office) fileKey(m *store.Message) (*seal.FileKey, error) {
	if m.Slip == nil {
		return nil, fmt.Errorf("its key was destroyed, so nobody here can disclose it: %w", store.ErrGone)
	}
	key, err := seal.OpenSlip(m.Slip, o.identities)
	if err != nil {
		return nil, fmt.Errorf("its key slip is for an identity that is not in the office's key folder: put the older identities back: %w", err)
	}
	return &key, nil
}

// recordsFor returns, of both parties, every version from the oldest that
// envelope or evidence names, and of each state that cosigned any of the proofs
// its newest.
func (o *Office) recordsFor(ctx context.Context, c *bundle.Contents, all []exchange.Attested) ([]statement.Signed, error) {
	env, err := envelope.Parse(c.Envelope.Document)
	if err != nil {
		return nil, err
	}
	oldest := map[protocol.StateID]int64{}
	name := func(ref envelope.RecordRef) {
		if have, ok := oldest[ref.State]; !ok || ref.Sequence < have {
			oldest[ref.State] = ref.Sequence
		}
	}
	name(env.Records.From)
	name(env.Records.To)
	for _, a := range all {
		name(a.Parsed.Record)
	}
	histories, err := o.gateway.Histories(ctx)
	if err != nil {
		return nil, err
	}
	var list []statement.Signed
	for _, h := range histories {
		switch from, party := oldest[h.State]; {
		case party:
			list = append(list, chain(h, from)...)
		case witnessed(c, "comity/witness/"+string(h.Node)):
			list = append(list, h.Versions[len(h.Versions)-1].Signed)
		}
	}
	return list, nil
}

// chain returns the versions from a number on, as far as each follows from the
// one before. Where a state began anew and a person confirmed it, the chain ends:
// what comes after cannot vouch for what was before.
func chain(h exchange.History, from int64) (list []statement.Signed) {
	var prev *record.State
	for _, v := range h.Versions {
		if v.Sequence < from {
			continue
		}
		next, err := record.Verify(v.Signed, prev)
		if err != nil {
			break
		}
		list, prev = append(list, v.Signed), next
	}
	return list
}

// witnessed reports whether a witness of this name cosigned any checkpoint in the bundle.
func witnessed(c *bundle.Contents, witness string) bool {
	line := []byte("\n— " + witness + " ")
	for _, e := range c.Evidence {
		for _, p := range [][]byte{e.Proof, e.Cosigned, e.Peer} {
			if bytes.Contains(p, line) {
				return true
			}
		}
	}
	// The checkpoint in an envelope is escaped as JSON.
	return strings.Contains(string(c.Envelope.Document), `\n— `+witness+" ")
}
