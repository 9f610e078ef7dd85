package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/fluxosd/fluxosd/internal/permissions"
)

// Request is what a handler sees of a call: who asks, and the parameters that
// its row declares.
type Request struct {
	Route *Route
	// Caller is the proved identity; anonymous on public rows unless the row is
	// marked ByCaller.
	Caller permissions.Identity
	// Admin tells that the caller is the node owner with a session here.
	Admin bool
	// App is the application that the level was checked for, without its component.
	App string
	// Remote is the caller's address. It decides nothing but limits.
	Remote netip.Addr
	// Socket is the address at the other end of the connection, which may be a
	// proxy's.
	Socket netip.Addr
	// Secure tells that the call came over TLS.
	Secure bool

	header http.Header
	path   []pair
	query  string
	raw    []byte // of the body
	body   map[string]json.RawMessage
	// values caches the parsed query.
	values url.Values
}

// Path returns the value of a path parameter, "" when it is absent.
func (r *Request) Path(name string) string {
	for _, p := range r.path {
		if p.name == name {
			return p.value
		}
	}
	return ""
}

// Query returns the first value of a query parameter. Names are taken
// literally: a[b]=c is a parameter named "a[b]".
func (r *Request) Query(name string) string {
	if r.query == "" {
		return ""
	}
	if r.values == nil {
		r.values = parseQuery(r.query)
	}
	return r.values.Get(name)
}

// Text returns a parameter of path or query: the path segment when it is not
// empty, else the query parameter of the same name.
func (r *Request) Text(name string) string {
	if v := r.Path(name); v != "" {
		return v
	}
	return r.Query(name)
}

// Body returns a member of the body as JSON; members of a query string are
// JSON strings.
func (r *Request) Body(name string) (json.RawMessage, bool) {
	v, ok := r.body[name]
	return v, ok
}

// Header returns a request header that the row declares.
func (r *Request) Header(name string) string { return r.header.Get(name) }

// RawBody returns the body as it came, for signatures over it.
func (r *Request) RawBody() []byte { return r.raw }

// BodyText returns a member of the body that must be text. given is false for
// an absent member, null and "", and text is false for any other type.
func (r *Request) BodyText(names ...string) (s string, given, text bool) {
	for _, n := range names {
		raw := r.body[n]
		if isFalsy(raw) {
			continue
		}
		if raw[0] != '"' {
			return "", true, false
		}
		if json.Unmarshal(raw, &s) != nil {
			return "", true, false
		}
		return s, true, true
	}
	return "", false, true
}

// isFalsy reports whether a member counts as not given: absent, null, "",
// false or a zero.
func isFalsy(raw json.RawMessage) bool {
	switch string(raw) {
	case "", "null", `""`, "false":
		return true
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	return err == nil && f == 0
}

// parseQuery reads query-string text as existing clients expect it: pairs are
// separated by & alone, + is a space, and text that is not percent-encoded in
// a proper way stays as it is.
func parseQuery(q string) url.Values {
	v := make(url.Values)
	for pair := range strings.SplitSeq(q, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name = unescape(name)
		v[name] = append(v[name], unescape(value))
	}
	return v
}

func unescape(s string) string {
	if dec, err := url.QueryUnescape(s); err == nil {
		return dec
	}
	return strings.ReplaceAll(s, "+", " ")
}

// parseBody reads a body by the rule of all POST routes: JSON or query-string
// text under any content type. What is neither an object nor a query string is
// an empty object. Values of a query string are scalar strings, the first of a
// name counts.
func parseBody(raw []byte) map[string]json.RawMessage {
	trimmed := bytes.TrimSpace(raw)
	if len(trimmed) == 0 {
		return nil
	}
	if json.Valid(trimmed) {
		var m map[string]json.RawMessage
		if json.Unmarshal(trimmed, &m) != nil {
			return nil // an array or a bare value
		}
		return m
	}
	out := make(map[string]json.RawMessage)
	for name, vals := range parseQuery(strings.TrimPrefix(string(trimmed), "?")) {
		text, err := json.Marshal(vals[0])
		if err != nil {
			continue
		}
		out[name] = text
	}
	return out
}
