package record

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/tyler-smith/go-bip39/wordlists"
)

const (
	wordCount = 12
	wordBits  = 11
	// comparedBits is how many bits of the record's digest people compare (R-REC-4:
	// at least 128).
	comparedBits = wordCount * wordBits
)

// Words returns the twelve words that two persons read to each other before a
// first record counts (R-REC-4): the first 132 bits of the SHA-256 of the
// document, eleven bits each, from the BIP-39 English list. It is not a BIP-39
// mnemonic: there is no checksum in it, and nothing secret.
func (s *State) Words() []string {
	n := s.compared()
	words := make([]string, wordCount)
	for i := len(words) - 1; i >= 0; i-- {
		words[i] = wordlists.English[n.Uint64()&(1<<wordBits-1)]
		n.Rsh(n, wordBits)
	}
	return words
}

// Digits returns the same 132 bits as one decimal number of exactly forty
// digits, in groups of five, for people who do not share an alphabet.
func (s *State) Digits() string {
	digits := fmt.Sprintf("%040d", s.compared()) // 10^40 > 2^132
	var groups []string
	for ; digits != ""; digits = digits[5:] {
		groups = append(groups, digits[:5])
	}
	return strings.Join(groups, " ")
}

func (s *State) compared() *big.Int {
	n := new(big.Int).SetBytes(s.digest[:])
	return n.Rsh(n, uint(8*len(s.digest)-comparedBits))
}
