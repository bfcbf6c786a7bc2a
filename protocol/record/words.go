package record

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/tyler-smith/go-bip39/wordlists"

	"comity/protocol"
)

const (
	wordCount = 12
	wordBits  = 11
	// comparedBits is how many bits of the record's digest people compare (R-REC-4:
	// at least 128).
	comparedBits = wordCount * wordBits
)

// Words returns the twelve words that two persons read to each other before a
// first record counts (R-REC-4).
func (s *State) Words() []string { return Words(s.digest) }

// Digits returns the same 132 bits as digits.
func (s *State) Digits() string { return Digits(s.digest) }

// Words returns the words by which two persons compare a digest: its first 132
// bits, eleven bits each, from the BIP-39 English list. It is not a BIP-39
// mnemonic: there is no checksum in it, and nothing secret.
func Words(d protocol.Digest) []string {
	n := compared(d)
	words := make([]string, wordCount)
	for i := len(words) - 1; i >= 0; i-- {
		words[i] = wordlists.English[n.Uint64()&(1<<wordBits-1)]
		n.Rsh(n, wordBits)
	}
	return words
}

// Digits returns the same 132 bits as one decimal number of exactly forty
// digits, in groups of five, for people who do not share an alphabet.
func Digits(d protocol.Digest) string {
	digits := fmt.Sprintf("%040d", compared(d)) // 10^40 > 2^132
	var groups []string
	for ; digits != ""; digits = digits[5:] {
		groups = append(groups, digits[:5])
	}
	return strings.Join(groups, " ")
}

func compared(d protocol.Digest) *big.Int {
	n := new(big.Int).SetBytes(d[:])
	return n.Rsh(n, uint(8*len(d)-comparedBits))
}
