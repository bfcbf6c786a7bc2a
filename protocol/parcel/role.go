package parcel

import "comity/protocol"

// FileRole says what a file is in the message.
type FileRole string

// The file roles.
const (
	Form        FileRole = "form"        // the structured message
	Document    FileRole = "document"    // the principal document, readable by people
	Attachment  FileRole = "attachment"  // anything that goes with it
	Translation FileRole = "translation" // a translation of the principal document
)

const wantRole = "want form, document, attachment or translation"

func (r FileRole) known() bool {
	return r == Form || r == Document || r == Attachment || r == Translation
}

// UnmarshalText refuses a word that is not one of the roles. The word itself is
// content and stays out of the refusal.
func (r *FileRole) UnmarshalText(b []byte) error {
	if v := FileRole(b); v.known() {
		*r = v
		return nil
	}
	return protocol.Refuse(protocol.Malformed, wantRole)
}
