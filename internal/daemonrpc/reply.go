package daemonrpc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// Finish shapes the daemon's answer for one caller: the list limit the request
// asks for, and the private members only the node owner may see. It never
// writes to result; the order of members and the digits of numbers stay.
func (e Endpoint) Finish(result json.RawMessage, lookup Lookup, owner bool) (json.RawMessage, error) {
	switch {
	case e.Reply == ReplyLimited:
		value, _ := lookup(InQuery, limitParameter)
		text, _ := value.(string)
		return Limit(result, text)
	case e.Reply == ReplyHidesBalance && !owner:
		return Without(result, "balance")
	case e.Reply == ReplyHidesOwnership && !owner:
		return Without(result, "ismine", "iswatchonly")
	}
	return result, nil
}

// parseLimit reads a limit: 1 to 9999999 without sign or leading zeros.
func parseLimit(text string) (int, bool) {
	const maxDigits = 7
	if len(text) == 0 || len(text) > maxDigits || text[0] == '0' {
		return 0, false
	}
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.Atoi(text)
	return n, err == nil
}

// Limit cuts a JSON array to its first items, as many as limit says: a number
// from 1 to 9999999 without leading zeros. With any other limit, and for a
// result that is no array, the result comes back as it is.
func Limit(result json.RawMessage, limit string) (json.RawMessage, error) {
	n, ok := parseLimit(limit)
	trimmed := bytes.TrimSpace(result)
	if !ok || len(trimmed) == 0 || trimmed[0] != '[' {
		return result, nil
	}
	dec := json.NewDecoder(bytes.NewReader(trimmed))
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("limit list: %w", err)
	}
	var item json.RawMessage
	end := dec.InputOffset() // of the last item that stays
	for range n {
		if !dec.More() {
			break
		}
		if err := dec.Decode(&item); err != nil {
			return nil, fmt.Errorf("limit list: %w", err)
		}
		end = dec.InputOffset()
	}
	if !dec.More() {
		return result, nil
	}
	return append(bytes.Clone(trimmed[:end]), ']'), nil
}

var errNotObject = errors.New("not a JSON object")

// Without removes members from a JSON object, at its top level and each time
// they occur. A result that is no object holds no members and comes back as it is.
func Without(result json.RawMessage, names ...string) (json.RawMessage, error) {
	if trimmed := bytes.TrimSpace(result); len(trimmed) == 0 || trimmed[0] != '{' {
		return result, nil
	}
	dec := json.NewDecoder(bytes.NewReader(result))
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("remove private members: %w", err)
	}
	out := []byte{'{'}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("remove private members: %w", err)
		}
		name, ok := key.(string)
		if !ok {
			return nil, fmt.Errorf("remove private members: %w", errNotObject)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, fmt.Errorf("remove private members: %w", err)
		}
		if slices.Contains(names, name) {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		quoted, err := json.Marshal(name)
		if err != nil {
			return nil, fmt.Errorf("remove private members: %w", err)
		}
		out = append(append(append(out, quoted...), ':'), value...)
	}
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("remove private members: %w", err)
	}
	return append(out, '}'), nil
}
