package vectors

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"comity/crypto/merkle"
	"comity/crypto/pgp"
	"comity/crypto/seal"
	"comity/protocol"
	"comity/protocol/adoption"
	"comity/protocol/bundle"
	"comity/protocol/disclosure"
	"comity/protocol/envelope"
	"comity/protocol/era"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/parcel"
	"comity/protocol/record"
	"comity/protocol/statement"
	"comity/protocol/withdrawal"
)

// receiver is node xb and the office of xb/prosecution-service, or xa where evidence returns: whoever must judge an example.
type receiver struct {
	now      time.Time
	xa, xb   *record.State
	trust    *bundle.Trust      // what an auditor holds: the same two records
	env      *envelope.Envelope // that of the exchange
	ref      statement.Ref
	identity *seal.Identity
}

func newReceiver(t *testing.T, now time.Time) *receiver {
	t.Helper()
	r := &receiver{now: now, xa: state(t, "xa"), xb: state(t, "xb")}
	r.trust = must(bundle.ParseTrust(map[string][]byte{
		"xa.json": read(t, "exchange/introduction-xa.json"), "xb.json": read(t, "exchange/introduction-xb.json"),
	}))
	sg := signed(t, "exchange/envelope.json")
	env, err := r.xa.VerifyEnvelope(sg, now)
	if err != nil {
		t.Fatalf("the envelope of the exchange: %v", err)
	}
	r.env, r.ref = env, sg.Ref()
	if r.identity, err = seal.ParseIdentity(string(read(t, "exchange/identity.txt"))); err != nil {
		t.Fatal(err)
	}
	return r
}

// state is a record of the exchange, as a person has confirmed it.
func state(t *testing.T, id string) *record.State {
	t.Helper()
	sg, err := record.DecodeIntroduction(read(t, "exchange/introduction-"+id+".json"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := record.Verify(sg, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func signed(t *testing.T, name string) statement.Signed {
	t.Helper()
	return statement.Signed{Document: read(t, name), Signature: read(t, name+".asc")}
}

// check judges the files of one example.
type check func(files [][]byte) error

// checks are all checks; README.md says what each is.
func (r *receiver) checks() map[string]check {
	return map[string]check{
		"record":       alone(record.Parse),
		"authority":    alone(record.ParseAuthority),
		"introduction": alone(record.DecodeIntroduction),
		"manifest":     alone(parcel.ParseManifest),
		"approval":     alone(parcel.ParseApproval),
		"envelope":     alone(envelope.Parse),
		"evidence":     alone(evidence.Parse),
		"withdrawal":   alone(withdrawal.Parse),
		"hello":        alone(exchange.DecodeHello),
		"packet":       alone(func(b []byte) (statement.Packet, error) { return statement.DecodePacket(b, protocol.MaxPacket) }),
		"packets": alone(func(b []byte) ([]statement.Packet, error) {
			return statement.DecodePackets(b, 2*protocol.MaxPacket, 2)
		}),
		"certificate": alone(func(b []byte) (*pgp.Certificate, error) {
			c, err := pgp.ParseCertificate(b, protocol.MaxCertificate)
			return c, as(err, pgp.ErrCertificate, protocol.Malformed)
		}),
		"signature":        r.signature,
		"record-first":     func(files [][]byte) error { return follows(files[0], nil) },
		"record-next":      func(files [][]byte) error { return follows(files[0], r.xa) },
		"envelope-arrives": r.envelopeArrives,
		"evidence-signed":  r.evidenceSigned,
		"withdrawal-signed": func(files [][]byte) error {
			_, err := r.xa.VerifyWithdrawal(pair(files), r.now)
			return err
		},
		"held":          alone(exchange.DecodeHeld),
		"era":           alone(era.Parse),
		"adoption":      alone(adoption.Parse),
		"copies":        alone(func(b []byte) (*exchange.Copies, error) { return exchange.DecodeCopies(b, 41) }),
		"record-chain":  recordChain,
		"bundle-judged": bundleJudged,
		"tile-address":  tileAddress,
		"tiles":         logTiles,
		"bundle":        r.bundle,
		"container":     r.container,
		"disclosure":    r.disclosure,
		"sealed":        r.sealed,
		"checkpoint":    r.checkpoint,
		"proof":         r.proof,
		"cosignature":   cosignature,
		"submission":    submission,
	}
}

func alone[T any](parse func([]byte) (T, error)) check {
	return func(files [][]byte) error {
		_, err := parse(files[0])
		return err
	}
}

func pair(files [][]byte) statement.Signed {
	return statement.Signed{Document: files[0], Signature: files[1]}
}

// as gives an error of crypto/, which knows no codes, the one that it has on the wire.
func as(err, sentinel error, code protocol.Code) error {
	if errors.Is(err, sentinel) {
		return protocol.Refuse(code, "%v", err)
	}
	return err
}

func follows(introduction []byte, prev *record.State) error {
	sg, err := record.DecodeIntroduction(introduction)
	if err != nil {
		return err
	}
	_, err = record.Verify(sg, prev)
	return err
}

// bundle: an auditor who holds both records checks the whole of it (R-BND-1 to R-BND-9).
func (r *receiver) bundle(files [][]byte) error {
	report, err := bundle.Verify(bytes.NewReader(files[0]), int64(len(files[0])), r.trust, bundle.Options{})
	if err == nil && report.ExitCode() != 0 {
		return errors.New(report.Conclusion())
	}
	return err
}

// signature: the document's signature by the first subkey of the certificate (R-SIG-1 to R-SIG-4).
func (r *receiver) signature(files [][]byte) error {
	c, err := pgp.ParseCertificate(files[0], protocol.MaxCertificate)
	if err != nil {
		return err
	}
	_, err = c.Verify(files[1], files[2], c.Keys()[1].Digest, r.now.Add(protocol.MaxSkew))
	return as(err, pgp.ErrSignature, protocol.BadSignature)
}

// disclosure: what an auditor asks of an answer (R-DISC-1 to R-DISC-3), with both records at hand.
func (r *receiver) disclosure(files [][]byte) error {
	d, err := disclosure.Decode(files[0])
	if err != nil {
		return err
	}
	var held record.History
	held.Add(r.xa)
	held.Add(r.xb)
	_, err = d.Verify(&held, nil, r.now)
	return err
}

// envelopeArrives: what node xb asks before it takes the first sealed byte (R-ENV-2), but for what it remembers.
func (r *receiver) envelopeArrives(files [][]byte) error {
	env, err := r.xa.VerifyEnvelope(pair(files), r.now)
	if err != nil {
		return err
	}
	if err := env.CheckTimes(r.now); err != nil {
		return err
	}
	to, ok := r.xb.Authority(env.To)
	if !ok {
		return protocol.Refuse(protocol.UnknownRecipient, "%s is not hosted by xb", env.To)
	}
	if _, err := to.RecipientByDigest(env.RecipientKey, env.Created.Time); err != nil {
		return err
	}
	if limit := r.xb.Record().Node.Limits.Sealed; env.Sealed.Size > limit {
		return protocol.Refuse(protocol.TooLarge, "%d sealed bytes, at most %d are taken", env.Sealed.Size, limit)
	}
	if env.NotBefore == nil {
		return nil
	}
	c, err := r.xb.LogVerifier().Checkpoint([]byte(*env.NotBefore))
	if err != nil {
		return as(err, merkle.ErrCheckpoint, protocol.Malformed)
	}
	if c.Time.After(env.Created.Add(protocol.MaxSkew)) {
		return protocol.Refuse(protocol.ClockSkew, "not_before is dated after the envelope")
	}
	return nil
}

// evidenceSigned: evidence about the exchange, judged by the record of the issuer's side; the proof where there is one.
func (r *receiver) evidenceSigned(files [][]byte) error {
	parsed, err := evidence.Parse(files[0])
	if err != nil {
		return err
	}
	s := r.xb
	if parsed.Event.Rule().Sender {
		s = r.xa
	}
	e, err := s.VerifyEvidence(pair(files), r.now)
	if err != nil {
		return err
	}
	if err := e.About(r.env, r.ref); err != nil || len(files) == 2 {
		return err
	}
	ref := pair(files).Ref()
	_, _, err = s.LogVerifier().Proof(files[2], ref.Document, ref.Signature)
	return as(err, merkle.ErrProof, protocol.BadSignature)
}

// container: an opened parcel from xa/central-authority, as the office of xb/prosecution-service checks it; with an envelope, that too.
func (r *receiver) container(files [][]byte) error {
	c, err := parcel.Read(bytes.NewReader(files[0]), int64(len(files[0])))
	if err != nil {
		return err
	}
	return r.contents(c, files[1:])
}

func (r *receiver) contents(c *parcel.Contents, env [][]byte) error {
	to, _ := r.xb.Authority("xb/prosecution-service")
	if err := c.Manifest.CheckAddressed(to.ID(), to.Certificate().Primary()); err != nil {
		return err
	}
	if len(env) > 0 {
		e, err := envelope.Parse(env[0])
		if err != nil {
			return err
		}
		if err := c.Manifest.CheckEnvelope(e, c.Signed.Ref()); err != nil {
			return err
		}
	}
	from, ok := r.xa.Authority(c.Manifest.From.Authority)
	if !ok {
		return protocol.Refuse(protocol.UnknownSender, "%s is not hosted by xa", c.Manifest.From.Authority)
	}
	if c.Manifest.From.Certificate != from.Certificate().Primary() {
		return protocol.Refuse(protocol.WrongRole, "another certificate than the record's")
	}
	signer, err := from.Signer(c.Signed, evidence.Act, c.Manifest.Created.Time, r.now)
	if err != nil {
		return err
	}
	for _, a := range c.Approvals {
		if a.Approval.Key == signer {
			return protocol.Refuse(protocol.WrongRole, "approved by the key that signed the manifest")
		}
		if err := from.Verify(a.Signed, evidence.Act, a.Approval.Key, a.Approval.Created.Time, r.now); err != nil {
			return err
		}
	}
	return c.VerifyAll(context.Background(), nil)
}

// sealed: the sealed bytes of an envelope, first as node xb takes them in (R-SEAL-2, R-SEAL-3), then as the office opens them.
func (r *receiver) sealed(files [][]byte) error {
	e, err := envelope.Parse(files[1])
	if err != nil {
		return err
	}
	b := files[0]
	header, err := seal.InspectHeader(b, protocol.MaxSealedHeader)
	switch {
	case errors.Is(err, seal.ErrHeader), errors.Is(err, seal.ErrNeedMore):
		return protocol.Refuse(protocol.BadHeader, "%v", err)
	case int64(header.Recipients) != e.Sealed.Recipients:
		return protocol.Refuse(protocol.BadHeader, "%d recipients, the envelope says %d", header.Recipients, e.Sealed.Recipients)
	case int64(len(b)) != e.Sealed.Size:
		return protocol.Refuse(protocol.SizeMismatch, "%d bytes, the envelope says %d", len(b), e.Sealed.Size)
	case protocol.Sum(b) != e.Sealed.Digest:
		return protocol.Refuse(protocol.DigestMismatch, "other bytes than the envelope says")
	}
	plain, size, err := seal.Open(bytes.NewReader(b), int64(len(b)), r.identity)
	var c *parcel.Contents
	if err == nil {
		c, err = parcel.Read(plain, size)
	}
	if err == nil {
		err = r.contents(c, files[1:])
	}
	err = as(err, seal.ErrNoKey, protocol.CannotOpen)
	err = as(err, seal.ErrHeader, protocol.BadHeader)
	return as(err, seal.ErrDamaged, protocol.BadContainer)
}

func (r *receiver) checkpoint(files [][]byte) error {
	_, err := r.xb.LogVerifier().Checkpoint(files[0])
	return as(err, merkle.ErrCheckpoint, protocol.Malformed)
}

// proof: that a document and its signature have a leaf in the log of xb.
func (r *receiver) proof(files [][]byte) error {
	ref := statement.Signed{Document: files[1], Signature: files[2]}.Ref()
	_, _, err := r.xb.LogVerifier().Proof(files[0], ref.Document, ref.Signature)
	return as(err, merkle.ErrProof, protocol.BadSignature)
}
