package seal

import (
	"bytes"
	"errors"
	"testing"
)

func TestSlip(t *testing.T) {
	t.Parallel()
	ids, to := generateAll(t, 2)
	plain := plainOf(ChunkSize + 1)
	body, key := sealed(t, plain, to[0])

	// The sender of a body that only the other side can open keeps a slip.
	slip, err := SealSlip(*key, to[1])
	if err != nil || len(slip) != SlipSize {
		t.Fatalf("SealSlip: %d bytes, %v; want %d", len(slip), err, SlipSize)
	}
	if want, err := SealedSize(16, 1); err != nil || want != int64(SlipSize) {
		t.Errorf("SlipSize is %d, SealedSize says %d, %v", SlipSize, want, err)
	}
	got, err := OpenSlip(slip, Identities{ids[0], ids[1]})
	if err != nil || got != *key {
		t.Fatalf("OpenSlip: another key or %v", err)
	}
	if content, err := openAll(t, body, got); err != nil || !bytes.Equal(content, plain) {
		t.Errorf("the key from the slip: %d bytes, %v", len(content), err)
	}
	if _, err := OpenSlip(slip, ids[:1]); !errors.Is(err, ErrNoKey) {
		t.Errorf("OpenSlip with another identity says %v, want ErrNoKey", err)
	}
	if _, err := SealSlip(*key, nil); err == nil {
		t.Error("SealSlip to nobody succeeds")
	}
}

func TestWrongSlips(t *testing.T) {
	t.Parallel()
	ids, to := generateAll(t, 2)
	slip, err := SealSlip(FileKey{1, 2, 3}, to[0])
	if err != nil {
		t.Fatal(err)
	}
	short, _ := sealed(t, make([]byte, 15), to[0])
	long, _ := sealed(t, make([]byte, 17), to[0])
	two, _ := sealed(t, make([]byte, 16), to...)
	for name, b := range map[string][]byte{
		"empty": nil, "cut": slip[:SlipSize-1], "longer": append(bytes.Clone(slip), 0), "15 bytes": short, "17 bytes": long, "two recipients": two,
	} {
		if _, err := OpenSlip(b, ids); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: OpenSlip says %v, want ErrDamaged", name, err)
		}
	}
	for at := 0; at < len(slip); at += 11 {
		b := bytes.Clone(slip)
		b[at] ^= 4
		if _, err := OpenSlip(b, ids[:1]); err == nil {
			t.Errorf("slip with byte %d altered opens", at)
		}
	}
}

func FuzzOpenSlip(f *testing.F) {
	id, err := ParseIdentity(testIdentity)
	if err != nil {
		f.Fatal(err)
	}
	slip, err := SealSlip(FileKey{1, 2, 3}, id.Recipient())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(slip)
	f.Add(slip[:100])
	f.Add(make([]byte, SlipSize))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err := OpenSlip(b, Identities{id})
		if err != nil && !errors.Is(err, ErrNoKey) && !errors.Is(err, ErrHeader) && !errors.Is(err, ErrDamaged) {
			t.Fatalf("error %q wraps no sentinel", err)
		}
	})
}
