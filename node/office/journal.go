package office

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/statement"
	"comity/store"
)

// EntryType is the first member of every journal entry.
const EntryType = "comity/journal/v1"

// Act is what an entry of the journal records.
type Act string

// The acts.
const (
	ActSend        Act = "send"
	ActTakeIn      Act = "take-in"
	ActRefuse      Act = "refuse"
	ActOpen        Act = "open"
	ActAcknowledge Act = "acknowledge"
	ActDecline     Act = "decline"
	ActWithdraw    Act = "withdraw"
	ActExport      Act = "export"
	ActDisclose    Act = "disclose" // an export with the key of the parcel
)

// Entry is one act as it stands in the hash-chained journal. It names files by
// number: their real names are content. The time is the store's.
type Entry struct {
	Type   string               `json:"type"`
	Act    Act                  `json:"act"`
	From   protocol.AuthorityID `json:"from"`
	Parcel protocol.ParcelID    `json:"parcel"`
	// Message is the digest of the manifest; null when none was accepted.
	Message *protocol.Digest `json:"message"`
	// File is the number of the file, from 1; null unless one was opened.
	File *int64 `json:"file"`
	// To is the recipient from whom a message was withdrawn, or to whom the
	// transmission went that a bundle shows; null otherwise.
	To *protocol.AuthorityID `json:"to"`
	// Reason is why a parcel was refused or declined; null otherwise.
	Reason *evidence.Reason `json:"reason"`
	// Place is the folder of an export, or the file of a bundle; null otherwise.
	Place *string `json:"place"`
}

// ParseEntry reads an entry of the journal.
func ParseEntry(doc []byte) (*Entry, error) {
	e := new(Entry)
	if err := statement.Decode(doc, EntryType, maxEntry, e); err != nil {
		return nil, fmt.Errorf("reading a journal entry: %w", err)
	}
	return e, nil
}

// maxEntry bounds one entry: a reason and a path.
const maxEntry = 16 << 10

// entry writes an entry about a message.
func entry(act Act, name store.Name, message *protocol.Digest, more func(*Entry)) ([]byte, error) {
	e := Entry{Type: EntryType, Act: act, From: name.From, Parcel: name.Parcel, Message: message}
	if more != nil {
		more(&e)
	}
	doc, err := statement.Encode(e)
	if err != nil {
		return nil, fmt.Errorf("writing a journal entry: %w", err)
	}
	return doc, nil
}

// plainPath makes a path fit for a document: it is for people to read, and a
// path of odd bytes must not keep an act out of the journal.
func plainPath(path string) *string {
	text := strings.ReplaceAll(strings.ToValidUTF8(path, "\uFFFD"), "\x00", "\uFFFD")
	if len(text) > protocol.MaxString {
		cut := protocol.MaxString
		for !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut]
	}
	return &text
}

// JournalOf returns the entries of a period after a sequence number, oldest first, at most limit.
func (o *Office) JournalOf(ctx context.Context, p store.Period, after int64, limit int) ([]store.JournalEntry, error) {
	return o.store.JournalOf(ctx, p, after, limit)
}

// Among returns which of the messages are here, and of each whether it is a test.
func (o *Office) Among(ctx context.Context, names []store.Name) (tests map[store.Name]bool, err error) {
	return o.store.Among(ctx, names)
}

// ContestedOf returns the manifests that arrived in a period under an identity
// already used by another one.
func (o *Office) ContestedOf(ctx context.Context, p store.Period, limit int) ([]store.Contested, bool, error) {
	return o.store.ContestedOf(ctx, p, limit)
}

// Audit verifies everything that the office's store holds, with the records that
// its node has adopted.
func (o *Office) Audit(ctx context.Context, records []store.Record, options store.AuditOptions) (*store.AuditReport, error) {
	return o.store.Audit(ctx, records, options)
}
