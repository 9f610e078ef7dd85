package daemonrpc

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
)

// Lookup gives a parameter of a request: text from the path (percent-decoded)
// and the query, decoded JSON from the body (string, json.Number or float64,
// bool, map[string]any, []any, nil, or json.RawMessage, which keeps the order of
// members). ok is false when the request has no such parameter.
type Lookup func(in Source, name string) (value any, ok bool)

// Height gives the current height of the chain.
type Height func(ctx context.Context) (int64, error)

// limitParameter is what ReplyLimited reads from the query.
const limitParameter = "limit"

// Parameters lists what a request may carry, each by its first name: the
// arguments, the members of composed arguments, and what shapes the reply.
func (e Endpoint) Parameters() []Arg {
	var list []Arg
	for _, a := range e.Args {
		if a.Name != "" {
			list = append(list, a)
		}
		list = append(list, a.Members...)
	}
	if e.Reply == ReplyLimited {
		list = append(list, num(limitParameter).query())
	}
	return list
}

// Params builds the arguments of the call from a request. A parameter counts as
// given when it is there and neither null nor the empty text; in a GET request a
// path segment wins over the query. A value that cannot be converted becomes
// null, and the daemon explains what it wants.
//
// The error is that of height, which is asked only when a default needs it.
func (e Endpoint) Params(ctx context.Context, lookup Lookup, height Height) ([]any, error) {
	b := builder{endpoint: e, lookup: lookup, given: make(map[string]bool)}
	var params []any
	gap := 0 // optional arguments left out since the last one that is sent
	for _, a := range e.Args {
		value, send, err := b.value(ctx, a, height)
		if err != nil {
			return nil, fmt.Errorf("argument %s of %s: %w", a.Name, e.RPC, err)
		}
		if b.missing && e.Missing == MissingAsksUsage {
			return nil, nil
		}
		if !send {
			gap++
			continue
		}
		params = append(params, slices.Repeat([]any{nil}, gap)...)
		params = append(params, value)
		gap = 0
	}
	return params, nil
}

// builder collects the arguments of one call.
type builder struct {
	endpoint Endpoint
	lookup   Lookup
	given    map[string]bool // names of the arguments the request gave and that are sent
	missing  bool            // a required one is not there
}

// value gives what to send for an argument, and whether to send anything.
func (b *builder) value(ctx context.Context, a Arg, height Height) (value any, send bool, err error) {
	if a.Const != nil {
		return a.Const, true, nil
	}
	if a.After != "" && !b.given[a.After] {
		return nil, false, nil
	}
	if given, ok := b.find(a); ok {
		b.given[a.Name] = true
		return convert(a.Kind, given), true, nil
	}
	if a.Members != nil {
		object, given := b.compose(a.Members)
		return object, given || !a.Optional, nil
	}
	switch {
	case a.Required:
		b.missing = true
		return nil, true, nil
	case a.Optional:
		return nil, false, nil
	}
	if ahead, ok := a.Default.(BlocksAhead); ok {
		now, err := height(ctx)
		if err != nil {
			return nil, false, err
		}
		return now + int64(ahead), true, nil
	}
	return a.Default, true, nil
}

// compose builds an object of its members and says whether one was given.
// A required member that is missing is null, any other is left out.
func (b *builder) compose(members []Arg) (object map[string]any, given bool) {
	object = make(map[string]any)
	for _, m := range members {
		name := m.As
		if name == "" {
			name = m.Name
		}
		value, ok := b.find(m)
		switch {
		case ok:
			given = true
			object[name] = convert(m.Kind, value)
		case m.Required:
			object[name] = nil
		}
	}
	return object, given
}

// find reads a parameter by its names from where this method of HTTP carries them.
func (b *builder) find(a Arg) (any, bool) {
	if a.Name == "" {
		return nil, false
	}
	if b.endpoint.Method == post {
		return b.first(InBody, a)
	}
	if !a.QueryOnly {
		if value, ok := b.lookup(InPath, a.Name); ok && isGiven(value) {
			return value, true
		}
	}
	return b.first(InQuery, a)
}

func (b *builder) first(in Source, a Arg) (any, bool) {
	for _, name := range append([]string{a.Name}, a.Also...) {
		if value, ok := b.lookup(in, name); ok && isGiven(value) {
			return value, true
		}
	}
	return nil, false
}

func isGiven(value any) bool {
	switch v := value.(type) {
	case nil:
		return false
	case string:
		return v != ""
	case json.RawMessage:
		return len(v) > 0 && string(v) != "null" && string(v) != `""`
	}
	return true
}
