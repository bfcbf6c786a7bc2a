package control

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"comity/node/newfile"
)

// What is taken out over a socket is written by the command, with the rights of whoever
// typed it: the node hands out the bytes.

// handout answers with bytes, then with a view of them or the error at which they broke off.
// Either is a trailer, for which a client has 4 KiB: there is no room for lists.
type handout struct {
	w     http.ResponseWriter
	begun bool
}

// Write begins the answer with the first byte.
func (h *handout) Write(p []byte) (int, error) {
	if !h.begun {
		h.begun = true
		h.w.Header().Set("Content-Type", "application/octet-stream")
		h.w.Header().Add("Trailer", fileHeader)
		h.w.Header().Add("Trailer", breakTrailer)
	}
	return h.w.Write(p)
}

func (h *handout) end(view any, err error) {
	switch {
	case err != nil && !h.begun:
		writeError(h.w, err)
	case err != nil:
		h.w.Header().Set(breakTrailer, string(asciiJSON(explain(err))))
	default:
		h.w.Header().Set(fileHeader, string(asciiJSON(view)))
	}
}

// handBundle is bundle over a socket.
func (s *Service) handBundle(w http.ResponseWriter, r *http.Request) {
	h := &handout{w: w}
	h.end(s.bundleTo(r, h))
}

func (s *Service) bundleTo(r *http.Request, w io.Writer) (*Bundle, error) {
	var in BundleRequest
	if err := readRequest(r, &in); err != nil {
		return nil, err
	}
	f, to, err := s.toBundle(r.Context(), in)
	if err != nil {
		return nil, err
	}
	b, err := f.office.BundleTo(r.Context(), w, f.message.Name, to, in.Path, in.options())
	if err != nil {
		return nil, err
	}
	return in.view(f, b), nil
}

// handExport is export over a socket: a tar of the folder.
func (s *Service) handExport(w http.ResponseWriter, r *http.Request) {
	h := &handout{w: w}
	h.end(nothing{}, s.exportTo(r, h))
}

func (s *Service) exportTo(r *http.Request, w io.Writer) error {
	ctx := r.Context()
	var in exportRequest
	if err := readRequest(r, &in); err != nil {
		return err
	}
	f, err := s.find(ctx, in.As, in.Parcel)
	if err != nil {
		return err
	}
	party := f.office.Authority()
	leave, err := s.turns.enter(ctx, party)
	if err != nil {
		return err
	}
	defer leave()
	// It is on this disk twice while it is handed out.
	if err := s.node.Gateway.Admit(ctx, party, 0, f.message.Size); err != nil {
		return err
	}
	work, err := os.MkdirTemp(s.node.Layout.Office(party), handoutFolder)
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	folder := filepath.Join(work, "out")
	if err := f.office.ExportFor(ctx, f.message.Name, folder, in.Path); err != nil {
		return err
	}
	return packFolder(w, folder)
}

// handoutFolder is the pattern of a folder from which an export is handed out. One
// that a killed node left is removed when it starts next.
const handoutFolder = ".handout-*"

func removeHandouts(office string) error {
	left, err := filepath.Glob(filepath.Join(escapeGlob(office), handoutFolder))
	for _, folder := range left {
		err = errors.Join(err, os.RemoveAll(folder))
	}
	return err
}

// escapeGlob makes a path a pattern that matches only itself.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

func packFolder(w io.Writer, folder string) error {
	t := tar.NewWriter(w)
	if err := t.AddFS(os.DirFS(folder)); err != nil {
		return err
	}
	return t.Close()
}

// view is the node's view at the end of a handout.
func (b *body) view(into any) error {
	return json.Unmarshal([]byte(b.resp.Trailer.Get(fileHeader)), into)
}

// take asks for a handout and has its bytes written; what of is written is to be
// thrown away after an error.
func take[Out any](ctx context.Context, c *Client, operation string, in any, write func(io.Reader) error) (Out, error) {
	var out Out
	resp, err := c.post(ctx, operation, in)
	if err != nil {
		return out, err
	}
	b := &body{resp}
	defer resp.Body.Close() // only read from
	if err := write(b); err != nil {
		return out, err
	}
	// Up to the end: only there stands whether it broke off.
	if _, err := io.Copy(io.Discard, b); err != nil {
		return out, err
	}
	return out, b.view(&out)
}

// takeFile writes a handout into a new file, which appears whole or not at all.
func takeFile(to string) (write func(io.Reader) error, done func(error) error) {
	var f *newfile.File
	write = func(r io.Reader) (err error) {
		if f, err = newfile.Create(to); err != nil {
			return err
		}
		_, err = io.Copy(f, r)
		return err
	}
	done = func(err error) error {
		if f == nil {
			return err
		}
		defer f.Discard()
		if err == nil {
			err = f.Keep()
		}
		return err
	}
	return write, done
}

// takeFolder does for a folder.
func takeFolder(to string) (write func(io.Reader) error, done func(error) error) {
	work := ""
	write = func(r io.Reader) (err error) {
		if work, err = os.MkdirTemp(filepath.Dir(to), "."+filepath.Base(to)+".*.new"); err != nil {
			return err
		}
		return unpackFolder(r, work)
	}
	done = func(err error) error {
		if work == "" {
			return err
		}
		defer os.RemoveAll(work) // gone already when all went well
		if err != nil {
			return err
		}
		if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err // a rename replaces no folder; this removes an empty one only
		}
		return os.Rename(work, to)
	}
	return write, done
}

// unpackFolder writes files and folders below a folder, and nothing outside it.
func unpackFolder(r io.Reader, folder string) error {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		name := path.Clean(h.Name)
		switch h.Typeflag {
		case tar.TypeDir:
			if err := root.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
		case tar.TypeReg:
			f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				return err
			}
			_, err = io.Copy(f, t) //nolint:gosec // not compressed, and from the own node
			if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
				return err
			}
		default:
			return fmt.Errorf("the node hands out %q, which is neither a file nor a folder", h.Name)
		}
	}
}

// takeBundle is Bundle over a socket.
func (c *Client) takeBundle(ctx context.Context, in BundleRequest) (*Bundle, error) {
	write, done := takeFile(in.Path)
	b, err := take[*Bundle](ctx, c, "/v1/bundle", in, write)
	return b, unwritable(done(err))
}

// takeExport is Export over a socket. The view is asked for apart: with the
// files and evidence of a parcel it is too long to come after the bytes.
func (c *Client) takeExport(ctx context.Context, in exportRequest) (*Parcel, error) {
	p, err := c.Parcel(ctx, in.As, in.Parcel)
	if err != nil {
		return nil, err
	}
	write, done := takeFolder(in.Path)
	_, err = take[nothing](ctx, c, "/v1/export", in, write)
	return p, unwritable(done(err))
}

// unwritable says what to do about a place where the command may not write.
func unwritable(err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return fail(Failed, "name a place where you may write with -o", "%v", err)
	}
	return err
}
