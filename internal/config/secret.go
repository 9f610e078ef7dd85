package config

import (
	"regexp"
	"strings"

	"github.com/fluxosd/fluxosd/internal/secret"
)

// URI names a store. It prints without its password, and with *** for secret
// options; Reveal gives all of it.
type URI struct{ secret.Text }

// NewURI hides the password of text. It doesn't check the form.
func NewURI(text string) URI { return URI{secret.Showing(text, redactURI(text))} }

// Equal compares the whole URIs in constant time.
func (u URI) Equal(o URI) bool { return u.Text.Equal(o.Text) }

// SQLitePath returns the path of a sqlite: URI, and whether it is one.
func (u URI) SQLitePath() (string, bool) { return strings.CutPrefix(u.Reveal(), "sqlite:") }

// secretOption matches the URI options of MongoDB that carry secrets.
var secretOption = regexp.MustCompile(`(?i)([?&;][^=&;]*(?:password|secret|token|authmechanismproperties)[^=&;]*=)[^&;]*`)

// redactURI puts *** for the password of a URI and for secret options. Where
// the text is ambiguous it hides too much rather than too little.
func redactURI(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return text
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		if user, _, ok := strings.Cut(rest[:at], ":"); ok {
			rest = user + ":" + secret.Mask + rest[at:]
		}
	}
	return scheme + "://" + secretOption.ReplaceAllString(rest, "${1}"+secret.Mask)
}
