package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"comity/protocol"
)

// JournalEntry is one act of the office. Its digest is SHA-256 over
// "comity/journal/v1\n", the sequence and the Unix microseconds as eight bytes
// each, big-endian, the previous digest and the entry's bytes.
type JournalEntry struct {
	Sequence int64           // from 1
	Previous protocol.Digest // zero for the first
	At       time.Time
	Entry    []byte // JSON as the office wrote it
	Digest   protocol.Digest
}

const journalLabel = "comity/journal/v1\n"

func (e *JournalEntry) sum() (d protocol.Digest) {
	h := sha256.New()
	h.Write([]byte(journalLabel))
	var n [16]byte
	binary.BigEndian.PutUint64(n[:8], uint64(e.Sequence))
	binary.BigEndian.PutUint64(n[8:], uint64(e.At.UnixMicro()))
	h.Write(n[:])
	h.Write(e.Previous[:])
	h.Write(e.Entry)
	h.Sum(d[:0])
	return d
}

const journalColumns = `SELECT sequence, previous, at_us, entry, digest FROM journal`

func scanJournal(scan func(...any) error) (e JournalEntry, err error) {
	var at int64
	err = scan(&e.Sequence, (*digest)(&e.Previous), &at, &e.Entry, (*digest)(&e.Digest))
	e.At = instant(&at)
	return e, err
}

// journalHead returns where the journal ends; the zero head of an empty one.
func journalHead(ctx context.Context, t *tx) (h head, err error) {
	var us int64
	found, err := t.find(ctx, []any{&h.size, (*digest)(&h.root), &us}, `SELECT sequence, digest, at_us FROM journal ORDER BY sequence DESC LIMIT 1`)
	if found {
		h.last = time.UnixMicro(us)
	}
	return h, err
}

// journal appends an entry inside the caller's transaction.
func (o *Office) journal(ctx context.Context, t *tx, entry []byte) (JournalEntry, error) {
	if len(entry) == 0 {
		return JournalEntry{}, factError("empty journal entry")
	}
	if err := o.v.checkClock(t.now, t.head.last); err != nil {
		return JournalEntry{}, err
	}
	e := JournalEntry{Sequence: t.head.size + 1, Previous: t.head.root, At: time.UnixMicro(t.now.UnixMicro()).UTC(), Entry: entry}
	e.Digest = e.sum()
	_, err := t.exec(ctx, `INSERT INTO journal (sequence, previous, at_us, entry, digest) VALUES ($1, $2, $3, $4, $5)`,
		e.Sequence, e.Previous[:], e.At.UnixMicro(), string(entry), e.Digest[:])
	if err == nil {
		t.head = head{size: e.Sequence, root: e.Digest, last: e.At}
	}
	return e, err
}

// Append writes one journal entry of its own.
func (o *Office) Append(ctx context.Context, entry []byte) (e JournalEntry, err error) {
	err = o.writes.write(ctx, func(ctx context.Context, t *tx) error {
		e, err = o.journal(ctx, t, entry)
		return err
	})
	return e, wrap("writing the journal", err)
}

// Journal returns entries after a sequence, oldest first.
func (o *Office) Journal(ctx context.Context, after int64, limit int) (list []JournalEntry, err error) {
	err = o.v.read(ctx, func(ctx context.Context, t *tx) error {
		list, err = journalAfter(ctx, t, after, limit)
		return err
	})
	return list, wrap("reading the journal", err)
}

func journalAfter(ctx context.Context, t *tx, after int64, limit int) ([]JournalEntry, error) {
	if limit <= 0 || limit > MaxPage {
		limit = MaxPage
	}
	return collect(ctx, t, scanJournal, journalColumns+` WHERE sequence > $1 ORDER BY sequence LIMIT $2`, after, limit)
}

// CheckJournal computes the whole chain again and returns its head; the zero
// entry when it is empty. ErrIntegrity says which entry differs. That the end
// was not cut off is shown only by comparing the head with one seen before.
func (o *Office) CheckJournal(ctx context.Context) (head JournalEntry, err error) {
	err = o.v.read(ctx, func(ctx context.Context, t *tx) error {
		for {
			page, err := journalAfter(ctx, t, head.Sequence, checkPage)
			if err != nil || len(page) == 0 {
				return err
			}
			for _, e := range page {
				switch {
				case e.Sequence != head.Sequence+1:
					return inconsistent("journal entry %d is missing", head.Sequence+1)
				case e.Previous != head.Digest:
					return inconsistent("journal entry %d does not follow from the one before", e.Sequence)
				case e.sum() != e.Digest:
					return inconsistent("journal entry %d was changed", e.Sequence)
				}
				head = e
			}
		}
	})
	return head, wrap("checking the journal", err)
}

// JournalOf returns the entries of a period, oldest first, after a sequence.
func (o *Office) JournalOf(ctx context.Context, p Period, after int64, limit int) (list []JournalEntry, err error) {
	if limit <= 0 || limit > MaxPage {
		limit = MaxPage
	}
	from, until := p.micros()
	err = o.v.read(ctx, func(ctx context.Context, t *tx) error {
		list, err = collect(ctx, t, scanJournal, journalColumns+` WHERE at_us >= $1 AND at_us < $2 AND sequence > $3 ORDER BY sequence LIMIT $4`,
			from, until, after, limit)
		return err
	})
	return list, wrap("reading the journal", err)
}
