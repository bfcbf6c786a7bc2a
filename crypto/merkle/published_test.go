package merkle_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"comity/crypto/merkle"
)

// The eight leaves with which implementations of RFC 6962 are compared, and the roots of the first one, two … eight of them.
var (
	referenceLeaves = []string{
		"", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
	}
	referenceRoots = []string{
		"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
		"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
		"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
		"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
		"76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
		"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
		"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
	}
)

func TestRootsOfTheReferenceTree(t *testing.T) {
	var hashes []tlog.Hash
	stored := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, at := range indexes {
			out[i] = hashes[at]
		}
		return out, nil
	})
	for n, leaf := range referenceLeaves {
		data, err := hex.DecodeString(leaf)
		if err != nil {
			t.Fatal(err)
		}
		more, err := tlog.StoredHashes(int64(n), data, stored)
		if err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, more...)
		root, err := merkle.Root(int64(n+1), stored)
		if err != nil || hex.EncodeToString(root[:]) != referenceRoots[n] {
			t.Errorf("root of %d leaves: %x, %v; want %s", n+1, root, err, referenceRoots[n])
		}
	}
}

// A checkpoint of the public test log of the Sigsum project, signed by its key, and what two public witnesses cosigned of it, as they
// stand in a published proof. A line of ML-DSA-44, which those do not write and we demand, is added by keys of the test.
const (
	publishedLog       = "4644af2abd40f4895a003bca350f9d5912ab301a49c77f13e5b6d905c20a5fe6"
	publishedSize      = 162296
	publishedRoot      = "2f63a7e021ae6bf254df038a89439c0867cb0b6845f235f2c52cb1f556ac9ba4"
	publishedSignature = "5c4074ead7bd3b2f053790adb45ca776455f193e6370091a00159b711bfd7323b75c72cc667e8b27a8120ba4ea397ac964434a23363a6e35b24e81b1b925de0b"
	publishedSeconds   = 1773223723
)

var publishedWitnesses = []struct{ name, key, signature string }{
	{
		"poc.sigsum.org/nisse", "1c25f8a44c635457e2e391d1efbca7d4c2951a0aef06225a881e46b98962ac6c",
		"cac4549af290fe0871a60f61ae78c5935783b99ed3230cd8cbaada7a344aafb9c154f69479411f8b3b5541b50ca52c2e4808770b94e5e1dcb18ddabf9871290a",
	},
	{
		"rgdd.se/poc-witness", "28c92a5a3a054d317c86fc2eeb6a7ab2054d6217100d0be67ded5b74323c5806",
		"97ba8d7c37485a30507fef8cf1c67b5772ec3e5f9aee74c2a8412f56a1676b6a757e8b9f7483668a9320afb1ed8deaf2134ff2f5a439651fafc9e1096d9c6406",
	},
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// publishedKey is a public key as c2sp.org/signed-note writes it, and its id.
func publishedKey(name string, kind byte, public []byte) (text string, id []byte) {
	typed := append([]byte{kind}, public...)
	sum := sha256.Sum256(append([]byte(name+"\n"), typed...))
	return name + "+" + hex.EncodeToString(sum[:4]) + "+" + base64.StdEncoding.EncodeToString(typed), sum[:4]
}

func publishedLine(name string, id, signature []byte) string {
	return "— " + name + " " + base64.StdEncoding.EncodeToString(append(id[:4:4], signature...)) + "\n"
}

// publishedNote is the checkpoint with the published Ed25519 line and one of ML-DSA-44 by a key of the test, and the log's verifier.
func publishedNote(t *testing.T) ([]byte, *merkle.Verifier) {
	t.Helper()
	name := sha256.Sum256(unhex(t, publishedLog))
	origin := "sigsum.org/v1/tree/" + hex.EncodeToString(name[:])
	s, err := merkle.GenerateLog(origin)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := s.Checkpoint(publishedSize, merkle.Hash(unhex(t, publishedRoot)), time.Unix(publishedSeconds, 0))
	if err != nil {
		t.Fatal(err)
	}
	text, lines, _ := bytes.Cut(ours, []byte("\n\n"))
	_, quantum, _ := bytes.Cut(lines, []byte("\n"))
	key, id := publishedKey(origin, 0x01, unhex(t, publishedLog))
	_, quantumKey := s.VerifierKeys()
	v, err := merkle.NewVerifier(origin, key, quantumKey)
	if err != nil {
		t.Fatal(err)
	}
	return []byte(string(text) + "\n\n" + publishedLine(origin, id, unhex(t, publishedSignature)) + string(quantum)), v
}

func TestPublishedCheckpoint(t *testing.T) {
	note, v := publishedNote(t)
	if c, err := v.Checkpoint(note); err != nil || c.Size != publishedSize {
		t.Fatalf("the published checkpoint: %+v, %v", c, err)
	}
	longer := bytes.Replace(note, []byte("162296"), []byte("162297"), 1)
	if _, err := v.Checkpoint(longer); !errors.Is(err, merkle.ErrCheckpoint) {
		t.Errorf("the published checkpoint with another size: %v", err)
	}
}

// R-WIT-1: what a published cosignature signs is what ours sign.
func TestPublishedCosignatures(t *testing.T) {
	note, v := publishedNote(t)
	for _, w := range publishedWitnesses {
		secret, _, quantumKey, err := merkle.GenerateKeypair(w.name)
		if err != nil {
			t.Fatal(err)
		}
		c, err := merkle.ParseCosigner(secret)
		if err != nil {
			t.Fatal(err)
		}
		_, quantum, _ := bytes.Cut(mustCosign(t, c, note, time.Unix(publishedSeconds, 0)), []byte("\n"))
		key, id := publishedKey(w.name, 0x04, unhex(t, w.key))
		witness, err := merkle.NewWitness(key, quantumKey)
		if err != nil {
			t.Fatal(err)
		}
		dated := func(seconds uint64) []byte {
			return append(binary.BigEndian.AppendUint64(nil, seconds), unhex(t, w.signature)...)
		}
		cosigned := with(t, note, append([]byte(publishedLine(w.name, id, dated(publishedSeconds))), quantum...))
		got, err := witness.Cosignature(cosigned)
		if err != nil || got.Time.Unix() != publishedSeconds {
			t.Errorf("cosignature of %s: %+v, %v", w.name, got, err)
		}
		if _, err := v.Checkpoint(cosigned); err != nil {
			t.Errorf("the log's verifier on what %s cosigned: %v", w.name, err)
		}
		later := with(t, note, append([]byte(publishedLine(w.name, id, dated(publishedSeconds+1))), quantum...))
		if _, err := witness.Cosignature(later); !errors.Is(err, merkle.ErrCosignature) {
			t.Errorf("the cosignature of %s with another time: %v", w.name, err)
		}
	}
}
