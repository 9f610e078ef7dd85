// Package secret holds texts that must not be seen: passwords, private keys,
// addresses with a password in them.
//
// It promises that a Text prints as *** whatever prints it: every verb of fmt,
// also where the Text is an unexported field, slog, go-cmp, and every encoder
// that honours encoding.TextMarshaler, JSON, YAML and XML among them. Only
// Reveal gives the text. It does not encrypt: the text is in memory as it came.
package secret

import (
	"crypto/subtle"
	"fmt"
	"log/slog"
)

// Mask stands for a secret wherever one would be printed.
const Mask = "***"

// Text is a hidden text. It prints as *** or, when empty, as nothing. The zero
// Text is empty. Texts are compared with Equal; == does not compile.
type Text struct {
	// A function, because fmt doesn't call methods on unexported fields of other
	// structs, and go-cmp follows pointers: of this they print an address.
	text  func() string // nil if empty
	shown string
}

// New hides text.
func New(text string) Text { return Showing(text, Mask) }

// Showing hides text and prints as shown, which must give nothing away: for a
// text of which only a part is secret. An empty text prints as nothing.
func Showing(text, shown string) Text {
	if text == "" {
		return Text{}
	}
	return Text{text: func() string { return text }, shown: shown}
}

// Reveal returns the hidden text.
func (t Text) Reveal() string {
	if t.text == nil {
		return ""
	}
	return t.text()
}

// IsEmpty reports whether there is nothing to hide.
func (t Text) IsEmpty() bool { return t.text == nil }

// Equal compares the hidden texts, in constant time if they have one length.
func (t Text) Equal(o Text) bool {
	return subtle.ConstantTimeCompare([]byte(t.Reveal()), []byte(o.Reveal())) == 1
}

// String returns what is shown in place of the text.
func (t Text) String() string { return t.shown }

// GoString is what %#v prints.
func (t Text) GoString() string { return fmt.Sprintf("secret.Text(%q)", t.shown) }

// Format hides the text from every verb. Flags, width and precision apply to
// what is shown.
func (t Text) Format(f fmt.State, verb rune) {
	if verb == 'v' && f.Flag('#') {
		_, _ = fmt.Fprint(f, t.GoString())
		return
	}
	if verb != 's' && verb != 'q' && verb != 'x' && verb != 'X' {
		verb = 's'
	}
	_, _ = fmt.Fprintf(f, fmt.FormatString(f, verb), t.shown)
}

// LogValue hides the text from slog.
func (t Text) LogValue() slog.Value { return slog.StringValue(t.shown) }

// MarshalText hides the text from encoders.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.shown), nil }
