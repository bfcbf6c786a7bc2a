package main

import (
	"crypto/aes"
	"crypto/cipher"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// letter is the request of the demo. It is about nobody.
const letter = `REQUEST FOR MUTUAL LEGAL ASSISTANCE
(a sample without effect, made up for a demonstration)

From: Central Authority, State A
To:   Prosecution Service, State B

We request the records of the bank account named in annex 1 for the period
January to March, and the hearing of the witness on the questions in annex 2.

The facts and the applicable law are set out in the annexes. We ask for
confidentiality. We offer reciprocity.
`

const account = `date,amount,currency
2026-01-05,1200.00,EUR
2026-02-09,1200.00,EUR
2026-03-09,1200.00,EUR
`

const questions = `أسئلة إلى الشاهد (عيّنة بلا أثر)

١. متى فُتح الحساب؟
٢. من كان مخوّلاً بالتوقيع؟
`

// recordingSize is that of the largest attachment: 64 MiB.
const recordingSize = 64 << 20

// writeDocuments makes a small request with annexes in a new folder, one of them
// large, one with an Arabic name, one empty, and returns their paths. The
// content is the same every time.
func writeDocuments(folder string) ([]string, error) {
	if err := os.Mkdir(folder, 0o700); err != nil {
		return nil, err
	}
	var paths []string
	for _, doc := range []struct {
		name    string
		content io.Reader
	}{
		{"Request for assistance.txt", strings.NewReader(letter)},
		{"Annex 1 - account statement.csv", strings.NewReader(account)},
		{"ملحق ٢ - أسئلة إلى الشاهد.txt", strings.NewReader(questions)},
		{"Annex 3 - recording.bin", io.LimitReader(noise(), recordingSize)},
		{"Annex 4 - left empty.txt", strings.NewReader("")},
	} {
		path := filepath.Join(folder, doc.name)
		f, err := createNew(path)
		if err != nil {
			return nil, err
		}
		_, err = io.Copy(f, doc.content)
		if err := finish(f, path, err); err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}

// noise is an endless stream of bytes that look random and are always the same,
// so that the large attachment neither compresses nor stands in the repository.
func noise() io.Reader {
	block, err := aes.NewCipher(make([]byte, 16))
	if err != nil {
		panic(err) // sixteen bytes are a key
	}
	//nolint:gosec // nothing is kept secret: it must be the same every time
	return cipher.StreamReader{S: cipher.NewCTR(block, make([]byte, aes.BlockSize)), R: zeros{}}
}

// zeros reads as zero bytes without end.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}
