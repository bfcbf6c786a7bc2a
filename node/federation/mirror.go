package federation

import (
	"net/http"
	"os"
	"regexp"
)

// mirrored are the paths that a mirror serves: what clients ask for, and nothing
// else that may lie in the folder.
var mirrored = regexp.MustCompile(`^/([1-9][0-9]*\.(root|targets|snapshot)\.json|timestamp\.json|targets/records/[a-z]{2}/[0-9a-f]{64}\.[1-9][0-9]*)$`)

// Mirror serves the folder of a Repository or of a Client to whoever asks (R-FED-6).
// It needs no key and no trust: a client believes signatures, and not where they
// come from.
func Mirror(dir string) http.Handler {
	files := os.DirFS(dir)
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch {
		case req.Method != http.MethodGet && req.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "a mirror is only read", http.StatusMethodNotAllowed)
		case !mirrored.MatchString(req.URL.Path):
			http.NotFound(w, req)
		default:
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Cache-Control", "no-cache")
			http.ServeFileFS(w, req, files, req.URL.Path[1:]) //nolint:gosec // only names that mirrored lets through
		}
	})
}
