package directory

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// words cuts a text into the words by which it is found: without case, accents,
// vowel marks and other differences that people who type a name leave out. Two
// spellings of one name have the same words; the reverse is not promised, and a
// hit is always shown in its own spelling.
func words(text string) []string {
	var list []string
	var b strings.Builder
	end := func() {
		if b.Len() > 0 {
			list = append(list, withoutArticle(b.String()))
			b.Reset()
		}
	}
	for _, r := range norm.NFKD.String(text) { // é becomes e and its accent, ﬁ and full-width letters ordinary ones
		switch {
		case isDropped(r):
		case unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r):
			b.WriteString(plain(unicode.ToLower(r)))
		default:
			end()
		}
	}
	end()
	return list
}

// isDropped reports whether a character makes no other word: accents of Latin,
// Greek and Cyrillic, points of Hebrew and Arabic, the Arabic stroke that only
// makes a word longer, and what joins letters without being seen. The marks of
// other scripts are vowels that their words need.
func isDropped(r rune) bool {
	switch {
	case r >= 0x0300 && r <= 0x036F, r >= 0x0483 && r <= 0x0487, r >= 0x1AB0 && r <= 0x1AFF, r >= 0x1DC0 && r <= 0x1DFF:
		return true
	case r >= 0x0591 && r <= 0x05BD, r == 0x05BF, r == 0x05C1, r == 0x05C2, r == 0x05C4, r == 0x05C5, r == 0x05C7:
		return true
	case r >= 0x0610 && r <= 0x061A, r >= 0x064B && r <= 0x065F, r == 0x0670, r >= 0x06D6 && r <= 0x06ED && unicode.IsMark(r), r >= 0x08D3 && r <= 0x08FF:
		return true
	case r == 0x0640, r == 0x200C, r == 0x200D, r == '\'', r == 0x2019, r == 0x02BC:
		return true
	}
	return false
}

// spellings are letters that people write in the place of one another and that
// no decomposition joins.
var spellings = map[rune]string{
	'ß': "ss", 'æ': "ae", 'œ': "oe", 'ø': "o", 'đ': "d", 'ð': "d", 'þ': "th", 'ł': "l", 'ı': "i", 'ħ': "h", 'ŋ': "ng", 'ς': "σ",
	'ٱ': "ا", 'ى': "ي", 'ی': "ي", 'ة': "ه", 'ک': "ك", 'ہ': "ه", 'ە': "ه",
}

func plain(r rune) string {
	switch {
	case r >= 0x0660 && r <= 0x0669:
		return string('0' + r - 0x0660)
	case r >= 0x06F0 && r <= 0x06F9:
		return string('0' + r - 0x06F0)
	}
	if s, other := spellings[r]; other {
		return s
	}
	return string(r)
}

// withoutArticle takes the Arabic article off a word: السلطة and سلطة are one.
func withoutArticle(word string) string {
	const least = 3 // letters that must remain, or it was no article
	if rest, has := strings.CutPrefix(word, "ال"); has && len([]rune(rest)) >= least {
		return rest
	}
	return word
}

// Lengths of a word, in characters, from which an error in typing is forgiven:
// in shorter ones, one error makes every other word of them.
const (
	forgiven      = 4 // in a whole word
	forgivenBegun = 7 // in the beginning of a longer one
)

// typed is a word that somebody looks for.
type typed struct {
	word     string
	letters  []rune
	unspaced bool
}

// typedWords are the words of what somebody typed.
func typedWords(text string) (all []typed) {
	for _, w := range words(text) {
		all = append(all, typed{w, []rune(w), isUnspaced(w)})
	}
	return all
}

// distance says how far a word of a text is from the one that was typed: 0 the
// word or its beginning, 1 with one error in typing, 2 another word.
func (t *typed) distance(word string) int {
	if strings.HasPrefix(word, t.word) || t.unspaced && strings.Contains(word, t.word) {
		return 0
	}
	if len(t.letters) < forgiven {
		return 2
	}
	w := []rune(word)
	if oneError(t.letters, w) {
		return 1
	}
	if n := len(t.letters); n >= forgivenBegun && len(w) > n {
		for m := n - 1; m <= n+1; m++ {
			if oneError(t.letters, w[:m]) {
				return 1
			}
		}
	}
	return 2
}

// isUnspaced reports whether a word is of a script that writes no space between
// words, so that it may stand inside a longer one.
func isUnspaced(word string) bool {
	return strings.ContainsFunc(word, func(r rune) bool {
		return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
	})
}

// oneError reports whether one error makes b of a: a letter more, one less,
// another one, or two neighbours that changed places.
func oneError(a, b []rune) bool {
	same := 0
	for same < len(a) && same < len(b) && a[same] == b[same] {
		same++
	}
	a, b = a[same:], b[same:]
	switch len(a) - len(b) {
	case 1:
		return slices.Equal(a[1:], b)
	case -1:
		return slices.Equal(a, b[1:])
	case 0:
		return len(a) == 0 || slices.Equal(a[1:], b[1:]) ||
			len(a) > 1 && a[0] == b[1] && a[1] == b[0] && slices.Equal(a[2:], b[2:])
	}
	return false
}
