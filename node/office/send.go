package office

import (
	"context"
	"crypto/rand"
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
	"comity/store"
)

// Sent is a message that is stored for good.
type Sent struct {
	Name    store.Name
	Case    protocol.CaseID
	Message protocol.Digest // of the manifest
	Size    int64           // of the sealed bytes
	// Receipts are one per recipient, in the order of Draft.To.
	Receipts []exchange.Receipt
}

// ErrNotTaken says that a message is signed, sealed and stored, but the gateway
// has not taken it: Run submits it again.
var ErrNotTaken = errors.New("the message is stored, but the gateway has not taken it yet; it is submitted again as long as the node runs")

// Send attaches, signs, seals, stores and submits one message. Files are read
// twice, once for the manifest and once for sealing; a difference stops it with
// parcel.ErrChanged and nothing is stored. No file is held in memory.
//
// Messages of one case are sent one after the other, because each is numbered
// and follows the one before.
//
// With ErrNotTaken, Sent is returned too and the message must not be sent
// again; with any other error nothing was stored, unless the error says that
// this is not known.
func (o *Office) Send(ctx context.Context, d Draft, progress Progress) (*Sent, error) {
	if progress == nil {
		progress = func(string, int64, int64) {}
	}
	if err := d.check(o.authority); err != nil {
		return nil, err
	}
	if err := o.mayAct(ctx); err != nil {
		return nil, err
	}
	to, err := o.addressees(d.To)
	if err != nil {
		return nil, err
	}
	files, err := look(d.Files)
	if err != nil {
		return nil, err
	}
	m, err := o.manifest(&d, to, files)
	if err != nil {
		return nil, err
	}
	if err := o.checkRoom(ctx, &d, files); err != nil {
		return nil, err
	}
	if d.Priority != protocol.Routine && sum(files) <= quickDraft {
		defer o.gateway.Expect(d.To, d.Priority)()
	}
	if err := hash(ctx, d.Files, m.Files, progress); err != nil {
		return nil, err
	}
	message, err := o.compose(ctx, &d, m, to, progress)
	if err != nil {
		return nil, err
	}
	sent := &Sent{Name: message.Name, Case: message.Case, Message: message.Digest(), Size: message.Sealed.Size}
	if sent.Receipts, err = o.submit(ctx, message); err != nil {
		o.leaveUnfinished()
		return sent, fmt.Errorf("%w (%w)", ErrNotTaken, err)
	}
	return sent, nil
}

// checkRoom refuses what would take the disk below its low watermark, or this
// authority beyond its share of the node, before gigabytes are read. The sealed bytes
// are little more than the files.
func (o *Office) checkRoom(ctx context.Context, d *Draft, files []parcel.File) error {
	space, err := o.store.Space()
	if err != nil {
		return err
	}
	if err := space.Admit(sum(files)); err != nil {
		return err
	}
	return o.gateway.Admit(ctx, o.authority, len(d.To), sum(files))
}

// quickDraft is how large files are at most that are sealed so quickly that
// other parcels may wait for it.
const quickDraft = 32 << 20

func sum(files []parcel.File) (bytes int64) {
	for _, f := range files {
		bytes += f.Size
	}
	return bytes
}

// addressee is one recipient as the newest record describes it.
type addressee struct {
	state  *record.State
	member *record.Member
	key    *seal.Recipient // to seal to
}

// addressees finds the recipients. Its sentences tell an officer what to do.
func (o *Office) addressees(to []protocol.AuthorityID) ([]addressee, error) {
	own, self, err := o.self()
	if err != nil {
		return nil, err
	}
	if err := self.Key(evidence.Act, o.act.Digest(), o.now()); err != nil {
		return nil, fmt.Errorf("the key of %s for its acts cannot sign now: %w", o.authority, err)
	}
	all := make([]addressee, len(to))
	for i, id := range to {
		a := &all[i]
		if a.state, a.member, err = o.gateway.Find(id); err != nil {
			return nil, err // it names the recipient
		}
		if a.state.Record().State == own.Record().State {
			return nil, fmt.Errorf("recipient %s: it is served by your own node; parcels go to authorities of other states", id)
		}
		if a.key, err = a.member.Recipient(o.now()); err != nil {
			return nil, fmt.Errorf("recipient %s: %w", id, err)
		}
	}
	return all, nil
}

// manifest makes the manifest with all but the case's members and the files'
// digests, and judges it before anything large is read.
func (o *Office) manifest(d *Draft, to []addressee, files []parcel.File) (*parcel.Manifest, error) {
	id, err := protocol.NewParcelID()
	if err != nil {
		return nil, fmt.Errorf("name the parcel: %w", err)
	}
	m := &parcel.Manifest{
		Type: parcel.Type, Parcel: id, Case: d.Case, Sequence: 1, Kind: d.Kind,
		From: parcel.Party{Authority: o.authority, Certificate: o.act.Certificate().Primary()},
		Test: d.Test, Files: files,
	}
	_, _ = rand.Read(m.Nonce[:]) // never fails
	for _, a := range to {
		m.To = append(m.To, parcel.Party{Authority: a.member.ID(), Certificate: a.member.Certificate().Primary()})
	}
	if m.Case == "" {
		if m.Case, err = protocol.NewCaseID(); err != nil {
			return nil, fmt.Errorf("name the case: %w", err)
		}
	}
	if err := m.Validate(); err != nil {
		return nil, fmt.Errorf("this message cannot be sent: %w", err)
	}
	return m, o.checkSize(m.TotalSize(), to)
}

// checkSize compares a size with what the nodes on the way take.
func (o *Office) checkSize(size int64, to []addressee) error {
	own := o.gateway.OwnState().Record().Node
	if size > own.Limits.Sealed {
		return fmt.Errorf("the parcel has %d bytes, and your own node %s takes %d: send it in several messages", size, own.ID, own.Limits.Sealed)
	}
	for _, a := range to {
		if node := a.state.Record().Node; size > node.Limits.Sealed {
			return fmt.Errorf("the parcel has %d bytes, and node %s, which serves %s, takes %d: send it in several messages", size, node.ID, a.member.ID(), node.Limits.Sealed)
		}
		if said := a.member.Document().Particulars; said != nil && said.SealedBytes != nil && size > *said.SealedBytes {
			return fmt.Errorf("the parcel has %d bytes, and %s wants at most %d: send it in several messages", size, a.member.ID(), *said.SealedBytes)
		}
	}
	return nil
}

// compose gives the message its place in the case, signs, seals and stores it.
func (o *Office) compose(ctx context.Context, d *Draft, m *parcel.Manifest, to []addressee, progress Progress) (*store.Message, error) {
	leave, err := o.doors.enter(ctx, "case "+string(m.Case))
	if err != nil {
		return nil, err
	}
	defer leave()
	if d.Case != "" {
		if err := o.place(ctx, m); err != nil {
			return nil, err
		}
	}
	now := o.now()
	m.Created = protocol.At(now)
	manifest, err := m.Sign(o.act, now)
	if err != nil {
		return nil, err
	}
	message := &store.Message{
		Name: store.Name{From: o.authority, Parcel: m.Parcel}, Case: m.Case, Sequence: m.Sequence, Kind: m.Kind,
		Manifest: manifest, Files: m.Files, Priority: d.Priority, Test: m.Test,
		Created: m.Created.Time, Expires: protocol.At(now.Add(d.Lifetime)).Time,
	}
	for _, a := range to {
		message.Transmissions = append(message.Transmissions, store.Transmission{To: a.member.ID(), RecipientKey: a.key.Digest()})
	}
	spool := o.store.NewSpool()
	defer spool.Discard()
	if err := o.seal(ctx, d, message, to, spool, progress); err != nil {
		return nil, err
	}
	digest := message.Digest()
	note, err := entry(ActSend, message.Name, &digest, nil)
	if err != nil {
		return nil, err
	}
	if err := o.addSent(ctx, message, spool, note); err != nil {
		return nil, err
	}
	return message, nil
}

// maxUnknown is how often a message is stored again when a commit did not say
// what became of it.
const maxUnknown = 3

// addSent stores a message. After a commit of unknown outcome it stores it again,
// which changes nothing when it is there. When that does not help, Run looks for
// it: a message that is there after all must not lie forgotten.
func (o *Office) addSent(ctx context.Context, m *store.Message, spool *store.Spool, note []byte) error {
	var err error
	for range maxUnknown {
		if _, err = o.store.AddSent(ctx, m, spool, note); !errors.Is(err, store.ErrUnknownOutcome) {
			return err
		}
	}
	o.leaveUnfinished()
	return fmt.Errorf("whether the message is stored will be seen in the list of sent ones; look there before you send it again: %w", err)
}

// place numbers a message of a case that exists and links it to what it follows.
func (o *Office) place(ctx context.Context, m *parcel.Manifest) error {
	newest, err := o.newest(ctx, m.Case)
	if err != nil {
		return err
	}
	if len(newest) == 0 {
		return fmt.Errorf("there is no case %s here: check its number, or leave it out to begin a new case", m.Case)
	}
	if newest[0].Test != m.Test {
		return fmt.Errorf("case %s has test messages only or none at all: this one would be the other kind", m.Case)
	}
	if m.Sequence, err = o.store.NextSequence(ctx, m.Case); err != nil {
		return err
	}
	for _, before := range newest {
		m.Follows = append(m.Follows, before.Digest())
	}
	return nil
}

// newest returns the newest sent and the newest received message of a case,
// those that there are.
func (o *Office) newest(ctx context.Context, id protocol.CaseID) ([]store.Message, error) {
	f := store.MessageFilter{Case: id, Test: store.WithTests, Limit: 1}
	sent, err := o.store.SentList(ctx, f)
	if err != nil {
		return nil, err
	}
	received, err := o.store.Inbox(ctx, f)
	return append(sent, received...), err
}

// seal streams the container through age into the spool, makes it durable and
// fills in what is known only afterwards: sealed size, digest and key slip.
func (o *Office) seal(ctx context.Context, d *Draft, message *store.Message, to []addressee, spool *store.Spool, progress Progress) error {
	layout, err := parcel.NewLayout(message.Manifest, nil)
	if err != nil {
		return err
	}
	size, err := seal.SealedSize(layout.Size(), len(to))
	if err != nil {
		return err
	}
	if err := o.checkSize(size, to); err != nil {
		return err
	}
	recipients := make([]*seal.Recipient, len(to)) // R-SEAL-1: records list no other kind
	for i, a := range to {
		recipients[i] = a.key
	}
	b := newBehind(spool, size)
	key, err := pour(ctx, d, message, recipients, b, progress)
	if failed := b.close(); err == nil {
		err = failed
	}
	if err != nil {
		return err
	}
	if spool.Size() != size {
		return fmt.Errorf("the sealed bytes are %d, computed were %d", spool.Size(), size)
	}
	if err := spool.Keep(); err != nil {
		return err
	}
	message.Sealed = envelope.Sealed{Size: size, Digest: spool.Digest(), Recipients: int64(len(to))}
	message.Slip, err = o.slip(*key)
	return err
}

// pour writes the sealed container to dst and returns its key.
func pour(ctx context.Context, d *Draft, message *store.Message, to []*seal.Recipient, dst io.Writer, progress Progress) (*seal.FileKey, error) {
	w, key, err := seal.Encrypt(dst, to...)
	if err != nil {
		return nil, err
	}
	// R-PCL-4: Write hashes each file again.
	err = parcel.Write(cancellable(ctx, w), message.Manifest, nil,
		func(i int) (io.ReadCloser, error) { return d.Files[i].open() },
		func(done, total int64) { progress("seal", done, total) })
	if err != nil {
		// Not closed: a finished sealing around a broken container must not exist.
		return nil, err
	}
	return key, w.Close()
}

// slip keeps a file key for this authority, under its newest identity.
func (o *Office) slip(key seal.FileKey) ([]byte, error) {
	return seal.SealSlip(key, o.identities[0].Recipient())
}

// cancellable stops a long stream when ctx ends.
func cancellable(ctx context.Context, w io.Writer) io.Writer {
	return writerFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return w.Write(p)
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
