package wallet

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// What can be wrong with a Sign-In with Ethereum text. Every error of
// [ParseSIWE] wraps ErrSIWEFormat; every error of [SIWE.Check] wraps exactly
// one of these.
var (
	ErrSIWEFormat      = errors.New("not a Sign-In with Ethereum text")
	ErrSIWEVersion     = errors.New("sign-in version is not supported")
	ErrSIWEDomain      = errors.New("sign-in is for another domain")
	ErrSIWEFuture      = errors.New("sign-in was issued in the future")
	ErrSIWENotYetValid = errors.New("sign-in is not valid yet")
	ErrSIWEExpired     = errors.New("sign-in has expired")
)

// siweVersion is the only version of EIP-4361 there is.
const siweVersion = "1"

// SIWE is a Sign-In with Ethereum text, EIP-4361. Its fields hold the text
// exactly as signed, times included; those made by [ParseSIWE] are well-formed.
// A signature over String() by Address proves the text: see [Verify].
type SIWE struct {
	Scheme         string   // of the site that asks, such as "https"; "" if not given
	Domain         string   // RFC 3986 authority of the site that asks: host, or host:port
	Address        string   // "0x…" with the letter case of EIP-55
	Statement      string   // for the human reader, one line; "" if not given
	URI            string   // RFC 3986, what is signed in to
	Version        string   // "1"
	ChainID        string   // EIP-155, decimal digits
	Nonce          string   // at least 8 ASCII letters and digits
	IssuedAt       string   // RFC 3339
	ExpirationTime string   // RFC 3339; "" if not given
	NotBefore      string   // RFC 3339; "" if not given
	RequestID      *string  // characters of a path segment, perhaps none; nil if not given
	Resources      []string // RFC 3986 URIs; nil without the heading, empty with the heading alone
}

// The fixed words of EIP-4361, in the order they appear.
const (
	siweGreeting       = " wants you to sign in with your Ethereum account:"
	siweURI            = "URI: "
	siweVersionField   = "Version: "
	siweChainID        = "Chain ID: "
	siweNonce          = "Nonce: "
	siweIssuedAt       = "Issued At: "
	siweExpirationTime = "Expiration Time: "
	siweNotBefore      = "Not Before: "
	siweRequestID      = "Request ID: "
	siweResources      = "Resources:"
	siweResource       = "- "
)

// String returns the text to sign: for a SIWE that [ParseSIWE] made, the text
// it was made from, byte for byte.
func (s SIWE) String() string {
	var b strings.Builder
	if s.Scheme != "" {
		b.WriteString(s.Scheme + "://")
	}
	b.WriteString(s.Domain + siweGreeting + "\n" + s.Address + "\n\n")
	if s.Statement != "" {
		b.WriteString(s.Statement + "\n")
	}
	b.WriteString("\n" + siweURI + s.URI +
		"\n" + siweVersionField + s.Version +
		"\n" + siweChainID + s.ChainID +
		"\n" + siweNonce + s.Nonce +
		"\n" + siweIssuedAt + s.IssuedAt)
	if s.ExpirationTime != "" {
		b.WriteString("\n" + siweExpirationTime + s.ExpirationTime)
	}
	if s.NotBefore != "" {
		b.WriteString("\n" + siweNotBefore + s.NotBefore)
	}
	if s.RequestID != nil {
		b.WriteString("\n" + siweRequestID + *s.RequestID)
	}
	if s.Resources != nil {
		b.WriteString("\n" + siweResources)
		for _, r := range s.Resources {
			b.WriteString("\n" + siweResource + r)
		}
	}
	return b.String()
}

// SIWECheck is what a sign-in must fit.
type SIWECheck struct {
	// Domains are the authorities (host, or host:port) this node is reached by.
	// They are what keeps another site's sign-in from working here: with none,
	// no sign-in fits. Letter case does not matter; the port does.
	Domains []string
	// Now is the time to judge by.
	Now time.Time
	// MaxSkew is how far the signer's clock may be off. Negative counts as zero.
	MaxSkew time.Duration
}

// Check returns nil when the sign-in is of version 1, for one of the domains,
// and within its times; else an error that wraps one of the ErrSIWE values. It
// does not verify a signature, and does not look at the nonce.
func (s SIWE) Check(c SIWECheck) error {
	skew := max(c.MaxSkew, 0)
	if s.Version != siweVersion {
		return fmt.Errorf("%w: %q, want %q", ErrSIWEVersion, s.Version, siweVersion)
	}
	if !slices.ContainsFunc(c.Domains, func(d string) bool { return d != "" && strings.EqualFold(d, s.Domain) }) {
		return fmt.Errorf("%w: %q, want one of %q", ErrSIWEDomain, s.Domain, c.Domains)
	}
	issued, err := parseDateTime(s.IssuedAt)
	if err != nil {
		return fmt.Errorf("%w: issued at: %w", ErrSIWEFormat, err)
	}
	if issued.After(c.Now.Add(skew)) {
		return fmt.Errorf("%w: %s", ErrSIWEFuture, s.IssuedAt)
	}
	if s.NotBefore != "" {
		begin, err := parseDateTime(s.NotBefore)
		if err != nil {
			return fmt.Errorf("%w: not before: %w", ErrSIWEFormat, err)
		}
		if begin.After(c.Now.Add(skew)) {
			return fmt.Errorf("%w: not before %s", ErrSIWENotYetValid, s.NotBefore)
		}
	}
	if s.ExpirationTime != "" {
		end, err := parseDateTime(s.ExpirationTime)
		if err != nil {
			return fmt.Errorf("%w: expiration time: %w", ErrSIWEFormat, err)
		}
		if !end.After(c.Now.Add(-skew)) {
			return fmt.Errorf("%w: at %s", ErrSIWEExpired, s.ExpirationTime)
		}
	}
	return nil
}

// Phrase returns the login phrase that the sign-in carries: its nonce, or else
// its statement or the last word of it. The second value is false when there
// is none, or when nonce and statement carry different ones.
func (s SIWE) Phrase() (string, bool) {
	inStatement := s.Statement[strings.LastIndexByte(s.Statement, ' ')+1:]
	switch nonce, statement := isLoginPhrase(s.Nonce), isLoginPhrase(inStatement); {
	case nonce && statement && s.Nonce != inStatement:
		return "", false
	case nonce:
		return s.Nonce, true
	case statement:
		return inStatement, true
	}
	return "", false
}

// isLoginPhrase reports whether text has the form of a login phrase: 13 digits
// (the time of issue in milliseconds) and lower-case base-36 characters, 40 to
// 70 characters in all.
func isLoginPhrase(text string) bool {
	const shortest, longest, timeDigits = 40, 70, 13
	if len(text) < shortest || len(text) > longest {
		return false
	}
	for i := range len(text) {
		c := text[i]
		if !isDigit(c) && (i < timeDigits || c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}
