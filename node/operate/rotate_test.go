package operate

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"comity/crypto/keys"
	"comity/crypto/seal"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/record"
)

const authority = protocol.AuthorityID("xa/central-authority")

// rotating is a new node whose keys are replaced at times that a test chooses.
type rotating struct {
	t     *testing.T
	dir   string
	now   time.Time
	first *record.State
	from  *Passphrases
}

func newRotating(t *testing.T) *rotating {
	t.Helper()
	r := &rotating{t: t, dir: filepath.Join(t.TempDir(), "node")}
	p := plan(r.dir)
	var err error
	if r.first, err = Create(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	r.now = p.Now.Add(30 * 24 * time.Hour)
	return r
}

func (r *rotating) amendment() Amendment {
	return Amendment{Dir: r.dir, Offline: filepath.Join(r.dir, "offline"), Now: func() time.Time { return r.now }, Passphrases: r.from}
}

func (r *rotating) try(since *time.Time, kinds ...Kind) (*Rotated, error) {
	return Rotate(r.t.Context(), RotatePlan{Amendment: r.amendment(), Kinds: kinds, Authorities: []protocol.AuthorityID{authority}, Since: since})
}

func (r *rotating) rotate(since *time.Time, kinds ...Kind) *record.State {
	r.t.Helper()
	made, err := r.try(since, kinds...)
	if err != nil {
		r.t.Fatal(err)
	}
	if made.Broken != nil {
		r.t.Errorf("the record does not follow: %v", made.Broken)
	}
	return made.State
}

func (r *rotating) open() *Node {
	r.t.Helper()
	n, err := Open(r.t.Context(), r.dir, Options{Passphrases: r.from, Now: func() time.Time { return r.now }})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { n.Close() })
	return n
}

// newest returns the key of a role that was listed last, and the one before it.
func newest(t *testing.T, all []record.Key, role evidence.Role) (now, before record.Key) {
	t.Helper()
	count := 0
	for _, k := range all {
		if k.Role == role {
			before, now = now, k
			count++
		}
	}
	if count < 2 {
		t.Fatalf("%d keys of the role %s", count, role)
	}
	return now, before
}

// R-REC-3: each kind of keys gets successors in a record that follows the one
// before; the old ones stay listed, and count until now.
func TestRotateEachKind(t *testing.T) {
	for _, k := range without(Kinds(), AuthorityKind, StateKind) {
		t.Run(string(k), func(t *testing.T) {
			r := newRotating(t)
			next := r.rotate(nil, k)
			if _, err := record.Verify(next.Signed(), r.first); err != nil {
				t.Fatalf("the record does not follow: %v", err)
			}
			node := r.open()
			if node.Gateway.OwnState().Ref() != next.Ref() || len(node.Locked) > 0 {
				t.Errorf("the node opens with record %d, locked: %v", node.Gateway.OwnState().Record().Sequence, node.Locked)
			}
			was, is := r.first.Record().Node, next.Record().Node
			m, _ := next.Authority(authority)
			a := m.Document()
			var now, old record.Key
			switch k {
			case ActKind:
				now, old = newest(t, a.Keys, evidence.Act)
			case AttestKind:
				now, old = newest(t, a.Keys, evidence.Attest)
			case NodeKind:
				if now, old = newest(t, is.Keys, evidence.Node); now.Digest != protocol.Digest(node.Gateway.NodeKey.Digest()) {
					t.Error("the node signs with another key than its record names")
				}
			case AgeKind:
				recipient, err := m.Recipient(r.now)
				if err != nil || len(a.Recipients) != 2 || recipient.String() != a.Recipients[1].Recipient {
					t.Errorf("%d recipients, %v; the new one is to be sealed to", len(a.Recipients), err)
				}
				before, _ := r.first.Authority(authority)
				if key, err := before.Recipient(r.now); err != nil {
					t.Error(err)
				} else if _, err := m.RecipientByDigest(key.Digest(), r.now.Add(200*24*time.Hour)); err != nil {
					t.Errorf("who has not heard of the record seals to the old one: %v", err)
				}
			case TLSKind:
				if len(is.TLS) != 2 || is.TLS[0] != was.TLS[0] || keys.SPKI(node.Gateway.TLS.Leaf) != is.TLS[1].SPKI || node.Gateway.Former == nil || keys.SPKI(node.Gateway.Former.Leaf) != was.TLS[0].SPKI {
					t.Errorf("pins %v", is.TLS)
				}
			case WitnessKind:
				if ed, pq := node.Gateway.Witness.VerifierKeys(); is.Witness == was.Witness || is.Witness != (record.Keypair{Ed25519: ed, MLDSA44: pq}) || len(is.Compromised) != 0 {
					t.Error("the witness keys are not the new ones, or the old ones are marked")
				}
			case LogKind:
				if is.Log.Origin != "comity/log/xa/2" || is.Log.Keys == was.Log.Keys {
					t.Errorf("the log is %s", is.Log.Origin)
				}
				if report, err := node.Gateway.CheckLog(t.Context()); err != nil || report.Eras != 1 {
					t.Errorf("the new log: %+v, %v", report, err)
				}
			}
			if !now.Digest.IsZero() {
				end := protocol.At(r.now.Truncate(time.Second).Add(overlap))
				if old.Valid.Until != end || old.Compromised != nil || !now.Valid.Contains(r.now) || now.Compromised != nil {
					t.Errorf("the old key counts until %s, want %s; the new one %s to %s", old.Valid.Until, end, now.Valid.From, now.Valid.Until)
				}
			}
			if k != LogKind && is.Log != was.Log || k != WitnessKind && is.Witness != was.Witness || k != TLSKind && len(is.TLS) != 1 {
				t.Error("keys of another kind were replaced")
			}
		})
	}
}

// What keys protected by passphrases leave to be opened is protected by the same.
func TestRotateProtectedKeys(t *testing.T) {
	r := newRotating(t)
	file := filepath.Join(t.TempDir(), "passphrase")
	if err := os.WriteFile(file, []byte("a passphrase of many words\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	pass, err := seal.NewPassphrase("a passphrase of many words")
	if err != nil {
		t.Fatal(err)
	}
	l := Layout{Dir: r.dir}
	for _, h := range []Holder{NodeHolder, OfficeHolder(authority), ActHolder(authority)} {
		paths, err := l.Secrets(h)
		if err == nil {
			_, err = (&Change{Holder: h, Paths: paths, New: pass}).Run()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	r.from = &Passphrases{Files: map[Holder]string{"": file}}
	r.rotate(nil, Kinds()...)
	for _, h := range []Holder{NodeHolder, OfficeHolder(authority), ActHolder(authority)} {
		if p, err := l.ProtectionOf(h); err != nil || p.Files == 0 || p.Protected != p.Files {
			t.Errorf("%s: %d of %d key files are protected, %v", h, p.Protected, p.Files, err)
		}
	}
	if n := r.open(); len(n.Locked) > 0 {
		t.Errorf("what stays closed: %v", n.Locked)
	}
}

// A node lives beyond a year from init: each renewal gives it another, and the
// offline keys with it.
func TestRenew(t *testing.T) {
	r := newRotating(t)
	last := r.first
	for year := range 3 {
		r.now = last.Record().Valid.Until.Add(-24 * time.Hour)
		made, err := Renew(t.Context(), r.amendment())
		if err != nil || made.Broken != nil {
			t.Fatalf("year %d: %v, %v", year, err, made)
		}
		if _, err := record.Verify(made.State.Signed(), last); err != nil {
			t.Fatalf("year %d: the record does not follow: %v", year, err)
		}
		last = made.State
		end := r.now.Truncate(time.Second).Add(keyLifetime)
		m, _ := last.Authority(authority)
		for _, all := range [][]record.Key{last.Record().Keys, last.Record().Node.Keys, m.Document().Keys} {
			longest := map[evidence.Role]time.Time{}
			for _, k := range all {
				if k.Valid.Until.After(longest[k.Role]) {
					longest[k.Role] = k.Valid.Until.Time
				}
			}
			for role, until := range longest {
				if !until.Equal(end) {
					t.Errorf("year %d: the key %s counts until %s, want %s", year, role, until, end)
				}
			}
		}
		if len(last.Record().Node.TLS) > 2 {
			t.Errorf("year %d: %d TLS keys are listed, past ones too", year, len(last.Record().Node.TLS))
		}
		if n := r.open(); n.Gateway.OwnState().Record().Valid.Until.Before(end) {
			t.Errorf("year %d: the record ends on %s", year, n.Gateway.OwnState().Record().Valid.Until)
		} else if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// R-REC-3, R-REC-4: whoever comes after the end has to be confirmed by words, and hears so.
func TestRenewTooLate(t *testing.T) {
	r := newRotating(t)
	r.now = r.first.Record().Valid.Until.Add(time.Hour)
	made, err := Renew(t.Context(), r.amendment())
	if err != nil {
		t.Fatal(err)
	}
	if made.Broken == nil || own(t, r.dir).Ref() != made.State.Ref() {
		t.Errorf("broken: %v", made.Broken)
	}
	if _, err := record.Verify(made.State.Signed(), r.first); protocol.CodeOf(err) != protocol.KeyExpired {
		t.Errorf("a peer takes it for the next: %v", err)
	}
}

// R-REC-8, R-REC-11: stolen keys are marked since the theft, those that counted then
// and no others; what signs nothing is left out.
func TestRotateStolenKeys(t *testing.T) {
	r := newRotating(t)
	r.rotate(nil, ActKind) // the first act key ends before the theft
	r.now = r.now.Add(48 * time.Hour)
	since := r.now.Add(-24 * time.Hour)
	future := r.now.Add(time.Hour)
	if _, err := r.try(&future, ActKind); !errors.Is(err, ErrNotYet) {
		t.Errorf("a theft to come: %v", err)
	}
	if own(t, r.dir).Record().Sequence != 2 {
		t.Error("a refused announcement changed something")
	}
	before := own(t, r.dir).Record().Node
	next := r.rotate(&since, without(Kinds(), AuthorityKind, StateKind)...)
	mark := record.Compromised{Since: protocol.At(since), Announced: protocol.At(r.now.Truncate(time.Second))}
	m, _ := next.Authority(authority)
	a, n := m.Document(), next.Record().Node
	for _, c := range []struct {
		of   []record.Key
		role evidence.Role
	}{{a.Keys, evidence.Act}, {a.Keys, evidence.Attest}, {n.Keys, evidence.Node}} {
		now, old := newest(t, c.of, c.role)
		if now.Compromised != nil || old.Compromised == nil || *old.Compromised != mark {
			t.Errorf("%s: the new key is marked %v, the stolen one %v", c.role, now.Compromised, old.Compromised)
		}
	}
	if a.Keys[1].Role != evidence.Act || a.Keys[1].Compromised != nil {
		t.Errorf("a key that had ended before the theft: %+v", a.Keys[1])
	}
	for _, pair := range []record.Keypair{before.Witness, before.Log.Keys} {
		if got := n.Marked(pair); got == nil || *got != mark {
			t.Errorf("the keys %.20s are marked %v", pair.Ed25519, got)
		}
	}
	if len(n.TLS) != 1 || len(a.Recipients) != 1 || n.TLS[0] == before.TLS[0] {
		t.Errorf("%d TLS keys, %d recipients are listed", len(n.TLS), len(a.Recipients))
	}
	node := r.open()
	if node.Gateway.Former == nil || keys.SPKI(node.Gateway.Former.Leaf) != before.TLS[0].SPKI {
		t.Error("the node has not kept the key by which peers know it, to hand them the record")
	}
	if node.Offices[authority] == nil {
		t.Error("the office does not open")
	}
}

// A TLS key that was replaced twice: peers may know the first one only, so that is
// kept, until it has ended.
func TestTheOldestTLSKeyIsKept(t *testing.T) {
	r := newRotating(t)
	oldest := r.first.Record().Node.TLS[0].SPKI
	r.rotate(nil, TLSKind)
	r.now = r.now.Add(24 * time.Hour)
	second := r.rotate(nil, TLSKind)
	n := r.open()
	if got := keys.SPKI(n.Gateway.Former.Leaf); got != oldest {
		t.Errorf("kept %x, want the oldest %s", got, oldest)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	r.now = r.first.Record().Node.TLS[0].Valid.Until.Add(time.Hour)
	made, err := r.try(nil, TLSKind)
	if err != nil || made.Broken != nil {
		t.Fatal(err, made)
	}
	if got := keys.SPKI(r.open().Gateway.Former.Leaf); got != second.Record().Node.TLS[2].SPKI {
		t.Errorf("kept %x after the oldest had ended", got)
	}
}

// When the power goes after the commit, the next start puts all files in their
// places, however many were there already; before it, nothing has changed.
func TestRotateThatBrokeOff(t *testing.T) {
	r := newRotating(t)
	l := Layout{Dir: r.dir}
	before := snapshot(t, r.dir)
	second := r.rotate(nil, without(Kinds(), LogKind, AuthorityKind, StateKind)...)
	after := snapshot(t, r.dir)
	var changed []string
	for path := range after {
		if !bytes.Equal(after[path], before[path]) && filepath.Base(path) != "gateway.db" && path != l.Record() {
			changed = append(changed, path)
		}
	}
	changed = append(changed, l.Record())
	if len(changed) < 10 {
		t.Fatalf("only %q changed", changed)
	}
	for _, renamed := range []int{0, 1, len(changed) / 2, len(changed) - 1} {
		for i, path := range changed {
			if i < renamed {
				continue
			}
			if err := os.Rename(path, path+next); err != nil {
				t.Fatal(err)
			}
			if old := before[path]; old != nil {
				if err := keys.WriteNew(path, old); err != nil {
					t.Fatal(err)
				}
			}
		}
		n := r.open()
		if n.Gateway.OwnState().Ref() != second.Ref() {
			t.Errorf("%d files in place: opened with record %d", renamed, n.Gateway.OwnState().Record().Sequence)
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		for _, path := range changed {
			if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, after[path]) {
				t.Errorf("%d files in place: %s is not the new one, %v", renamed, path, err)
			}
		}
	}
}

func without(kinds []Kind, some ...Kind) (rest []Kind) {
	for _, k := range kinds {
		if !slices.Contains(some, k) {
			rest = append(rest, k)
		}
	}
	return rest
}

// snapshot reads the small files of a data directory.
func snapshot(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || filepath.Ext(path) == ".db" || filepath.Ext(path) == ".db-wal" || filepath.Ext(path) == ".db-shm" || e.Name() == "lock" {
			return err
		}
		all[path], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
