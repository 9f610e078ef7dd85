package daemonrpc

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"slices"
	"strconv"
	"strings"
)

// request is a JSON-RPC 2.0 call with positional arguments, ready to be sent.
type request struct {
	id     uint64
	method string
	body   []byte
	args   []byte // the argument list, a part of body
}

// newRequest encodes a call. The body is the only copy of the arguments that
// outlives it, because they may be large and wait for long.
func newRequest(id uint64, method string, params []any) (request, error) {
	args, err := encodeParams(params)
	if err != nil {
		return request{}, err
	}
	name, err := json.Marshal(method)
	if err != nil {
		return request{}, fmt.Errorf("encode method: %w", err)
	}
	head := fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%d,"method":%s,"params":`, id, name)
	body := slices.Concat(head, args, []byte("}"))
	return request{id: id, method: method, body: body, args: body[len(head) : len(body)-1]}, nil
}

// key tells calls apart in 32 bytes (SHA-256), so that neither a flight nor a
// kept reply holds the arguments. It does not depend on the id.
func (r request) key() string {
	h := sha256.New()
	io.WriteString(h, r.method)
	h.Write([]byte{0}) // no argument list starts with it
	h.Write(r.args)
	return string(h.Sum(nil))
}

// encodeParams writes the argument list; no arguments give [].
func encodeParams(params []any) (json.RawMessage, error) {
	if len(params) == 0 {
		return json.RawMessage("[]"), nil
	}
	raw, err := json.Marshal(params)
	if err != nil {
		return nil, fmt.Errorf("encode arguments: %w", err)
	}
	return raw, nil
}

var (
	errNotReply  = errors.New("reply has neither a result nor an error")
	errReplyID   = errors.New("reply belongs to another call")
	errTooLarge  = errors.New("reply exceeds the size limit")
	errTwoValues = errors.New("reply has both a result and an error")
	errBadError  = errors.New("error member is not an object with an integer code")
)

// decodeReply reads one JSON-RPC reply, of version 1.0 or 2.0, to the call id.
// The result is returned exactly as the daemon wrote it. An *RPCError is the
// daemon's refusal; any other error means that the bytes are not a reply.
//
// The id must be the one that was sent, except in an error: a daemon that could
// not read the request answers with id null.
func decodeReply(body []byte, id uint64) (json.RawMessage, error) {
	var reply map[string]json.RawMessage
	if err := json.Unmarshal(body, &reply); err != nil {
		return nil, fmt.Errorf("decode reply: %w", err)
	}
	result, hasResult := reply["result"]
	failure := reply["error"]
	hasError := len(failure) > 0 && !isNull(failure)

	if got := reply["id"]; string(got) != strconv.FormatUint(id, 10) && (!hasError || len(got) > 0 && !isNull(got)) {
		return nil, errReplyID
	}
	switch {
	case hasError && hasResult && !isNull(result):
		return nil, errTwoValues
	case hasError:
		return nil, decodeError(failure)
	case !hasResult:
		return nil, errNotReply
	}
	return result, nil
}

// decodeError reads the error member of a reply.
func decodeError(raw json.RawMessage) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return errBadError
	}
	code, err := strconv.ParseInt(string(members["code"]), 10, 32)
	if err != nil {
		return errBadError
	}
	rpc := &RPCError{Code: int(code)}
	if text, ok := members["message"]; ok {
		if err := json.Unmarshal(text, &rpc.Message); err != nil {
			rpc.Message = string(text)
		}
	}
	return rpc
}

func isNull(raw json.RawMessage) bool { return string(raw) == "null" }

// maxErrorText bounds the part of a text body that is shown to API clients, in bytes.
const maxErrorText = 4 << 10

// outcome reads an HTTP answer. Daemons differ in the status that goes with an
// RPC error (200, 404 or 500), so the body decides; only when it is no reply
// does the status count.
func outcome(status int, contentType string, body []byte, id uint64) (json.RawMessage, error) {
	result, err := decodeReply(body, id)
	if _, ok := errors.AsType[*RPCError](err); ok {
		return nil, err
	}
	if status == 200 {
		if err != nil {
			return nil, garbageError(status, err)
		}
		return result, nil
	}
	media, _, _ := mime.ParseMediaType(contentType)
	if media == "text/html" || json.Valid(body) {
		body = nil // a page or a foreign document is no message
	}
	if len(body) > maxErrorText {
		body = body[:maxErrorText]
	}
	return nil, statusError(status, strings.ToValidUTF8(string(body), "\uFFFD"))
}

// readBody reads at most limit bytes; size is the announced length, or -1.
func readBody(r io.Reader, size, limit int64) ([]byte, error) {
	if size > limit {
		return nil, errTooLarge
	}
	var buf bytes.Buffer
	const eager = 1 << 20 // do not trust an announced length beyond this
	buf.Grow(int(min(max(size, 0), eager)) + bytes.MinRead)
	n, err := buf.ReadFrom(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if n > limit {
		return nil, errTooLarge
	}
	return buf.Bytes(), nil
}
