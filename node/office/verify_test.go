package office

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"comity/crypto/pgp"
	"comity/crypto/seal"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/parcel"
	"comity/protocol/statement"
	"comity/store"
)

// TestVerify has an office take in parcels that are wrong in one thing each.
// R-PCL-5: nothing of a wrong one is ever shown; R-EVID-2: its sender reads why.
func TestVerify(t *testing.T) {
	from := func(n int) *pgp.Secret { return stateOf(central).holder.Subkeys[n] }
	stranger := stateOf(ministry)
	onlyOne := func(f *forger, by *pgp.Secret, change func(*parcel.Approval)) {
		f.manifest.Approvals = 1
		f.approve = func(m []byte) []statement.Signed { return []statement.Signed{f.approval(m, by, change)} }
	}
	w := newWorld(t)
	for _, c := range []struct {
		name   string
		change func(*forger)
		want   protocol.Code // "": handed over
	}{
		{"an ordinary one", func(*forger) {}, ""},
		{"R-PCL-8 signed by a second person", func(f *forger) { f.signer = from(secondActKey) }, ""},
		{"a test", func(f *forger) { f.manifest.Test = true }, ""},
		{"sealed to the older key", func(f *forger) {
			older := stateOf(prosecution).identities[1].Recipient()
			f.to = []*seal.Recipient{older}
			f.envelope = func(e *envelope.Envelope) { e.RecipientKey = older.Digest() }
		}, ""},
		{"R-PCL-9 approved", func(f *forger) { onlyOne(f, from(secondActKey), nil) }, ""},

		{"R-PCL-10 another manifest's digest", func(f *forger) {
			f.envelope = func(e *envelope.Envelope) { e.Manifest.Document[0] ^= 1 }
		}, protocol.ManifestMismatch},
		{"R-PCL-10 another signature's digest", func(f *forger) {
			f.envelope = func(e *envelope.Envelope) { e.Manifest.Signature[0] ^= 1 }
		}, protocol.ManifestMismatch},
		{"R-PCL-10 another parcel id", func(f *forger) {
			f.envelope = func(e *envelope.Envelope) { e.Parcel = must(protocol.NewParcelID()) }
		}, protocol.ManifestMismatch},
		{"R-PCL-10 a test outside and none inside", func(f *forger) {
			f.envelope = func(e *envelope.Envelope) { e.Test = true }
		}, protocol.ManifestMismatch},
		{"R-PCL-10 one more can open it", func(f *forger) {
			f.to = append(f.to, stranger.identities[0].Recipient())
		}, protocol.ManifestMismatch},

		{"R-PCL-7 addressed to another", func(f *forger) {
			f.manifest.To = []parcel.Party{{Authority: ministry, Certificate: stranger.holder.Certificate.Primary()}}
		}, protocol.WrongParcel},
		{"R-PCL-7 addressed to our name with another certificate", func(f *forger) {
			f.manifest.To[0].Certificate = stranger.holder.Certificate.Primary()
		}, protocol.WrongParcel},

		{"R-PCL-8 signed by the attest key", func(f *forger) { f.signer = from(attestKey) }, protocol.WrongRole},
		{"R-PCL-8 signed by the primary key", func(f *forger) { f.signer = stateOf(central).holder.Primary }, protocol.WrongRole},
		{"R-PCL-8 signed by the node", func(f *forger) { f.signer = f.node }, protocol.BadSignature},
		{"R-PCL-8 signed by another authority", func(f *forger) { f.signer = stranger.holder.Subkeys[actKey] }, protocol.BadSignature},
		{"R-REC-7 signed by a key that is in the certificate only", func(f *forger) { f.signer = from(unlistedKey) }, protocol.BadSignature},
		{"R-REC-8 signed by a key whose time has ended", func(f *forger) { f.signer = from(endedActKey) }, protocol.KeyExpired},
		{"R-REC-8 dated back into the key's time", func(f *forger) {
			f.signer, f.manifest.Created = from(endedActKey), protocol.At(start.Add(time.Minute))
		}, protocol.KeyExpired},
		{"R-REC-8 signed by a stolen key", func(f *forger) { f.signer = from(stolenActKey) }, protocol.KeyCompromised},
		{"the sender under another certificate", func(f *forger) {
			f.manifest.From.Certificate = stranger.holder.Certificate.Primary()
		}, protocol.WrongRole},
		{"the name of another sender", func(f *forger) { f.manifest.From.Authority = ministry }, protocol.ManifestMismatch},

		{"R-PCL-9 approved by the signer", func(f *forger) { onlyOne(f, from(actKey), nil) }, protocol.WrongRole},
		{"R-PCL-9 approved by the attest key", func(f *forger) { onlyOne(f, from(attestKey), nil) }, protocol.WrongRole},
		{"R-PCL-9 approved by a stranger", func(f *forger) { onlyOne(f, stranger.holder.Subkeys[actKey], nil) }, protocol.WrongRole},
		{"R-PCL-9 approved by a key whose time has ended", func(f *forger) { onlyOne(f, from(endedActKey), nil) }, protocol.KeyExpired},
		{"R-PCL-9 approved with a stolen key", func(f *forger) { onlyOne(f, from(stolenActKey), nil) }, protocol.KeyCompromised},
		{"R-PCL-9 an approval signed by another than it names", func(f *forger) {
			onlyOne(f, from(actKey), func(a *parcel.Approval) { a.Key = from(secondActKey).Digest() })
		}, protocol.BadSignature},
		{"R-PCL-9 fewer approvals than announced", func(f *forger) {
			f.manifest.Approvals = 2
			f.approve = func(m []byte) []statement.Signed {
				return []statement.Signed{f.approval(m, from(secondActKey), nil)}
			}
			// The container of the same message without approvals, with the manifest's count changed in place.
			f.container = func(*parcel.Layout, []byte) []byte {
				f.manifest.Approvals = 0
				plain := f.sign(must(f.manifest.Encode()), f.signer)
				b, _ := f.write(plain, nil)
				return bytes.Replace(b, []byte(`"approvals": 0`), []byte(`"approvals": 2`), 1)
			}
		}, protocol.BadContainer},

		{"R-PCL-2 a file of more bytes than it says", func(f *forger) {
			f.container = func(l *parcel.Layout, b []byte) []byte {
				return slices.Insert(b, int(l.FileOffset(1)), make([]byte, 512)...)
			}
		}, protocol.BadContainer},
		{"R-PCL-2 a file of fewer bytes than it says", func(f *forger) {
			f.container = func(l *parcel.Layout, b []byte) []byte {
				return slices.Delete(b, int(l.FileOffset(0)), int(l.FileOffset(0))+512)
			}
		}, protocol.BadContainer},
		{"R-PCL-2 a tail", func(f *forger) {
			f.container = func(_ *parcel.Layout, b []byte) []byte { return append(b, make([]byte, 512)...) }
		}, protocol.BadContainer},
		{"R-PCL-2 a hidden entry in place of the end", func(f *forger) {
			f.container = func(_ *parcel.Layout, b []byte) []byte {
				copy(b[len(b)-1024:], b[:512])
				return b
			}
		}, protocol.BadContainer},
		{"R-PCL-2 something in the padding", func(f *forger) {
			f.container = func(l *parcel.Layout, b []byte) []byte {
				b[l.FileOffset(1)+f.manifest.Files[1].Size] = 'x'
				return b
			}
		}, protocol.BadContainer},
		{"R-PCL-1 another owner in a header", func(f *forger) {
			f.container = func(l *parcel.Layout, b []byte) []byte {
				b[l.FileOffset(0)-512+108] = '7'
				return b
			}
		}, protocol.BadContainer},
		{"R-PCL-5 other bytes in a file", func(f *forger) {
			f.container = func(l *parcel.Layout, b []byte) []byte {
				b[l.FileOffset(1)] ^= 1
				return b
			}
		}, protocol.DigestMismatch},
		{"a manifest of a version to come", func(f *forger) {
			f.container = func(_ *parcel.Layout, b []byte) []byte {
				return bytes.Replace(b, []byte("comity/manifest/v1"), []byte("comity/manifest/v2"), 1)
			}
		}, protocol.UnsupportedVersion},
		{"nothing inside", func(f *forger) {
			f.container = func(*parcel.Layout, []byte) []byte { return nil }
		}, protocol.BadContainer},

		{"R-SEAL-3 fewer recipients than the header has", func(f *forger) {
			f.to = append(f.to, stranger.identities[0].Recipient())
			f.envelope = func(e *envelope.Envelope) { e.Sealed.Recipients = 1 }
		}, protocol.BadHeader},
		{"sealed to a stranger", func(f *forger) { f.to = []*seal.Recipient{stranger.identities[0].Recipient()} }, protocol.CannotOpen},
		{"sealed to another key than it names", func(f *forger) {
			f.to = []*seal.Recipient{stateOf(prosecution).identities[1].Recipient()}
		}, protocol.CannotOpen},
		{"cut before it was announced", func(f *forger) {
			f.sealed = func(b []byte) []byte { return b[:len(b)-1] }
		}, protocol.BadContainer},
		{"altered before it was announced", func(f *forger) {
			f.sealed = func(b []byte) []byte {
				b[len(b)/2+800] ^= 1
				return b
			}
		}, protocol.BadContainer},
		{"not sealed at all", func(f *forger) {
			f.sealed = func([]byte) []byte { return bytes.Repeat([]byte("plain "), 500) }
		}, protocol.BadHeader},
		{"a header and nothing else", func(f *forger) {
			f.sealed = func(b []byte) []byte { return b[:100] }
		}, protocol.BadHeader},
		{"R-ENV-1 an envelope by another node", func(f *forger) { f.node = stranger.node.Subkeys[0] }, protocol.BadSignature},
		{"R-ENV-1 an envelope by the authority itself", func(f *forger) { f.node = from(actKey) }, protocol.BadSignature},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newForger(t, w)
			c.change(f)
			k := f.deliver()
			if err := w.takeAll(prosecution); err != nil {
				t.Fatal(err)
			}
			event, code := w.outcome(k)
			want := evidence.ContentHandover
			if c.want != "" {
				want = evidence.ContentHandoverFailure
			}
			if event != want || code != c.want {
				t.Errorf("the office said %s %q, want %s %q", event, code, want, c.want)
			}
			if _, err := w.office(prosecution).Message(t.Context(), nameOf(k)); errors.Is(err, store.ErrNotFound) != (c.want != "") {
				t.Errorf("asked for the message, got %v", err)
			}
			if waiting, err := w.nodes["xb"].Consign(t.Context(), prosecution, protocol.Digest{1}, nil, 64); err != nil || len(waiting) > 0 {
				t.Errorf("%d parcels still wait, %v", len(waiting), err)
			}
		})
	}
}

// R-SIG-4: what is dated in the future is not shown, and not refused for good
// either: the wrong clock may be the recipient's. When it stays so until the
// envelope expires, it is.
func TestAMessageFromTheFutureWaits(t *testing.T) {
	for name, c := range map[string]struct {
		dated, later time.Duration // after today
		want         evidence.Event
	}{
		"until its time":      {time.Hour, time.Hour, evidence.ContentHandover},
		"until its last time": {protocol.DefaultLifetime + 48*time.Hour, protocol.DefaultLifetime + time.Hour, evidence.ContentHandoverFailure},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			f := newForger(t, w)
			f.manifest.Created = protocol.At(today.Add(c.dated))
			k := f.deliver()
			if err := w.takeAll(prosecution); protocol.CodeOf(err) != protocol.ClockSkew {
				t.Fatalf("got %v, want %s", err, protocol.ClockSkew)
			}
			if event, _ := w.outcome(k); event != "" {
				t.Fatalf("decided already: %s", event)
			}
			w.clock.pass(c.later)
			if err := w.takeAll(prosecution); err != nil {
				t.Fatal(err)
			}
			if event, code := w.outcome(k); event != c.want {
				t.Errorf("the office said %s %q, want %s", event, code, c.want)
			}
		})
	}
}

// A key that was stolen later does not undo what had arrived before.
func TestStolenLater(t *testing.T) {
	w := newWorld(t)
	f := newForger(t, w)
	f.signer, f.arrived = stateOf(central).holder.Subkeys[stolenActKey], stole.Add(-time.Minute)
	f.manifest.Created = protocol.At(stole.Add(-time.Hour))
	w.clock.pass(stole.Add(-time.Hour).Sub(today)) // signed an hour before the theft
	k := f.deliver()
	w.clock.pass(24 * time.Hour)
	if err := w.takeAll(prosecution); err != nil {
		t.Fatal(err)
	}
	if event, code := w.outcome(k); event != evidence.ContentHandover {
		t.Errorf("the office said %s %q, want %s", event, code, evidence.ContentHandover)
	}
	// The thief can write the same dates, but not arrive before.
	f = newForger(t, w)
	f.signer, f.manifest.Created = stateOf(central).holder.Subkeys[stolenActKey], protocol.At(stole.Add(-time.Hour))
	w.clock.pass(stole.Add(-time.Hour).Sub(w.clock.now()))
	f.arrived = today
	k = f.deliver()
	w.clock.pass(24 * time.Hour)
	if err := w.takeAll(prosecution); err != nil {
		t.Fatal(err)
	}
	if _, code := w.outcome(k); code != protocol.KeyCompromised {
		t.Errorf("the office said %q to a stolen key, want %q", code, protocol.KeyCompromised)
	}
}

// I2, R-XCH-3: two parcels under one sequence; the second takes no effect, and
// people can see it.
func TestTwoUnderOneSequence(t *testing.T) {
	w := newWorld(t)
	first, second := newForger(t, w), newForger(t, w)
	second.manifest.Case, second.manifest.Kind = first.manifest.Case, parcel.KindWithdrawal
	first.deliver()
	if err := w.takeAll(prosecution); err != nil {
		t.Fatal(err)
	}
	k := second.deliver()
	if err := w.takeAll(prosecution); err != nil {
		t.Fatal(err)
	}
	if _, code := w.outcome(k); code != protocol.Equivocation {
		t.Errorf("the office said %q, want %q", code, protocol.Equivocation)
	}
	contested, err := w.office(prosecution).store.ContestedList(t.Context(), 0)
	if err != nil || len(contested) != 1 || contested[0].Manifest.Digest() != second.manifestDigest() {
		t.Errorf("contested: %v, %v; want the second manifest", contested, err)
	}
	firstAlone(t, w)
}

// I2: two under one parcel id. A node refuses the second envelope; the office
// does not rely on it: it has spoken about this identity and says no other thing.
func TestTwoUnderOneParcelID(t *testing.T) {
	w := newWorld(t)
	first, second := newForger(t, w), newForger(t, w)
	second.manifest.Parcel, second.manifest.Kind = first.manifest.Parcel, parcel.KindWithdrawal
	first.deliver()
	if err := w.takeAll(prosecution); err != nil {
		t.Fatal(err)
	}
	w.nodes["xb"].rows, w.nodes["xb"].order = map[protocol.Key]*row{}, nil // a node that forgot
	second.deliver()
	if err := w.takeAll(prosecution); protocol.CodeOf(err) != protocol.WrongParcel {
		t.Errorf("got %v, want the node to refuse the evidence about the first", err)
	}
	firstAlone(t, w)
}

// I9: what is refused takes no room for ever: parcels of which each takes the place of
// another would fill the disk of an office, while it runs.
func TestWhatIsRefusedTakesNoRoom(t *testing.T) {
	w := newWorld(t)
	forgers := []*forger{newForger(t, w), newForger(t, w), newForger(t, w)}
	for _, f := range forgers {
		f.manifest.Case = forgers[0].manifest.Case
		f.contents[0] = make([]byte, 2*protocol.MaxInline) // so large that it is a file
		_, _ = rand.Read(f.contents[0])
		f.manifest.Files[0].Size, f.manifest.Files[0].Digest = int64(len(f.contents[0])), protocol.Sum(f.contents[0])
		f.deliver()
	}
	if err := w.takeAll(prosecution); err != nil {
		t.Fatal(err)
	}
	w.office(prosecution).sweep(t.Context())
	files, err := filepath.Glob(filepath.Join(w.dirs[prosecution], "parcels", "??", "*"))
	if err != nil || len(files) != 1 {
		t.Errorf("%d bodies are kept of three parcels, of which one was taken in: %v", len(files), err)
	}
	firstAlone(t, w)
}

func firstAlone(t *testing.T, w *world) {
	t.Helper()
	inbox, err := w.office(prosecution).Inbox(t.Context(), store.MessageFilter{})
	if err != nil || len(inbox) != 1 || inbox[0].Kind != parcel.KindRequest {
		t.Errorf("inbox %+v, %v; want the first message alone", inbox, err)
	}
}

func (f *forger) manifestDigest() protocol.Digest { return protocol.Sum(must(f.manifest.Encode())) }

// R-EVID-8: trouble of this side is no evidence against the other.
func TestTroubleHere(t *testing.T) {
	t.Run("bytes that changed on our disk", func(t *testing.T) {
		w := newWorld(t)
		k := newForger(t, w).deliver()
		n := w.nodes["xb"]
		digest := n.rows[k].env.Sealed.Digest
		for _, at := range []int{30, 2000, -1} { // header, content, end
			whole := n.sealed[digest]
			broken := bytes.Clone(whole)
			broken[(at+len(broken))%len(broken)] ^= 1
			n.sealed[digest] = broken
			err := w.takeAll(prosecution)
			if err == nil || !strings.Contains(err.Error(), "restore them from a backup") || protocol.CodeOf(err) != "" {
				t.Errorf("byte %d: got %v, want an error about our disk", at, err)
			}
			n.sealed[digest] = whole
		}
		nothingSaid(t, w, k)
		if err := w.takeAll(prosecution); err != nil {
			t.Fatal(err)
		}
		if event, _ := w.outcome(k); event != evidence.ContentHandover {
			t.Errorf("after the repair the office said %q", event)
		}
	})
	t.Run("a record that is still to come", func(t *testing.T) {
		w := newWorld(t)
		f := newForger(t, w)
		f.signer = stateOf(central).holder.Subkeys[unlistedKey]
		f.envelope = func(e *envelope.Envelope) { e.Records.From.Sequence, e.Records.From.Digest = 2, protocol.Digest{2} }
		waitsUntilExpiry(t, w, f.deliver(), "record 2 of xa", protocol.BadSignature)
	})
	t.Run("an identity that is not there", func(t *testing.T) {
		w := newWorld(t)
		k := newForger(t, w).deliver()
		w.office(prosecution).identities = w.office(prosecution).identities[1:]
		waitsUntilExpiry(t, w, k, "put it back", protocol.CannotOpen)
	})
	t.Run("a key of our own that does not count", func(t *testing.T) {
		w := newWorld(t)
		k := newForger(t, w).deliver()
		o := w.office(prosecution)
		o.attest = stateOf(prosecution).holder.Subkeys[unlistedKey]
		if err := w.takeAll(prosecution); err == nil || !strings.Contains(err.Error(), "cannot sign ContentHandover now") {
			t.Errorf("got %v", err)
		}
		nothingSaid(t, w, k)
	})
	t.Run("a node that does not answer", func(t *testing.T) {
		w := newWorld(t)
		k := newForger(t, w).deliver()
		w.nodes["xb"].setFail(errors.New("busy"))
		if err := w.takeAll(prosecution); err == nil {
			t.Error("filed although the node refuses")
		}
		w.nodes["xb"].setFail(nil)
		// Verified and stored, so it is filed again from the stored bytes.
		if _, err := w.open(prosecution).finishAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		if event, _ := w.outcome(k); event != evidence.ContentHandover || w.nodes["xb"].filed != 1 {
			t.Errorf("the office said %q, filed %d times", event, w.nodes["xb"].filed)
		}
	})
	t.Run("a node restored from a backup", func(t *testing.T) {
		w := newWorld(t)
		k := newForger(t, w).deliver()
		if err := w.takeAll(prosecution); err != nil {
			t.Fatal(err)
		}
		r := w.nodes["xb"].rows[k]
		before := r.evidence[len(r.evidence)-1]
		r.evidence = r.evidence[:len(r.evidence)-1]
		if err := w.takeAll(prosecution); err != nil {
			t.Fatal(err)
		}
		if after := r.evidence[len(r.evidence)-1]; !bytes.Equal(before.Document, after.Document) {
			t.Errorf("filed other evidence after the restore:\n%s", after.Document)
		}
	})
}

func nothingSaid(t *testing.T, w *world, k protocol.Key) {
	t.Helper()
	if event, code := w.outcome(k); event != "" {
		t.Errorf("the office said %s %q", event, code)
	}
	if inbox, err := w.office(prosecution).Inbox(t.Context(), store.MessageFilter{}); err != nil || len(inbox) > 0 {
		t.Errorf("inbox of %d messages, %v", len(inbox), err)
	}
}

// waitsUntilExpiry wants no answer before the parcel expires and this one after.
func waitsUntilExpiry(t *testing.T, w *world, k protocol.Key, sentence string, code protocol.Code) {
	t.Helper()
	if err := w.takeAll(prosecution); err == nil || !strings.Contains(err.Error(), sentence) || protocol.CodeOf(err) != "" {
		t.Errorf("got %v, want an error with %q", err, sentence)
	}
	nothingSaid(t, w, k)
	w.clock.pass(protocol.DefaultLifetime + time.Hour)
	if err := w.takeAll(prosecution); err != nil {
		t.Fatal(err)
	}
	if _, got := w.outcome(k); got != code {
		t.Errorf("after its end the office said %q, want %q", got, code)
	}
}

// What a refusal says may go abroad: no name of a file, no content.
func TestRefusalTellsNoContent(t *testing.T) {
	w := newWorld(t)
	f := newForger(t, w)
	secret := "name-of-the-witness.txt"
	f.manifest.Files[1].Name = secret
	f.container = func(l *parcel.Layout, b []byte) []byte {
		b[l.FileOffset(1)] ^= 1
		return b
	}
	k := f.deliver()
	if err := w.takeAll(prosecution); err != nil {
		t.Fatal(err)
	}
	for _, a := range w.nodes["xb"].rows[k].evidence {
		if text := fmt.Sprint(a.Parsed.Reason); strings.Contains(text, secret) || strings.Contains(text, "attachment") {
			t.Errorf("the reason of %s tells %q", a.Parsed.Event, text)
		}
	}
	if acts := w.acts(prosecution); !slices.Equal(acts, []Act{ActRefuse}) {
		t.Errorf("journal says %v", acts)
	}
}
