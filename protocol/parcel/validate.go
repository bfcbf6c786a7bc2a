package parcel

import (
	"regexp"
	"slices"

	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/statement"
)

// mediaForm is RFC 6838's restricted names in lower case, without parameters:
// what is allowed in neither name has two meanings somewhere.
var mediaForm = regexp.MustCompile(`^[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}$`)

// Validate checks the rules of this one document (R-PCL-11): everything but
// signatures, the envelope and the files themselves.
func (m *Manifest) Validate() error {
	switch {
	case m.Type != Type:
		return malformed("type %s, want %q", protocol.Quote([]byte(m.Type)), Type)
	case m.Nonce.IsZero():
		return malformed("the nonce is all zeros")
	case m.Sequence < 1:
		return malformed("sequence %d, want at least 1", m.Sequence)
	case !m.Kind.Known():
		return malformed("the kind is not in the list")
	case m.Kind == KindConformanceTest && !m.Test:
		return malformed("kind %s without the test mark", m.Kind)
	case m.Approvals < 0 || m.Approvals > protocol.MaxApprovals:
		return malformed("%d approvals, want 0 to %d", m.Approvals, protocol.MaxApprovals)
	}
	if err := m.checkFollows(); err != nil {
		return err
	}
	if err := m.checkParties(); err != nil {
		return err
	}
	return m.checkFiles()
}

func (m *Manifest) checkFollows() error {
	if len(m.Follows) > protocol.MaxFollows {
		return malformed("follows %d messages, at most %d allowed", len(m.Follows), protocol.MaxFollows)
	}
	seen := make(map[protocol.Digest]bool, len(m.Follows))
	for i, d := range m.Follows {
		if d.IsZero() || seen[d] {
			return malformed("message %d of follows is all zeros or stands twice", i+1)
		}
		seen[d] = true
	}
	return nil
}

// checkParties checks who sends and to whom.
func (m *Manifest) checkParties() error {
	if len(m.To) < 1 || len(m.To) > protocol.MaxRecipients {
		return malformed("%d recipients, want 1 to %d", len(m.To), protocol.MaxRecipients)
	}
	if m.From.Certificate.IsZero() {
		return malformed("the sender's certificate is all zeros")
	}
	seen := map[protocol.AuthorityID]bool{m.From.Authority: true}
	for i, to := range m.To {
		if seen[to.Authority] {
			return malformed("recipient %d is the sender or stands twice", i+1)
		}
		if to.Certificate.IsZero() {
			return malformed("the certificate of recipient %d is all zeros", i+1)
		}
		seen[to.Authority] = true
	}
	return nil
}

// checkFiles checks the list of files. At least one is required: a message says
// what it says in a file, be it a form of one line.
func (m *Manifest) checkFiles() error {
	if len(m.Files) < 1 || len(m.Files) > protocol.MaxFiles {
		return malformed("%d files, want 1 to %d", len(m.Files), protocol.MaxFiles)
	}
	var total int64
	forms := 0
	seen := make(map[string]int, len(m.Files))
	for i, f := range m.Files {
		if f.Path != filePath(i) {
			return malformed("file %d has another path than %s", i+1, filePath(i))
		}
		if err := f.check(); err != nil {
			return malformed("file %d: %v", i+1, err)
		}
		if f.Size > protocol.MaxFileSize {
			return protocol.Refuse(protocol.TooLarge, "manifest: file %d has %d bytes, at most %d allowed", i+1, f.Size, int64(protocol.MaxFileSize))
		}
		// R-PCL-6: two names that one disk or one eye takes for the same.
		alike := nameKey(f.Name)
		if first, twice := seen[alike]; twice {
			return malformed("files %d and %d have the same name, or one that differs only in case, kind of space or joiners", first, i+1)
		}
		seen[alike] = i + 1
		if f.Role == Form {
			forms++
		}
		// No overflow: MaxFiles times MaxFileSize is below 2^54.
		total += f.Size
	}
	if forms > 1 {
		return malformed("%d files have the role form, at most one may", forms)
	}
	if total > protocol.MaxSealed {
		return protocol.Refuse(protocol.TooLarge, "manifest: files of %d bytes together, at most %d allowed", total, int64(protocol.MaxSealed))
	}
	return nil
}

// CheckAddressed refuses a parcel that is not addressed to the authority to, or
// names another certificate for it than its own ones: someone sealed another's parcel
// again (R-PCL-7).
func (m *Manifest) CheckAddressed(to protocol.AuthorityID, own ...protocol.Digest) error {
	for _, p := range m.To {
		if p.Authority != to {
			continue
		}
		if !slices.Contains(own, p.Certificate) {
			return protocol.Refuse(protocol.WrongParcel, "manifest: addressed to %s with another certificate than its own", to)
		}
		return nil
	}
	return protocol.Refuse(protocol.WrongParcel, "manifest: not addressed to %s", to)
}

// CheckEnvelope compares the manifest, whose document and signature ref names,
// with the envelope that came with the parcel (R-PCL-10).
func (m *Manifest) CheckEnvelope(e *envelope.Envelope, ref statement.Ref) error {
	mismatch := func(what string) error {
		return protocol.Refuse(protocol.ManifestMismatch, "envelope and manifest disagree in %s", what)
	}
	switch {
	case e.Manifest.Document != ref.Document:
		return mismatch("the manifest's digest")
	case e.Manifest.Signature != ref.Signature:
		return mismatch("the digest of the manifest's signature")
	case e.Parcel != m.Parcel:
		return mismatch("the parcel id")
	case e.From != m.From.Authority:
		return mismatch("the sender")
	case !m.addresses(e.To):
		return mismatch("the recipient")
	case e.Test != m.Test:
		return mismatch("the test mark")
	case e.Sealed.Recipients > int64(len(m.To)):
		// Someone whom the manifest does not name could open the parcel too.
		return mismatch("how many can open the parcel")
	}
	return nil
}

// addresses reports whether the manifest names the authority as a recipient.
func (m *Manifest) addresses(to protocol.AuthorityID) bool {
	for _, p := range m.To {
		if p.Authority == to {
			return true
		}
	}
	return false
}

func malformed(format string, args ...any) error {
	return protocol.Refuse(protocol.Malformed, "manifest: "+format, args...)
}
