package api

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/fluxosd/fluxosd/internal/daemonrpc"
	"github.com/fluxosd/fluxosd/internal/fault"
)

// Statuses of the envelope.
const (
	statusSuccess = "success"
	statusWarning = "warning"
	statusError   = "error"
)

// Message is the data of a success or a warning that only says something.
// Members that are not set are left out.
type Message struct {
	Code    any    `json:"code,omitempty"`
	Name    string `json:"name,omitempty"`
	Message string `json:"message"`
}

// Warning is returned by a handler whose call had nothing to do.
type Warning struct{ Message }

// Raw is returned by a handler that answers something else than an envelope.
type Raw struct {
	Status      int // 0 is 200
	ContentType string
	Body        []byte
}

// passing is the result of a handler that may be another one soon: the reply
// isn't cached.
type passing struct{ data any }

// noData is the result of a handler whose success carries no data member.
type noData struct{}

// ErrorStatus chooses the HTTP status of error envelopes.
type ErrorStatus string

const (
	// Documented: 401 for a caller without the right, 200 for every other error.
	Documented ErrorStatus = "documented"
	// Compat: 200 for every error of a handler or of the permission check.
	Compat ErrorStatus = "compat"
	// Full: a fitting status for each.
	Full ErrorStatus = "full"
)

// unauthorized is the one answer to every refusal.
var unauthorized = fault.Error{Kind: fault.Unauthorized, Code: 401, Name: "Unauthorized", Msg: "Unauthorized. Access denied."}

// describe returns the envelope members of an error and its kind. Errors that
// were not meant for the caller become a text without details.
func describe(err error, requestID string) (Message, fault.Kind) {
	if e, ok := errors.AsType[*fault.Error](err); ok {
		m := Message{Code: e.Code, Name: e.Name, Message: e.Msg}
		if m.Message == "" {
			m.Message = "Unknown error"
		}
		return m, e.Kind
	}
	if daemonFailed(err) {
		code, name, message := daemonrpc.Envelope(err)
		return Message{Code: code, Name: name, Message: message}, daemonKind(err)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return Message{Name: "Error", Message: "The node took too long to answer. Please try again."}, fault.Unavailable
	}
	return Message{Name: "Error", Message: "Internal error, see the node's log for request " + requestID}, fault.Internal
}

// daemonFailed reports whether the chain daemon, or its client, refused a call.
func daemonFailed(err error) bool {
	_, rpc := errors.AsType[*daemonrpc.RPCError](err)
	_, transport := errors.AsType[*daemonrpc.TransportError](err)
	_, method := errors.AsType[*daemonrpc.InvalidMethodError](err)
	return rpc || transport || method
}

// Numbers of the chain daemon's own refusals that say whose turn it is.
const (
	rpcMisc             = -1 // usage, mostly
	rpcTypeError        = -3
	rpcWalletError      = -4
	rpcNoSuchThing      = -5 // unknown block, transaction or address
	rpcNoFunds          = -6
	rpcInvalidParameter = -8
	rpcWalletLocked     = -13
	rpcDeserialization  = -22
	rpcVerify           = -25
	rpcRejected         = -26
	rpcInChain          = -27
	rpcUnknownMethod    = -32601
)

// daemonKind says whose turn it is after an error of the chain daemon.
func daemonKind(err error) fault.Kind {
	if _, ok := errors.AsType[*daemonrpc.InvalidMethodError](err); ok {
		return fault.NotFound
	}
	rpc, ok := errors.AsType[*daemonrpc.RPCError](err)
	if !ok {
		return fault.Unavailable
	}
	switch rpc.Code {
	case rpcMisc, rpcTypeError, rpcInvalidParameter, rpcDeserialization, rpcVerify, rpcRejected:
		return fault.Invalid
	case rpcNoSuchThing, rpcUnknownMethod:
		return fault.NotFound
	case rpcWalletError, rpcNoFunds, rpcWalletLocked, rpcInChain:
		return fault.Conflict
	}
	return fault.Unavailable
}

// httpStatus is the one place that chooses the HTTP status of an error. A
// request refused before any handler saw it (limits, unknown paths, routes that
// are not built) has its own status in every mode.
func httpStatus(mode ErrorStatus, kind fault.Kind) int {
	switch kind {
	case fault.NotBuilt:
		return http.StatusNotImplemented
	case fault.TooMany:
		return http.StatusTooManyRequests
	case fault.TooLarge:
		return http.StatusRequestEntityTooLarge
	case fault.SwitchedOff:
		return http.StatusNotFound
	case fault.Unauthorized:
		if mode != Compat {
			return http.StatusUnauthorized
		}
	}
	if mode != Full {
		return http.StatusOK
	}
	switch kind {
	case fault.Invalid:
		return http.StatusBadRequest
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Conflict:
		return http.StatusConflict
	case fault.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// encode makes {"status":…,"data":…} in that order, in parts: a
// json.RawMessage becomes one of them as it is, so that a large answer that many
// ask for is in memory once.
func encode(status string, data any) ([][]byte, error) {
	var b bytes.Buffer
	b.WriteString(`{"status":"`)
	b.WriteString(status)
	b.WriteByte('"')
	switch d := data.(type) {
	case noData:
	case json.RawMessage:
		b.WriteString(`,"data":`)
		if len(d) >= largeReply {
			return [][]byte{b.Bytes(), d, []byte("}")}, nil
		}
		if len(d) == 0 {
			b.WriteString("null")
		}
		b.Write(d)
	default:
		b.WriteString(`,"data":`)
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(data); err != nil {
			return nil, err
		}
		b.Truncate(b.Len() - 1) // Encode ends with a line feed
	}
	b.WriteByte('}')
	return [][]byte{b.Bytes()}, nil
}

// Header values that every reply shares, so that setting them allocates nothing.
var (
	jsonType    = []string{"application/json; charset=utf-8"}
	anyOrigin   = []string{"*"}
	varyOn      = []string{"Accept-Encoding"}
	gzipCoding  = []string{"gzip"}
	closeHeader = []string{"close"}
	noSniff     = []string{"nosniff"}
	noStore     = []string{"no-store"}
	// varyByCaller keeps a browser from showing one caller what another saw.
	varyByCaller = []string{"Accept-Encoding, zelidauth, zelid, signature, loginPhrase"}
	// pagePolicy lets a page load its own files and nothing else.
	pagePolicy = []string{"default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"}
)

// isJSON reports whether a reply is an envelope: browsers run nothing of those.
func isJSON(contentType []string) bool { return &contentType[0] == &jsonType[0] }

// reply is a finished answer.
type reply struct {
	status      int
	contentType []string
	body        [][]byte // in parts, which are never written to
	size        int      // of the body in bytes
	etag        []string
	length      []string // size as text; nil where it was not worth it
}

// etagOf returns a weak entity tag (RFC 9110) of the length and a hash of the body.
func etagOf(body [][]byte, size int) string {
	h := sha1.New()
	for _, p := range body {
		h.Write(p)
	}
	return `W/"` + strconv.FormatInt(int64(size), 16) + "-" + base64.RawStdEncoding.EncodeToString(h.Sum(nil)) + `"`
}

func sizeOf(body [][]byte) (n int) {
	for _, p := range body {
		n += len(p)
	}
	return n
}

// success makes the reply of a handler that went well.
func success(data any) (reply, error) {
	switch d := data.(type) {
	case Raw:
		r := okay([]string{d.ContentType}, [][]byte{d.Body})
		if d.Status != 0 && d.Status != http.StatusOK {
			r.status, r.etag = d.Status, nil
		}
		return r, nil
	case passing:
		body, err := encode(statusSuccess, d.data)
		return reply{status: http.StatusOK, contentType: jsonType, body: body, size: sizeOf(body)}, err
	case Warning:
		body, err := encode(statusWarning, d.Message)
		return reply{status: http.StatusOK, contentType: jsonType, body: body, size: sizeOf(body)}, err
	}
	body, err := encode(statusSuccess, data)
	if err != nil {
		return reply{}, err
	}
	return okay(jsonType, body), nil
}

// okay makes a reply that can be asked for again by its entity tag.
func okay(contentType []string, body [][]byte) reply {
	n := sizeOf(body)
	return reply{status: http.StatusOK, contentType: contentType, body: body, size: n, etag: []string{etagOf(body, n)}, length: []string{strconv.Itoa(n)}}
}

// fail answers with the error envelope and ends the chain.
func (s *Server) fail(c *gin.Context, cl *call, err error) {
	m, kind := describe(err, cl.id)
	mode := s.errorStatus
	if cl.route != nil && cl.route.Kind == File && kind != fault.Unauthorized {
		mode = Full // who saves what comes must not save an error as the file
	}
	cl.outcome = kind.String()
	cl.err = err
	body, encErr := encode(statusError, m)
	if encErr != nil { // a code that JSON can't carry
		body = [][]byte{[]byte(`{"status":"error","data":{"message":"Unknown error"}}`)}
	}
	s.write(c, cl, reply{status: httpStatus(mode, kind), contentType: jsonType, body: body, size: sizeOf(body)})
	c.Abort()
}

// tooMuch answers a client that has too many large replies on their way.
var tooMuch = fault.Error{Kind: fault.TooMany, Code: 429, Name: "TooManyRequests", Msg: "Too many large replies are on their way to you. Read them first."}

// write sends a finished reply: conditional, compressed where the client asked
// for it, without a body for HEAD.
func (s *Server) write(c *gin.Context, cl *call, r reply) {
	w, h := c.Writer, c.Writer.Header()
	if r.contentType[0] != "" { // an answer without a body has no type
		h["Content-Type"] = r.contentType
	}
	if !isJSON(r.contentType) {
		h["X-Content-Type-Options"] = noSniff
		h["Content-Security-Policy"] = pagePolicy
	}
	body, size, length := r.body, r.size, r.length
	if size >= compressFrom && h["Vary"] == nil {
		h["Vary"] = varyOn
	}
	if r.etag != nil && r.status == http.StatusOK {
		h["Etag"] = r.etag
		if notModified(c.Request, r.etag[0]) {
			delete(h, "Content-Type")
			w.WriteHeader(http.StatusNotModified)
			w.WriteHeaderNow()
			cl.status = http.StatusNotModified
			return
		}
	}
	if size >= largeReply && c.Request.Method != http.MethodHead {
		from := network(cl.remote)
		if !s.out.enter(from, size, s.limits.spared(cl.remote)) {
			delete(h, "Etag")
			delete(h, "Cache-Control")
			e := tooMuch
			s.fail(c, cl, &e)
			return
		}
		defer s.out.leave(from, size)
	}
	if size >= compressFrom && acceptsGzip(c.Request) && compressible(r.contentType[0]) {
		if z := compress(body, size); z != nil {
			body, size, length = [][]byte{z}, len(z), nil
			h["Content-Encoding"] = gzipCoding
		}
	}
	if length == nil {
		length = []string{strconv.Itoa(size)}
	}
	h["Content-Length"] = length
	w.WriteHeader(r.status)
	cl.status, cl.bytes = r.status, size
	if c.Request.Method != http.MethodHead {
		cl.writeErr = send(w, body, size)
	} else {
		w.WriteHeaderNow()
	}
}
