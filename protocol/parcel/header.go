package parcel

import (
	"fmt"
	"path"
)

const (
	blockSize = 512
	// TrailerSize is two blocks of zeros, and nothing follows them.
	TrailerSize = 2 * blockSize
	// octalEnd is the first size that eleven octal digits cannot name: 8 GiB.
	octalEnd = 1 << 33
)

// Offsets of the fields of a ustar header that are not zero.
const (
	atName     = 0   // 100 bytes, then zeros
	atMode     = 100 // 7 octal digits, NUL
	atUser     = 108 // 7 octal digits, NUL
	atGroup    = 116 // 7 octal digits, NUL
	atSize     = 124 // 11 octal digits, NUL
	atTime     = 136 // 11 octal digits, NUL
	atChecksum = 148 // 6 octal digits, NUL, space
	atKind     = 156 // one character
	atMagic    = 257 // "ustar", NUL, "00"
	atDevice   = 329 // twice 7 octal digits, NUL
)

// The kinds of entry that the layout knows.
const (
	regularFile    = '0'
	extendedHeader = 'x'
)

// AppendHeader appends the header of the entry name with size bytes: one block,
// or three when the size needs a PAX record. There is no other valid header for
// it (R-PCL-1). Without a PAX record these are the bytes that GNU tar and Go's
// archive/tar write in the ustar format. Bundles have the same layout; name is
// at most 100 bytes of ASCII, 87 where a PAX record is due.
func AppendHeader(b []byte, name string, size int64) []byte {
	if size < octalEnd {
		return appendBlock(b, name, size, regularFile)
	}
	record := sizeRecord(size)
	b = appendBlock(b, extendedName(name), int64(len(record)), extendedHeader)
	b = append(b, record...)
	b = appendZeros(b, Padding(int64(len(record))))
	// Programs that know PAX take the size from the record and ignore this zero.
	return appendBlock(b, name, 0, regularFile)
}

// sizeRecord is the one PAX record in use: its own length in bytes, a space,
// the key, the size, a line feed. Sizes from 8 GiB to MaxFileSize have 10 to 13
// digits, so the length always has two.
func sizeRecord(size int64) string {
	digits := len(fmt.Sprint(size))
	return fmt.Sprintf("%d size=%d\n", len("00 size=\n")+digits, size)
}

// extendedName names the PAX header of name: in a container only files/NNNN can
// be that large, in a bundle only parcel.age.
func extendedName(name string) string {
	folder, file := path.Split(name)
	return folder + "PaxHeaders.0/" + file
}

// appendBlock appends one ustar header block: all are equal but for name, size,
// kind and checksum.
func appendBlock(b []byte, name string, size int64, kind byte) []byte {
	start := len(b)
	b = appendZeros(b, blockSize)
	h := b[start:]
	copy(h[atName:], name)
	octal(h[atMode:], 7, 0o600)
	octal(h[atUser:], 7, 0)
	octal(h[atGroup:], 7, 0)
	octal(h[atSize:], 11, size)
	octal(h[atTime:], 11, 0)
	h[atKind] = kind
	copy(h[atMagic:], "ustar\x0000")
	octal(h[atDevice:], 7, 0)
	octal(h[atDevice+8:], 7, 0)
	// The checksum is the sum of all bytes, its own field taken as spaces.
	sum := int64(8 * ' ')
	for _, c := range h {
		sum += int64(c)
	}
	octal(h[atChecksum:], 6, sum)
	h[atChecksum+7] = ' '
	return b
}

// octal writes n with leading zeros; the NUL after it is already there.
func octal(field []byte, digits int, n int64) {
	for i := digits - 1; i >= 0; i-- {
		field[i] = '0' + byte(n&7)
		n >>= 3
	}
}

// readOctal reads an octal field of exactly so many digits; whoever calls it
// still compares the whole header.
func readOctal(field []byte, digits int) (n int64, ok bool) {
	for _, c := range field[:digits] {
		if c < '0' || c > '7' {
			return 0, false
		}
		n = n<<3 | int64(c-'0')
	}
	return n, true
}

// Padding is how many zeros follow so many bytes up to the next block.
func Padding(size int64) int64 { return -size & (blockSize - 1) }

func appendZeros(b []byte, n int64) []byte { return append(b, make([]byte, n)...) }
