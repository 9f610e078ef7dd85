package permissions

import (
	"crypto/rand"
	"strconv"
	"time"

	"github.com/fluxosd/fluxosd/internal/wallet"
)

// Limits of login phrases and of what they are good for.
const (
	// PhraseLife is how long an issued phrase can be used to log in.
	PhraseLife = 15 * time.Minute
	// SessionLife is how long a login lasts, counted from the time in the phrase.
	SessionLife = 14 * 24 * time.Hour
	// SignatureLife is how long a provided signature waits to be fetched.
	SignatureLife = 15 * time.Minute
	// userPhraseAge is how old a phrase without a session may be for level User.
	userPhraseAge = 16 * time.Hour
	// appPhraseAge is the same for the application levels.
	appPhraseAge = 2 * time.Hour
	// minPhrase and maxPhrase bound the length of a phrase in characters.
	minPhrase, maxPhrase = 40, 70
	// phraseDigits is the length of the time prefix: milliseconds since 1970.
	phraseDigits = 13
	// phraseTail is the length of the random part: 43 base-36 characters hold 222 bits.
	phraseTail = 43
)

const base36 = "0123456789abcdefghijklmnopqrstuvwxyz"

// newPhrase returns 13 digits of the time in milliseconds followed by a tail
// from crypto/rand. Bytes that would favour some characters are drawn again.
func newPhrase(now time.Time) string {
	const fair = 256 - 256%len(base36)
	out := strconv.AppendInt(make([]byte, 0, phraseDigits+phraseTail), now.UnixMilli(), 10)
	for len(out) < phraseDigits+phraseTail {
		var raw [phraseTail]byte
		rand.Read(raw[:]) // never fails: it ends the process instead
		for _, b := range raw {
			if int(b) < fair && len(out) < phraseDigits+phraseTail {
				out = append(out, base36[int(b)%len(base36)])
			}
		}
	}
	return string(out)
}

// phraseTime reads the 13 digits that a phrase begins with. Anything else than
// 13 ASCII digits gives ok false.
func phraseTime(phrase string) (t time.Time, ok bool) {
	if len(phrase) < phraseDigits {
		return time.Time{}, false
	}
	var ms int64
	for i := range phraseDigits {
		d := phrase[i]
		if d < '0' || d > '9' {
			return time.Time{}, false
		}
		ms = ms*10 + int64(d-'0')
	}
	return time.UnixMilli(ms), true
}

// phraseOf returns the login phrase that a signed text carries: the text
// itself, or the phrase inside a Sign-In with Ethereum message (EIP-4361).
func phraseOf(text string) (string, bool) {
	if !wallet.LooksLikeSIWE(text) {
		return text, true
	}
	m, err := wallet.ParseSIWE(text)
	if err != nil {
		return "", false
	}
	return m.Phrase()
}
