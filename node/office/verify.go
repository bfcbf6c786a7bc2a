package office

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"comity/crypto/seal"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/parcel"
	"comity/protocol/record"
)

// verified is an arrived parcel that passed every check, with all files read.
type verified struct {
	envelope *envelope.Envelope
	contents *parcel.Contents
	key      *seal.FileKey // a pointer, so that no print of the struct shows it
}

// verify opens a parcel and checks all that there is to check, the files in
// full, before anybody may see any of it (R-PCL-5).
//
// A *protocol.Refusal is the sender's fault and final; its text may go abroad
// and names no content. Any other error is trouble of this side or may pass.
func (o *Office) verify(ctx context.Context, c exchange.Consignment, sealed exchange.Sealed) (*verified, error) {
	sender, ok := o.gateway.State(c.Key.From.State())
	if !ok {
		return nil, fmt.Errorf("no record of state %s is adopted any more", c.Key.From.State())
	}
	v := &verified{}
	var err error
	if v.envelope, err = o.checkEnvelope(c, sender); err != nil {
		return nil, err
	}
	plain, size, err := o.open(v, sealed)
	if err != nil {
		return nil, err
	}
	if v.contents, err = parcel.Read(plain, size); err != nil {
		return nil, blame(err)
	}
	if err := o.checkAddress(v); err != nil {
		return nil, err
	}
	if err := o.checkSignatures(ctx, v, sender); err != nil {
		return nil, o.unlessBehind(v.envelope, sender, err)
	}
	if err := v.contents.VerifyAll(ctx, nil); err != nil {
		return nil, blame(err)
	}
	return v, nil
}

// checkEnvelope checks the envelope again: the office relies on signatures, not
// on who handed it the bytes.
func (o *Office) checkEnvelope(c exchange.Consignment, sender *record.State) (*envelope.Envelope, error) {
	env, err := sender.VerifyEnvelope(c.Envelope, o.now())
	if err != nil {
		if parsed, parseErr := envelope.Parse(c.Envelope.Document); parseErr == nil {
			err = o.unlessBehind(parsed, sender, err)
		}
		return nil, err
	}
	if env.Key() != c.Key || env.To != o.authority {
		return nil, fmt.Errorf("the gateway handed over the envelope of %s as that of %s", env.Key(), c.Key)
	}
	return env, nil
}

// unlessBehind withdraws a refusal while the sender's newest record, in which a
// key may stand that is unknown here, is still to come; until the parcel expires.
func (o *Office) unlessBehind(env *envelope.Envelope, sender *record.State, err error) error {
	have := sender.Record().Sequence
	if protocol.CodeOf(err) == "" || env.Records.From.Sequence <= have || !o.now().Before(env.Expires.Time) {
		return err
	}
	return fmt.Errorf("the parcel rests on record %d of %s, and number %d is the newest here: %v", env.Records.From.Sequence, sender.Record().State, have, err)
}

// open checks the sealed bytes from outside and opens them with the identity
// that the envelope names, and no other: whoever names one key and seals to
// another has not sent what was announced.
func (o *Office) open(v *verified, sealed exchange.Sealed) (plain io.ReaderAt, size int64, err error) {
	env := v.envelope
	if sealed.Size() != env.Sealed.Size {
		return nil, 0, fmt.Errorf("the gateway keeps %d sealed bytes, its envelope says %d", sealed.Size(), env.Sealed.Size)
	}
	head := make([]byte, min(int64(protocol.MaxSealedHeader), sealed.Size()))
	if _, err := io.ReadFull(io.NewSectionReader(sealed, 0, sealed.Size()), head); err != nil {
		return nil, 0, fmt.Errorf("read sealed bytes: %w", err)
	}
	header, err := seal.InspectHeader(head, protocol.MaxSealedHeader)
	if err != nil {
		return nil, 0, protocol.Refuse(protocol.BadHeader, "the sealed bytes have another header than is allowed")
	}
	// R-SEAL-3, once more: the node may be another's.
	if int64(header.Recipients) != env.Sealed.Recipients {
		return nil, 0, protocol.Refuse(protocol.BadHeader, "the header has %d recipients, the envelope says %d", header.Recipients, env.Sealed.Recipients)
	}
	identity := o.identity(env.RecipientKey)
	if identity == nil {
		if o.now().Before(env.Expires.Time) {
			return nil, 0, fmt.Errorf("the identity %s is not in the office's key folder: put it back; the parcel waits until %s", env.RecipientKey.Short(), env.Expires)
		}
		return nil, 0, protocol.Refuse(protocol.CannotOpen, "the recipient no longer has the key %s", env.RecipientKey.Short())
	}
	key, err := seal.ReadFileKey(io.NewSectionReader(sealed, 0, sealed.Size()), seal.Identities{identity})
	if err != nil {
		return nil, 0, blame(err)
	}
	v.key = &key
	if plain, size, err = seal.Open(sealed, sealed.Size(), key); err != nil {
		return nil, 0, blame(err)
	}
	return plain, size, nil
}

func (o *Office) identity(digest protocol.Digest) *seal.Identity {
	for _, i := range o.identities {
		if i.Recipient().Digest() == digest {
			return i
		}
	}
	return nil
}

// checkAddress carries out R-PCL-7 and R-PCL-10.
func (o *Office) checkAddress(v *verified) error {
	_, self, err := o.self()
	if err != nil {
		return err
	}
	m := v.contents.Manifest
	var own []protocol.Digest // former ones too: a parcel may have been under way when the certificate gave way
	for _, c := range self.Certificates() {
		own = append(own, c.Primary())
	}
	if err := m.CheckAddressed(o.authority, own...); err != nil {
		return err
	}
	return m.CheckEnvelope(v.envelope, v.contents.Signed.Ref())
}

// checkSignatures carries out R-PCL-8 and R-PCL-9 with the newest record of the
// sender's state: it lists past keys with the times at which they counted.
func (o *Office) checkSignatures(ctx context.Context, v *verified, sender *record.State) error {
	m := v.contents.Manifest
	member, ok := sender.Authority(m.From.Authority)
	if !ok {
		return protocol.Refuse(protocol.UnknownSender, "record %d of %s does not list %s", sender.Record().Sequence, sender.Record().State, m.From.Authority)
	}
	if !member.Had(m.From.Certificate) {
		return protocol.Refuse(protocol.WrongRole, "the manifest names another certificate for %s than its record", m.From.Authority)
	}
	now := o.now()
	signer, err := member.Signer(v.contents.Signed, evidence.Act, m.Created.Time, now)
	if err != nil {
		return fmt.Errorf("the manifest: %w", err)
	}
	if !member.Lists(m.From.Certificate, signer) {
		return protocol.Refuse(protocol.WrongRole, "the manifest names another certificate of %s than that of the key which signed it", m.From.Authority)
	}
	if err := o.checkCompromise(ctx, v, member, signer); err != nil {
		return err
	}
	for i, a := range v.contents.Approvals {
		if a.Approval.Key == signer {
			return protocol.Refuse(protocol.WrongRole, "approval %d is by the key that signed the manifest", i+1)
		}
		if err := member.Verify(a.Signed, evidence.Act, a.Approval.Key, a.Approval.Created.Time, now); err != nil {
			return fmt.Errorf("approval %d: %w", i+1, err)
		}
		if err := o.checkCompromise(ctx, v, member, a.Approval.Key); err != nil {
			return err
		}
	}
	return nil
}

// checkCompromise refuses a key that is marked compromised unless this side's
// node accepted the parcel before that time. The dates in the parcel are no
// help: whoever has the stolen key writes any date.
func (o *Office) checkCompromise(ctx context.Context, v *verified, member *record.Member, key protocol.Digest) error {
	for _, k := range member.Document().EveryKey() {
		if k.Digest != key || k.Compromised == nil {
			continue
		}
		all, err := o.gateway.Evidence(ctx, v.envelope.Key())
		if err != nil {
			return fmt.Errorf("ask the gateway when it accepted the parcel: %w", err)
		}
		for _, e := range all {
			if e.Parsed.Event == evidence.RelayAcceptance && e.Parsed.Time.Before(k.Compromised.Since.Time) {
				return nil
			}
		}
		return protocol.Refuse(protocol.KeyCompromised, "key %s of %s is marked compromised since %s, and the parcel arrived after that: sign again with another key",
			key.Short(), member.ID(), k.Compromised.Since)
	}
	return nil
}

// blame turns what is wrong with the sealed bytes themselves into a refusal and
// leaves trouble in reading them as it is.
func blame(err error) error {
	switch {
	case errors.Is(err, seal.ErrNoKey):
		return protocol.Refuse(protocol.CannotOpen, "the key that the envelope names does not open the parcel")
	case errors.Is(err, seal.ErrHeader):
		return protocol.Refuse(protocol.BadHeader, "the header of the sealed bytes was altered or badly made")
	case errors.Is(err, seal.ErrDamaged):
		return protocol.Refuse(protocol.BadContainer, "the sealed bytes were cut or altered before they were announced")
	}
	return err
}

// intact reads all sealed bytes and compares them with what the node accepted.
// It is asked before a sender is blamed: a bad disk of this side must never end
// in signed evidence against the other.
func intact(ctx context.Context, sealed exchange.Sealed, want envelope.Sealed) error {
	sum := sha256.New()
	buffer := takeBuffer()
	defer giveBuffer(buffer)
	if _, err := io.CopyBuffer(cancellable(ctx, sum), onlyReader{io.NewSectionReader(sealed, 0, sealed.Size())}, *buffer); err != nil {
		return fmt.Errorf("read sealed bytes again: %w", err)
	}
	if got := protocol.Digest(sum.Sum(nil)); got != want.Digest {
		return fmt.Errorf("the sealed bytes on this side's disk have changed since they were accepted: digest %s, accepted were %s; restore them from a backup", got.Short(), want.Digest.Short())
	}
	return nil
}

// onlyReader hides every method but Read, so that io.CopyBuffer uses its buffer.
type onlyReader struct{ io.Reader }
