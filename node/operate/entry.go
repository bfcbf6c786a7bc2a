package operate

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // a machine without a database of time zones publishes and reads hours as well

	"comity/protocol"
	"comity/protocol/parcel"
	"comity/protocol/record"
	"comity/protocol/statement"
)

// EntryType is the first member of the file in which people edit an entry. It is
// no part of the protocol: what is published is signed and has another type.
const EntryType = "comity/entry/v1"

// EntryFile is what people may say of an authority. Keys, numbers and dates are
// put in when it is published.
type EntryFile struct {
	Type        string               `json:"type"`
	Authority   protocol.AuthorityID `json:"authority"`
	Name        []record.Name        `json:"name" max:"16"`
	Particulars record.Particulars   `json:"particulars"`
}

// EntryOf is the present entry of an authority, to be edited; one that has told
// nothing yet has every member, empty.
func EntryOf(a *record.Authority) *EntryFile {
	f := &EntryFile{Type: EntryType, Authority: a.ID, Name: a.Name}
	if a.Particulars != nil {
		f.Particulars = *a.Particulars
	}
	return f
}

// Encode writes the file.
func (f *EntryFile) Encode() ([]byte, error) { return statement.Encode(f) }

// ReadEntryFile reads a file that a person has edited. It is as strict as a
// signed document is, so that a word which is misspelled is not silently left
// out, but for what editors do to the ends of a file. The errors name the member.
func ReadEntryFile(data []byte) (*EntryFile, error) {
	data = bytes.TrimPrefix(data, []byte("\xEF\xBB\xBF")) // some editors mark UTF-8 so
	data = append(bytes.TrimSpace(data), '\n')
	f := new(EntryFile)
	if err := statement.Decode(data, EntryType, protocol.MaxAuthorityEntry, f); err != nil {
		if strings.HasSuffix(err.Error(), parcel.UnknownKind) {
			err = fmt.Errorf("%w; there are %s", err, wordsOf(parcel.Kinds()))
		}
		return nil, err
	}
	if err := f.Particulars.Validate(); err != nil {
		return nil, err
	}
	return f, f.known()
}

// known refuses a term or zone that nobody would understand: a receiver takes
// every term (R-DIR-2), so a misspelled one would only fail to be found.
func (f *EntryFile) known() error {
	for _, c := range f.Particulars.Competences {
		for _, t := range c.Functions {
			if !slices.Contains(record.Functions(), t) {
				return unknownTerm("function", t, record.Functions())
			}
		}
	}
	for _, c := range f.Particulars.Channels {
		if !slices.Contains(record.ChannelNames(), c.Channel) {
			return unknownTerm("channel", c.Channel, record.ChannelNames())
		}
	}
	if h := f.Particulars.Hours; h != nil {
		if _, err := time.LoadLocation(h.Zone); err != nil {
			return protocol.Refuse(protocol.Malformed, "particulars: there is no time zone %s; want a name like Europe/Madrid", protocol.Quote([]byte(h.Zone)))
		}
	}
	return nil
}

func unknownTerm(what string, t record.Term, all []record.Term) error {
	return protocol.Refuse(protocol.Malformed, "particulars: there is no %s %q; there are %s", what, t, wordsOf(all))
}

func wordsOf[T ~string](all []T) string {
	words := make([]string, len(all))
	for i, one := range all {
		words[i] = string(one)
	}
	return strings.Join(words, ", ")
}

// apply makes the next entry of an authority out of its present one.
func (f *EntryFile) apply(a record.Authority, at time.Time) (*record.Authority, error) {
	if a.ID != f.Authority {
		return nil, fmt.Errorf("the entry is of %s, not of %s", f.Authority, a.ID)
	}
	particulars := f.Particulars
	a.Name, a.Particulars = f.Name, &particulars
	a.Sequence, a.Created, a.Confirmed = a.Sequence+1, protocol.At(at), protocol.At(at)
	return &a, nil
}
