package federation

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/theupdateframework/go-tuf/v2/metadata"

	"comity/protocol"
)

// Times that a mirror may take. A slow mirror costs a node nothing but these:
// nothing waits for the directory.
const (
	mirrorTime = 5 * time.Minute // for one refresh
	fileTime   = time.Minute     // for one file
	answerTime = 10 * time.Second
)

// newHTTP makes the client of all mirrors.
func newHTTP(transport http.RoundTripper) *retryablehttp.Client {
	if transport == nil {
		transport = &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: answerTime}).DialContext,
			TLSHandshakeTimeout: answerTime, ResponseHeaderTimeout: answerTime, IdleConnTimeout: answerTime,
			MaxResponseHeaderBytes: protocol.MaxHeaderBytes, DisableCompression: true,
		}
	}
	c := retryablehttp.NewClient()
	c.HTTPClient = &http.Client{
		Transport: transport,
		// A mirror has no say in where else we ask.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	c.Logger = nil
	c.ErrorHandler = retryablehttp.PassthroughErrorHandler
	c.RetryMax, c.RetryWaitMin, c.RetryWaitMax = 2, 100*time.Millisecond, time.Second
	return c
}

// fetcher fetches files of one mirror in one refresh, for the library.
type fetcher struct {
	ctx  context.Context //nolint:containedctx // the library's interface has no room for it
	http *retryablehttp.Client
	base string            // the mirror's address, with a slash at its end
	got  map[string][]byte // metadata as it came, by its name below base
}

// DownloadFile fetches one file of at most limit bytes. That a file is not there
// must be told in the library's own type: it ends the walk from root to root.
func (f *fetcher) DownloadFile(address string, limit int64, _ time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(f.ctx, fileTime)
	defer cancel()
	req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := f.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, &metadata.ErrDownloadHTTP{StatusCode: resp.StatusCode, URL: address}
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", address, err)
	}
	if int64(len(data)) > limit {
		return nil, &metadata.ErrDownloadLengthMismatch{Msg: fmt.Sprintf("%s has more than %d bytes", address, limit)}
	}
	if name, ok := strings.CutPrefix(address, f.base); ok && !strings.Contains(name, "/") {
		if err := cheap(name, data); err != nil {
			return nil, err
		}
		f.got[name] = data
	}
	return data, nil
}

// cheap refuses metadata that would cost the library hours: it compares all
// signatures with each other, and writes an edition in canonical form once for each
// key that a root names.
func cheap(name string, data []byte) error {
	if !strings.HasSuffix(name, "."+rootFile) {
		return checkSignatures(data)
	}
	_, err := parseRoot(data) // R-FED-1
	return err
}
