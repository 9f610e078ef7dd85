package wallet

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// maxSIWE is the longest sign-in text that is read, in bytes: room for some
// hundred resources.
const maxSIWE = 16 << 10

// LooksLikeSIWE reports whether the first line of text is that of a sign-in.
// [ParseSIWE] may still refuse the text.
func LooksLikeSIWE(text string) bool {
	first, _, _ := strings.Cut(text, "\n")
	return strings.HasSuffix(first, siweGreeting)
}

// ParseSIWE reads a Sign-In with Ethereum text, at most 16 KiB long, by the
// grammar of EIP-4361: every line in its place, lines divided by single line
// feeds, none after the last. The address must have the letter case of EIP-55;
// a statement, if there is one, must not be empty; leap seconds are not taken.
// Errors wrap [ErrSIWEFormat] and name the field.
func ParseSIWE(text string) (SIWE, error) {
	if len(text) > maxSIWE {
		return SIWE{}, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrSIWEFormat, len(text), maxSIWE)
	}
	s, err := parseSIWE(strings.Split(text, "\n"))
	if err != nil {
		return SIWE{}, fmt.Errorf("%w: %w", ErrSIWEFormat, err)
	}
	return s, nil
}

func parseSIWE(lines []string) (SIWE, error) {
	var s SIWE
	r := lineReader{lines: lines}
	r.greeting(&s)
	r.statement(&s)
	s.URI = r.required(siweURI, checkURI)
	s.Version = r.required(siweVersionField, checkSIWEVersion)
	s.ChainID = r.required(siweChainID, checkChainID)
	s.Nonce = r.required(siweNonce, checkNonce)
	s.IssuedAt = r.required(siweIssuedAt, checkDateTime)
	s.ExpirationTime, _ = r.optional(siweExpirationTime, checkDateTime)
	s.NotBefore, _ = r.optional(siweNotBefore, checkDateTime)
	if id, ok := r.optional(siweRequestID, checkRequestID); ok {
		s.RequestID = &id
	}
	r.resources(&s)
	if r.err == nil && len(r.lines) > 0 {
		r.err = errors.New("text after the last field, or a field out of order")
	}
	return s, r.err
}

// lineReader takes lines from the front until the first error, which it keeps.
type lineReader struct {
	lines []string
	err   error
}

func (r *lineReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

// next takes the next line. Past the end it fails and gives "".
func (r *lineReader) next() string {
	if len(r.lines) == 0 {
		r.fail("the text ends early")
		return ""
	}
	line := r.lines[0]
	r.lines = r.lines[1:]
	return line
}

// empty takes a line that must be empty.
func (r *lineReader) empty(where string) {
	if r.next() != "" {
		r.fail("want an empty line %s", where)
	}
}

// required takes a line that must begin with prefix, and returns the checked rest.
func (r *lineReader) required(prefix string, check func(string) error) string {
	if r.err != nil {
		return ""
	}
	value, ok := strings.CutPrefix(r.next(), prefix)
	if !ok {
		r.fail("want a line beginning %q", prefix)
		return ""
	}
	if err := check(value); err != nil {
		r.fail("%s%w", prefix, err)
	}
	return value
}

// optional is required if the next line begins with prefix, and nothing otherwise.
func (r *lineReader) optional(prefix string, check func(string) error) (string, bool) {
	if r.err != nil || len(r.lines) == 0 || !strings.HasPrefix(r.lines[0], prefix) {
		return "", false
	}
	return r.required(prefix, check), true
}

// greeting takes the lines with the site and the address, and the empty line
// after them.
func (r *lineReader) greeting(s *SIWE) {
	site, ok := strings.CutSuffix(r.next(), siweGreeting)
	if !ok {
		r.fail("want a first line ending %q", siweGreeting)
		return
	}
	if scheme, domain, ok := strings.Cut(site, "://"); ok {
		if !isScheme(scheme) {
			r.fail("scheme: want a letter and then letters, digits, + - .")
		}
		s.Scheme, site = scheme, domain
	}
	if host, ok := authorityHost(site); !ok || host == "" {
		r.fail("domain: want a host or host:port")
	}
	s.Domain = site

	s.Address = r.next()
	if a, ok := parseEthereumAddress(s.Address); !ok {
		r.fail("address: want 0x and 40 hex digits")
	} else if a.String() != s.Address {
		r.fail("address: wrong letter case, EIP-55 wants %s", a)
	}
	r.empty("after the address")
}

// statement takes the statement, if there is one, and the empty line that
// comes in either case.
func (r *lineReader) statement(s *SIWE) {
	if r.err != nil {
		return
	}
	line := r.next()
	if line == "" {
		return
	}
	if !allBytes(line, func(c byte) bool { return c == ' ' || isUnreserved(c) || isReserved(c) }) {
		r.fail("statement: want letters, digits, spaces and -._~:/?#[]@!$&'()*+,;=")
	}
	s.Statement = line
	r.empty("after the statement")
}

// resources takes the heading and all lines after it.
func (r *lineReader) resources(s *SIWE) {
	if r.err != nil || len(r.lines) == 0 || r.lines[0] != siweResources {
		return
	}
	r.next()
	s.Resources = []string{}
	for len(r.lines) > 0 && r.err == nil {
		s.Resources = append(s.Resources, r.required(siweResource, checkURI))
	}
}

func checkSIWEVersion(v string) error {
	if v != siweVersion {
		return fmt.Errorf("want %s", siweVersion)
	}
	return nil
}

func checkChainID(v string) error {
	const longest = 78 // digits of the largest EVM integer, 2^256-1
	if v == "" || len(v) > longest || !allBytes(v, isDigit) {
		return fmt.Errorf("want 1 to %d decimal digits", longest)
	}
	return nil
}

func checkNonce(v string) error {
	const shortest = 8
	if len(v) < shortest || !allBytes(v, func(c byte) bool { return isAlpha(c) || isDigit(c) }) {
		return fmt.Errorf("want %d or more letters and digits", shortest)
	}
	return nil
}

func checkRequestID(v string) error {
	if !isEncoded(v, isPathByte) {
		return errors.New("want characters of an RFC 3986 path segment")
	}
	return nil
}

func checkURI(v string) error {
	if !isURI(v) {
		return errors.New("want an absolute URI of RFC 3986")
	}
	return nil
}

func checkDateTime(v string) error {
	_, err := parseDateTime(v)
	return err
}

// parseDateTime reads a date-time of RFC 3339, in which T and Z may be small.
func parseDateTime(text string) (time.Time, error) {
	upper := strings.ToUpper(text)
	t, err := time.Parse(time.RFC3339, upper)
	if err != nil || !hasDateTimeShape(upper) {
		return time.Time{}, errors.New("want an RFC 3339 time such as 2026-01-31T09:30:00Z")
	}
	return t, nil
}

// hasDateTimeShape refuses what time.Parse lets pass: an hour of one digit, a
// comma before the fraction, an offset of 24:60.
func hasDateTimeShape(text string) bool {
	const clock = "0000-00-00T00:00:00"
	if len(text) < len(clock) || !hasShape(text[:len(clock)], clock) {
		return false
	}
	zone := text[len(clock):]
	if fraction, ok := strings.CutPrefix(zone, "."); ok {
		zone = strings.TrimLeft(fraction, "0123456789")
	}
	if zone == "Z" {
		return true
	}
	return (hasShape(zone, "+00:00") || hasShape(zone, "-00:00")) && zone[1:3] <= "23" && zone[4:] <= "59"
}

// hasShape reports whether text has a digit where shape has a 0, and the same
// character as shape elsewhere.
func hasShape(text, shape string) bool {
	if len(text) != len(shape) {
		return false
	}
	for i := range len(shape) {
		if text[i] != shape[i] && (shape[i] != '0' || !isDigit(text[i])) {
			return false
		}
	}
	return true
}
