package control

import (
	"context"
	"fmt"
	"strings"

	"comity/protocol"
	"comity/protocol/directory"
	"comity/store"
)

// Format is how listings are handed on.
type Format string

// The formats.
const (
	CSV  Format = "csv"
	JSON Format = "json"
)

// importRequest carries a file of listings.
type importRequest struct {
	Format Format `json:"format"`
	File   string `json:"file"`
	Whole  bool   `json:"whole"` // what is not in the file goes
}

// Imported says what an import did, in numbers of authorities.
type Imported struct {
	New       int `json:"new"`
	Changed   int `json:"changed"`
	Unchanged int `json:"unchanged"`
	// Older are those that the file has with an older date than the directory; these stay as they were.
	Older int `json:"older"`
	Gone  int `json:"gone"`
	// Known are those that a record lists as well: it counts, and not the file.
	Known int `json:"known_by_record"`
}

// importListings takes a file of authorities that are not on the network, all of
// it or nothing.
func (s *Service) importListings(ctx context.Context, in importRequest) (*Imported, error) {
	read := map[Format]func([]byte) ([]directory.Listing, error){CSV: directory.ReadCSV, JSON: directory.ReadJSON}[in.Format]
	if read == nil {
		return nil, fail(Usage, "", "%q is no format of listings: want csv or json", in.Format)
	}
	listed, err := read([]byte(in.File))
	if err != nil {
		return nil, fail(Code(protocol.CodeOf(err)), fmt.Sprintf(`nothing was imported; "comity directory export --all -o template.%s" writes a file of the right form, to copy from`, in.Format), "this is no file of authorities: %s", plainly(err))
	}
	had, err := s.imported(ctx)
	if err != nil {
		return nil, err
	}
	out := &Imported{}
	list, err := s.merge(out, listed, had, in.Whole)
	if err != nil {
		return nil, err
	}
	if err := s.node.Gateway.Store.ImportListings(ctx, list, in.Whole); err != nil {
		return nil, err
	}
	return out, s.node.Gateway.Store.NoteAct(ctx, store.Act{
		Kind: store.ActImport, Detail: fmt.Sprintf("%d authorities: %d new, %d changed, %d gone", len(listed), out.New, out.Changed, out.Gone),
	})
}

// merge compares a file with what is there, and returns what is to be stored.
func (s *Service) merge(out *Imported, listed []directory.Listing, had map[protocol.AuthorityID]storedListing, whole bool) (list []store.Listing, err error) {
	present := len(had)
	for _, l := range listed {
		document, err := l.Encode()
		if err == nil {
			_, err = directory.Decode(document) // what is stored can be read again
		}
		if err != nil {
			return nil, fail(Code(protocol.CodeOf(err)), "nothing was imported", "%s: %s", l.Authority, plainly(err))
		}
		was, known := had[l.Authority]
		switch {
		case !known:
			out.New++
		case was.Confirmed.After(l.Confirmed.Time):
			out.Older++
			document = was.document
		case string(was.document) == string(document):
			out.Unchanged++
		default:
			out.Changed++
		}
		if known {
			present--
		}
		if s.onNetwork(l.Authority) {
			out.Known++
		}
		list = append(list, store.Listing{Authority: l.Authority, Document: document})
	}
	if whole {
		out.Gone = present
	}
	return list, nil
}

// storedListing is an imported listing with the bytes that are stored.
type storedListing struct {
	directory.Listing
	document []byte
}

// imported returns the imported listings.
func (s *Service) imported(ctx context.Context) (map[protocol.AuthorityID]storedListing, error) {
	stored, err := s.node.Gateway.Store.Listings(ctx)
	if err != nil {
		return nil, err
	}
	all := make(map[protocol.AuthorityID]storedListing, len(stored))
	for _, one := range stored {
		l, err := directory.Decode(one.Document)
		if err != nil {
			return nil, fmt.Errorf("%w: the listing of %s: %w", store.ErrIntegrity, one.Authority, err)
		}
		all[one.Authority] = storedListing{l, one.Document}
	}
	return all, nil
}

// onNetwork reports whether a record lists an authority.
func (s *Service) onNetwork(a protocol.AuthorityID) bool {
	state, ok := s.node.Gateway.State(a.State())
	if !ok {
		return false
	}
	_, ok = state.Authority(a)
	return ok
}

// exportListingsRequest asks for the listings in a format.
type exportListingsRequest struct {
	Format Format `json:"format"`
	All    bool   `json:"all"` // those of records as well
}

// Exported is a file of listings.
type Exported struct {
	File  string `json:"file"`
	Count int    `json:"count"`
}

func (s *Service) exportListings(ctx context.Context, in exportListingsRequest) (*Exported, error) {
	write := map[Format]func([]directory.Listing) ([]byte, error){CSV: directory.WriteCSV, JSON: directory.WriteJSON}[in.Format]
	if write == nil {
		return nil, fail(Usage, "", "%q is no format of listings: want csv or json", in.Format)
	}
	all, err := s.directory(ctx)
	if err != nil {
		return nil, err
	}
	kept := all[:0]
	for _, l := range all {
		if in.All || l.Network == nil {
			kept = append(kept, l)
		}
	}
	file, err := write(kept)
	if err != nil {
		return nil, err
	}
	return &Exported{File: string(file), Count: len(kept)}, nil
}

// ImportListings reads a file of authorities that are not on the network.
func (c *Client) ImportListings(ctx context.Context, f Format, file []byte, whole bool) (*Imported, error) {
	return call[*Imported](ctx, c, "/v1/directory/import", importRequest{f, string(file), whole})
}

// ExportListings writes such a file; with all, those of the records are in it as well.
func (c *Client) ExportListings(ctx context.Context, f Format, all bool) (*Exported, error) {
	return call[*Exported](ctx, c, "/v1/directory/export", exportListingsRequest{f, all})
}

// FormatOf returns the format that the name of a file has.
func FormatOf(path string) Format {
	switch {
	case strings.HasSuffix(strings.ToLower(path), ".json"):
		return JSON
	case strings.HasSuffix(strings.ToLower(path), ".csv"):
		return CSV
	}
	return ""
}
