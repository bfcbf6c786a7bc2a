package protocol

import (
	"errors"
	"fmt"
	"strconv"
)

// Code says why something was refused. The list is closed, its words cross the
// wire and stand in evidence, and their meaning never changes (SPEC.md,
// "Reason codes").
type Code string

// The reason codes.
const (
	Malformed          Code = "malformed"           // not a document of this format
	UnsupportedVersion Code = "unsupported-version" // a known document in a version this side does not speak
	BadSignature       Code = "bad-signature"       // the signature does not verify
	WrongRole          Code = "wrong-role"          // signed by a key that may not sign this
	KeyExpired         Code = "key-expired"         // the key was outside its validity
	KeyCompromised     Code = "key-compromised"     // the key is marked compromised
	UnknownSender      Code = "unknown-sender"      // the sending authority is not hosted by the node that offers
	UnknownRecipient   Code = "unknown-recipient"   // no such authority here
	WrongRecipientKey  Code = "wrong-recipient-key" // sealed to a key that the recipient does not use
	WrongParcel        Code = "wrong-parcel"        // speaks of another parcel, or is addressed to another authority
	Equivocation       Code = "equivocation"        // a second, different document under a used identity
	Expired            Code = "expired"             // its time has passed
	ClockSkew          Code = "clock-skew"          // dated in the future beyond the allowed skew
	TooLarge           Code = "too-large"           // beyond a published limit
	SizeMismatch       Code = "size-mismatch"       // fewer or more bytes than announced
	DigestMismatch     Code = "digest-mismatch"     // other bytes than announced
	BadHeader          Code = "bad-header"          // the sealed bytes' header has other recipients than announced
	BadContainer       Code = "bad-container"       // the opened bytes are not in the one layout
	ManifestMismatch   Code = "manifest-mismatch"   // envelope and manifest disagree
	CannotOpen         Code = "cannot-open"         // no key of the recipient opens it
	NotAccepted        Code = "not-accepted"        // no acceptance by the peer until the end
	PeerUnreachable    Code = "peer-unreachable"    // the peer could not be reached until the end
	Withdrawn          Code = "withdrawn"           // the sending authority withdrew it
	Declined           Code = "declined"            // the receiving authority formally rejected it
	Policy             Code = "policy"              // a rule of the refusing side, told in the text
)

var codes = map[Code]bool{
	Malformed: true, UnsupportedVersion: true, BadSignature: true, WrongRole: true, KeyExpired: true,
	KeyCompromised: true, UnknownSender: true, UnknownRecipient: true, WrongRecipientKey: true, WrongParcel: true,
	Equivocation: true, Expired: true, ClockSkew: true, TooLarge: true, SizeMismatch: true, DigestMismatch: true,
	BadHeader: true, BadContainer: true, ManifestMismatch: true, CannotOpen: true, NotAccepted: true,
	PeerUnreachable: true, Withdrawn: true, Declined: true, Policy: true,
}

// Codes returns every reason code; the order is not fixed.
func Codes() []Code {
	all := make([]Code, 0, len(codes))
	for c := range codes {
		all = append(all, c)
	}
	return all
}

// UnmarshalText refuses a word that is not in the list.
func (c *Code) UnmarshalText(b []byte) error {
	if !codes[Code(b)] {
		return Refuse(Malformed, "reason code %s is not in the list", Quote(b))
	}
	*c = Code(b)
	return nil
}

// Refusal is an error with a reason code: the input is bad for good, and trying
// again will not help. Code and Detail may cross the wire, so Detail names
// sizes, names and positions but never secrets or content.
type Refusal struct {
	Code   Code
	Detail string
}

func (r *Refusal) Error() string { return string(r.Code) + ": " + r.Detail }

// Refuse makes a Refusal.
func Refuse(code Code, format string, args ...any) error {
	return &Refusal{Code: code, Detail: fmt.Sprintf(format, args...)}
}

// CodeOf returns the reason code in err's chain, or "" when err is not a refusal.
func CodeOf(err error) Code {
	var r *Refusal
	if errors.As(err, &r) {
		return r.Code
	}
	return ""
}

// Quote makes foreign bytes safe to show in an error: quoted, cut at MaxQuote
// bytes, nothing unprintable.
func Quote(b []byte) string {
	if len(b) > MaxQuote {
		return strconv.QuoteToASCII(string(b[:MaxQuote])) + "…"
	}
	return strconv.QuoteToGraphic(string(b))
}
