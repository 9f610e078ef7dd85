package permissions

import (
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"strings"
)

// Bounds of a credential before any work is done on it, in bytes.
const (
	maxFluxID     = 64
	maxSignedText = 4096 // a Sign-In with Ethereum text is the longest form
	maxSignature  = 512
	maxHeader     = 16 << 10
)

var (
	// ErrNoCredentials says that a request carries none.
	ErrNoCredentials = errors.New("no credentials")
	// ErrMalformed says that credentials are there and can't be read.
	ErrMalformed = errors.New("malformed credentials")
)

// Credentials are what a caller proves an identity with.
type Credentials struct {
	FluxID string
	// Text is what was signed: a login phrase, or a Sign-In with Ethereum
	// message that carries one.
	Text      string
	Signature string
}

// check refuses credentials with an empty or oversized member.
func (c Credentials) check() error {
	switch {
	case c.FluxID == "" || c.Text == "" || c.Signature == "":
		return ErrMalformed
	case len(c.FluxID) > maxFluxID || len(c.Text) > maxSignedText || len(c.Signature) > maxSignature:
		return ErrMalformed
	}
	return nil
}

// ParseZelidauth reads the value of the zelidauth header: JSON
// {"zelid":…,"signature":…,"loginPhrase":…} or a query string with the same
// names. All three must be non-empty strings and given once.
func ParseZelidauth(header string) (Credentials, error) {
	if header == "" {
		return Credentials{}, ErrNoCredentials
	}
	if len(header) > maxHeader {
		return Credentials{}, ErrMalformed
	}
	var c Credentials
	if s := strings.TrimLeft(header, " \t"); strings.HasPrefix(s, "{") {
		var err error
		if c, err = jsonCredentials(s); err != nil {
			return Credentials{}, err
		}
	} else {
		q, err := url.ParseQuery(header)
		if err != nil || len(q["zelid"]) != 1 || len(q["loginPhrase"]) != 1 || len(q["signature"]) != 1 {
			return Credentials{}, ErrMalformed
		}
		c = Credentials{FluxID: q["zelid"][0], Text: q["loginPhrase"][0], Signature: q["signature"][0]}
	}
	return c, c.check()
}

// jsonCredentials reads one JSON object. The three members must be there once,
// in these letters, and be text.
func jsonCredentials(s string) (Credentials, error) {
	dec := json.NewDecoder(strings.NewReader(s))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return Credentials{}, ErrMalformed
	}
	fields := make(map[string]string, 3)
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return Credentials{}, ErrMalformed
		}
		var value any
		if err := dec.Decode(&value); err != nil {
			return Credentials{}, ErrMalformed
		}
		switch name {
		case "zelid", "loginPhrase", "signature":
			text, ok := value.(string)
			if _, twice := fields[name.(string)]; !ok || twice {
				return Credentials{}, ErrMalformed
			}
			fields[name.(string)] = text
		}
	}
	if _, err := dec.Token(); err != nil {
		return Credentials{}, ErrMalformed
	}
	if _, err := dec.Token(); err != io.EOF {
		return Credentials{}, ErrMalformed
	}
	return Credentials{FluxID: fields["zelid"], Text: fields["loginPhrase"], Signature: fields["signature"]}, nil
}

// PlainCredentials takes the three plain headers zelid, signature and
// loginPhrase, an equal alternative to zelidauth. A header can't carry line
// feeds, so a text with a percent sign in it is read as percent-encoded: login
// phrases never contain one.
func PlainCredentials(fluxID, signature, text string) (Credentials, error) {
	if fluxID == "" && signature == "" && text == "" {
		return Credentials{}, ErrNoCredentials
	}
	if strings.Contains(text, "%") {
		dec, err := url.PathUnescape(text)
		if err != nil {
			return Credentials{}, ErrMalformed
		}
		text = dec
	}
	c := Credentials{FluxID: fluxID, Text: text, Signature: signature}
	return c, c.check()
}
