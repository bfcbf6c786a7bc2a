package control

import (
	"time"

	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/parcel"
)

// Parcel is one message with where it stands, as lists and "show" tell it.
// Names of files are foreign text on received ones.
type Parcel struct {
	Parcel    protocol.ParcelID    `json:"parcel"`
	Direction string               `json:"direction"` // sent or received
	From      protocol.AuthorityID `json:"from"`
	Case      protocol.CaseID      `json:"case,omitempty"`
	Sequence  int64                `json:"sequence,omitempty"` // of the sender's messages in the case
	Kind      parcel.Kind          `json:"kind,omitempty"`
	Priority  protocol.Priority    `json:"priority"`
	Test      bool                 `json:"test"`
	Message   protocol.Digest      `json:"message,omitzero"` // digest of the manifest
	Created   protocol.Time        `json:"created"`          // as the sender says
	Stored    protocol.Time        `json:"stored"`           // when it was taken in, or stored for sending, here
	FileCount int                  `json:"file_count"`
	Bytes     int64                `json:"bytes"` // of all files
	// State is, on a received one: new, opened, acknowledged or declined.
	State    string        `json:"state,omitempty"`
	Opened   protocol.Time `json:"opened,omitzero"`   // received: first opened here
	Answered protocol.Time `json:"answered,omitzero"` // received: acknowledged or declined here
	// Transmissions are one per recipient; on a received one, the one to this authority.
	Transmissions []Transmission `json:"transmissions"`
	// Lost says that the office has lost it with the node, and only what peers hold of
	// it is here again: parties, times and evidence, not case, kind and content.
	Lost bool `json:"lost,omitempty"`
	// Files stands in the view of one parcel, not in lists.
	Files []File `json:"files,omitempty"`
}

// File is one file of a parcel, numbered from 1.
type File struct {
	Number    int             `json:"number"`
	Name      string          `json:"name"`
	MediaType string          `json:"media_type"`
	Size      int64           `json:"size"`
	Digest    protocol.Digest `json:"sha256"`
	Role      parcel.FileRole `json:"role"`
	Pages     *int64          `json:"pages"`
}

// Transmission is the way of a parcel to one recipient.
type Transmission struct {
	To     protocol.AuthorityID `json:"to"`
	Status exchange.Status      `json:"status"`
	// Waits says why a queued parcel was not delivered yet, in a sentence; what the
	// other node said stands in it in quotation marks. Next is when it is tried next.
	Waits    string        `json:"waits,omitempty"`
	Next     protocol.Time `json:"next_attempt,omitzero"`
	Attempts int           `json:"attempts,omitempty"` // in vain so far
	// Withdrawn is when this office withdrew the parcel from the recipient;
	// whether in time, the status says.
	Withdrawn protocol.Time `json:"withdrawn,omitzero"`
	// Expires is until when the recipient's node is asked, while a withdrawal is
	// pending.
	Expires protocol.Time `json:"expires,omitzero"`
	// Evidence is all that stands here about it, in the order in which it came;
	// in the view of one parcel, not in lists.
	Evidence []Evidence `json:"evidence,omitempty"`
}

// Evidence is one signed evidence, for people. The exact bytes are in an export.
type Evidence struct {
	Parcel protocol.ParcelID    `json:"parcel"`
	From   protocol.AuthorityID `json:"from"`
	To     protocol.AuthorityID `json:"to"`
	Event  evidence.Event       `json:"event"`
	Time   protocol.Time        `json:"time"`
	Issuer string               `json:"issuer"`
	Role   evidence.Role        `json:"role"`
	Log    string               `json:"log"`
	Proof  bool                 `json:"proof"` // a proof that it stands in that log is here
	// Witnesses are the nodes that cosigned a state of that log in which it stands,
	// and when, by their clocks; in the view of one parcel. None: not yet witnessed.
	Witnesses []Cosignature   `json:"witnesses,omitempty"`
	Digest    protocol.Digest `json:"sha256"`
	Says      string          `json:"says"`
	// Reason stands on negative events. Its text is foreign.
	Reason *Reason `json:"reason"`
}

// Cosignature is that of a node, as a witness.
type Cosignature struct {
	Witness protocol.NodeID `json:"witness"`
	Time    protocol.Time   `json:"time"`
}

// Reason says why an event is negative.
type Reason struct {
	Code protocol.Code `json:"code"`
	Text string        `json:"text"`
}

func evidenceView(a exchange.Attested) Evidence {
	e := a.Parsed
	view := Evidence{
		Parcel: e.Parcel, From: e.From, To: e.To, Event: e.Event, Time: e.Time, Issuer: e.Issuer.Name, Role: e.Issuer.Role,
		Log: e.Log, Proof: len(a.Proof) > 0, Digest: a.Digest(), Says: e.Says(),
	}
	if e.Reason != nil {
		view.Reason = &Reason{Code: e.Reason.Code, Text: e.Reason.Text}
	}
	return view
}

func filesOf(files []parcel.File) []File {
	views := make([]File, len(files))
	for i, f := range files {
		views[i] = File{
			Number: i + 1, Name: f.Name, MediaType: f.MediaType, Size: f.Size, Digest: f.Digest, Role: f.Role, Pages: f.Pages,
		}
	}
	return views
}

// stamp is t as views carry it; the zero time stays zero and is left out.
func stamp(t time.Time) protocol.Time {
	if t.IsZero() {
		return protocol.Time{}
	}
	return protocol.At(t)
}
