package office

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"comity/protocol"
	"comity/protocol/parcel"
)

// Source is one file to attach.
type Source struct {
	Path string
	// File is the open file, when another one than this process opened it; nil: it is
	// opened by its path. It is read from its beginning and stays the caller's.
	File *os.File
	// Name is how the recipient sees the file; empty: the file's own name.
	Name string
	// MediaType is type/subtype; empty: by the name's extension.
	MediaType string
	// Role is what the file is in the message; empty: the first file is the
	// document, the others are attachments.
	Role  parcel.FileRole
	Pages *int64 // nil: nobody counted
}

// Draft is a message to be sent.
type Draft struct {
	To   []protocol.AuthorityID
	Kind parcel.Kind
	// Case is the case it belongs to; empty: it begins a new one.
	Case     protocol.CaseID
	Priority protocol.Priority // empty: routine
	// Test marks a message without effect. A case is all test or not at all.
	Test bool
	// Lifetime is how long delivery is tried; 0: protocol.DefaultLifetime.
	Lifetime time.Duration
	Files    []Source
}

// Progress tells how far a stage ("hash", then "seal") is, in bytes. It is
// called often, from the goroutine of Send.
type Progress func(stage string, done, total int64)

// check refuses what can be seen without any file, and fills in what was left out.
func (d *Draft) check(self protocol.AuthorityID) error {
	if d.Priority == "" {
		d.Priority = protocol.Routine
	}
	if d.Lifetime == 0 {
		d.Lifetime = protocol.DefaultLifetime
	}
	switch {
	case len(d.To) == 0:
		return errors.New("there is no recipient: name at least one authority")
	case len(d.To) > protocol.MaxRecipients:
		return fmt.Errorf("%d recipients: one message goes to at most %d; send it in several", len(d.To), protocol.MaxRecipients)
	case !d.Kind.Known():
		return fmt.Errorf("%s is no kind of message", protocol.Quote([]byte(d.Kind)))
	case d.Kind == parcel.KindConformanceTest && !d.Test:
		return fmt.Errorf("a message of the kind %s must be marked as a test", d.Kind)
	case d.Lifetime < time.Minute || d.Lifetime > protocol.MaxLifetime:
		return fmt.Errorf("a lifetime of %s: delivery can be tried for one minute to %d days", d.Lifetime, int(protocol.MaxLifetime/(24*time.Hour)))
	case len(d.Files) == 0:
		return errors.New("there is no file: a message says what it says in at least one file")
	case len(d.Files) > protocol.MaxFiles:
		return fmt.Errorf("%d files: one message holds at most %d; pack some of them together", len(d.Files), protocol.MaxFiles)
	}
	if err := d.Priority.UnmarshalText([]byte(d.Priority)); err != nil {
		return err
	}
	seen := map[protocol.AuthorityID]bool{}
	for i := range d.To {
		to := &d.To[i]
		switch err := to.UnmarshalText([]byte(*to)); {
		case err != nil:
			return err
		case *to == self:
			return fmt.Errorf("%s cannot send to itself", self)
		case seen[*to]:
			return fmt.Errorf("the recipient %s is named twice", *to)
		}
		seen[*to] = true
	}
	return nil
}

// look makes the list of files without their digests, so that everything but
// the content is judged before gigabytes are read.
func look(sources []Source) ([]parcel.File, error) {
	files := make([]parcel.File, len(sources))
	for i, s := range sources {
		info, err := s.stat()
		if err == nil {
			err = regular(info)
		}
		if err != nil {
			return nil, attachError(s.Path, err)
		}
		f := parcel.File{Path: fmt.Sprintf("files/%04d", i+1), Name: s.Name, MediaType: s.MediaType, Size: info.Size(), Pages: s.Pages, Role: s.Role}
		if f.Name == "" {
			if f.Name, err = parcel.SuggestName(s.Path); err != nil {
				return nil, fmt.Errorf("attach %s: %w", s.Path, err)
			}
		} else if err := parcel.CheckName(f.Name); err != nil {
			return nil, fmt.Errorf("attach %s: it cannot be called %q: %w; give a plain file name without folders", s.Path, f.Name, err)
		}
		if f.MediaType == "" {
			f.MediaType = mediaTypeOf(f.Name)
		}
		if f.Role == "" {
			f.Role = parcel.Attachment
			if i == 0 {
				f.Role = parcel.Document
			}
		}
		files[i] = f
	}
	return files, nil
}

// regular refuses what is not a plain file; opening a pipe would wait for its
// writer.
func regular(info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return errors.New("it is a folder: attach its files one by one, or pack it into one file first")
	case !info.Mode().IsRegular():
		return errors.New("it is not a plain file")
	}
	return nil
}

// attachError says what to do about a file that cannot be attached.
func attachError(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("attach %s: there is no such file: %w", path, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("attach %s: you may not read it; ask its owner: %w", path, err)
	}
	return fmt.Errorf("attach %s: %w", path, err)
}

func (s *Source) stat() (fs.FileInfo, error) {
	if s.File != nil {
		return s.File.Stat()
	}
	return os.Stat(s.Path)
}

// open opens a file that look has seen.
func (s *Source) open() (io.ReadCloser, error) {
	if s.File == nil {
		return openSource(s.Path)
	}
	// Read at offsets: whoever opened it may move its position.
	return io.NopCloser(io.NewSectionReader(s.File, 0, protocol.MaxFileSize+1)), nil
}

func openSource(path string) (*os.File, error) {
	// Between two looks a file may become a pipe: do not wait for a writer then.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, attachError(path, err)
	}
	info, err := f.Stat()
	if err == nil {
		err = regular(info)
	}
	if err != nil {
		return nil, errors.Join(attachError(path, err), f.Close())
	}
	return f, nil
}

// hash reads every file once and enters size and digest as they are now
// (the intake; R-PCL-4 compares them again while sealing).
func hash(ctx context.Context, sources []Source, files []parcel.File, progress Progress) error {
	var done, total int64
	for _, f := range files {
		total += f.Size
	}
	buffer := takeBuffer()
	defer giveBuffer(buffer)
	for i := range files {
		if err := hashOne(ctx, &sources[i], &files[i], *buffer, func(n int64) {
			done += n
			progress("hash", min(done, total), total)
		}); err != nil {
			return err
		}
	}
	return nil
}

func hashOne(ctx context.Context, from *Source, f *parcel.File, buffer []byte, tick func(n int64)) error {
	path := from.Path
	src, err := from.open()
	if err != nil {
		return err
	}
	defer src.Close() // only read from: there is nothing to lose
	sum := sha256.New()
	f.Size = 0
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := src.Read(buffer)
		sum.Write(buffer[:n])
		f.Size += int64(n)
		tick(int64(n))
		switch {
		case f.Size > protocol.MaxFileSize:
			return fmt.Errorf("attach %s: it has more than %d bytes, the most that one file may have", path, int64(protocol.MaxFileSize))
		case errors.Is(err, io.EOF):
			f.Digest = protocol.Digest(sum.Sum(nil))
			return nil
		case err != nil:
			return attachError(path, err)
		}
	}
}

// commonTypes are the media types of what offices send. The system's own list
// comes after it, as it differs from machine to machine.
var commonTypes = map[string]string{
	".asice": "application/vnd.etsi.asic-e+zip",
	".csv":   "text/csv",
	".docx":  "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	".eml":   "message/rfc822",
	".json":  "application/json",
	".mp3":   "audio/mpeg",
	".mp4":   "video/mp4",
	".ods":   "application/vnd.oasis.opendocument.spreadsheet",
	".odt":   "application/vnd.oasis.opendocument.text",
	".p7m":   "application/pkcs7-mime",
	".p7s":   "application/pkcs7-signature",
	".pdf":   "application/pdf",
	".pptx":  "application/vnd.openxmlformats-officedocument.presentationml.presentation",
	".rtf":   "application/rtf",
	".tif":   "image/tiff",
	".tiff":  "image/tiff",
	".txt":   "text/plain",
	".xlsx":  "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	".xml":   "application/xml",
	".zip":   "application/zip",
}

// mediaTypeOf guesses by the extension; it is only a hint to the recipient.
func mediaTypeOf(name string) string {
	extension := strings.ToLower(filepath.Ext(name))
	if known, ok := commonTypes[extension]; ok {
		return known
	}
	if plain, _, err := mime.ParseMediaType(mime.TypeByExtension(extension)); err == nil && strings.Contains(plain, "/") {
		return plain
	}
	return "application/octet-stream"
}

// bufferSize is large against age's chunks of 64 KiB, so that reading sealed
// bytes costs little memory per byte.
const bufferSize = 1 << 20

var buffers = sync.Pool{New: func() any { b := make([]byte, bufferSize); return &b }}

func takeBuffer() *[]byte  { return buffers.Get().(*[]byte) }
func giveBuffer(b *[]byte) { buffers.Put(b) }
