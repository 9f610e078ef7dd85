package config

import (
	"crypto/subtle"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
)

// mask stands for a secret wherever one would be printed.
const mask = "***"

// Secret is a value that no formatting, logging or encoding shows: it prints
// as *** or, when empty, as nothing. Only Reveal gives the text.
type Secret struct {
	// A pointer, because fmt doesn't call methods on unexported fields of other
	// structs: there it prints an address.
	text *string
}

// NewSecret hides text.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{text: &text}
}

// Reveal returns the hidden text.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsEmpty reports whether there is nothing to hide.
func (s Secret) IsEmpty() bool { return s.text == nil }

// Equal compares in constant time.
func (s Secret) Equal(o Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(o.Reveal())) == 1
}

// String returns *** or "".
func (s Secret) String() string {
	if s.IsEmpty() {
		return ""
	}
	return mask
}

// GoString hides the text from %#v.
func (s Secret) GoString() string { return fmt.Sprintf("config.Secret(%q)", s.String()) }

// Format hides the text from every verb.
func (s Secret) Format(f fmt.State, verb rune) { format(f, verb, s.String(), s.GoString()) }

// LogValue hides the text from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides the text from every encoder that honours encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON hides the text from JSON.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(quote(s.String())), nil }

// MarshalYAML hides the text from YAML.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// URI names a store. It prints without its password; Reveal gives all of it.
type URI struct {
	text *string
}

// NewURI hides the password of text. It doesn't check the form.
func NewURI(text string) URI { return URI{text: &text} }

// Reveal returns the whole URI.
func (u URI) Reveal() string {
	if u.text == nil {
		return ""
	}
	return *u.text
}

// SQLitePath returns the path of a sqlite: URI, and whether it is one.
func (u URI) SQLitePath() (string, bool) { return strings.CutPrefix(u.Reveal(), "sqlite:") }

// secretOption matches the URI options of MongoDB that carry secrets.
var secretOption = regexp.MustCompile(`(?i)([?&;][^=&;]*(?:password|secret|token|authmechanismproperties)[^=&;]*=)[^&;]*`)

// String returns the URI with *** for its password and for secret options.
// Where the text is ambiguous it hides too much rather than too little.
func (u URI) String() string { return redactURI(u.Reveal()) }

func redactURI(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return text
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		if user, _, ok := strings.Cut(rest[:at], ":"); ok {
			rest = user + ":" + mask + rest[at:]
		}
	}
	return scheme + "://" + secretOption.ReplaceAllString(rest, "${1}"+mask)
}

// Equal compares the whole URIs in constant time.
func (u URI) Equal(o URI) bool {
	return subtle.ConstantTimeCompare([]byte(u.Reveal()), []byte(o.Reveal())) == 1
}

// GoString hides the password from %#v.
func (u URI) GoString() string { return fmt.Sprintf("config.URI(%q)", u.String()) }

// Format hides the password from every verb.
func (u URI) Format(f fmt.State, verb rune) { format(f, verb, u.String(), u.GoString()) }

// LogValue hides the password from slog.
func (u URI) LogValue() slog.Value { return slog.StringValue(u.String()) }

// MarshalText hides the password from every encoder that honours encoding.TextMarshaler.
func (u URI) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// MarshalJSON hides the password from JSON.
func (u URI) MarshalJSON() ([]byte, error) { return []byte(quote(u.String())), nil }

// MarshalYAML hides the password from YAML.
func (u URI) MarshalYAML() (any, error) { return u.String(), nil }

// format prints safe, or safeGo for %#v, with the flags of the verb.
func format(f fmt.State, verb rune, safe, safeGo string) {
	if verb == 'v' && f.Flag('#') {
		_, _ = fmt.Fprint(f, safeGo)
		return
	}
	if verb != 's' && verb != 'q' && verb != 'x' && verb != 'X' {
		verb = 's'
	}
	_, _ = fmt.Fprintf(f, fmt.FormatString(f, verb), safe)
}
