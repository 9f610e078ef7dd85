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
	ContentType string
	Body        []byte
}

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
		return Message{Code: code, Name: name, Message: message}, fault.Unavailable
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

// encode writes {"status":…,"data":…} in that order. A json.RawMessage is
// copied as it is.
func encode(status string, data any) ([]byte, error) {
	var b bytes.Buffer
	if raw, ok := data.(json.RawMessage); ok {
		b.Grow(len(raw) + 40)
	}
	b.WriteString(`{"status":"`)
	b.WriteString(status)
	b.WriteByte('"')
	switch d := data.(type) {
	case noData:
	case json.RawMessage:
		b.WriteString(`,"data":`)
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
	return b.Bytes(), nil
}

// Header values that every reply shares, so that setting them allocates nothing.
var (
	jsonType    = []string{"application/json; charset=utf-8"}
	anyOrigin   = []string{"*"}
	varyOn      = []string{"Accept-Encoding"}
	gzipCoding  = []string{"gzip"}
	closeHeader = []string{"close"}
	noSniff     = []string{"nosniff"}
	// pagePolicy lets a page load its own files and nothing else.
	pagePolicy = []string{"default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"}
)

// isJSON reports whether a reply is an envelope: browsers run nothing of those.
func isJSON(contentType []string) bool { return &contentType[0] == &jsonType[0] }

// reply is a finished answer.
type reply struct {
	status      int
	contentType []string
	body        []byte
	etag        []string
	length      []string // of the body as it is
}

// etagOf returns a weak entity tag (RFC 9110) of the length and a hash of the body.
func etagOf(body []byte) string {
	sum := sha1.Sum(body)
	return `W/"` + strconv.FormatInt(int64(len(body)), 16) + "-" + base64.RawStdEncoding.EncodeToString(sum[:]) + `"`
}

// success makes the reply of a handler that went well.
func success(data any) (reply, error) {
	switch d := data.(type) {
	case Raw:
		return okay([]string{d.ContentType}, d.Body), nil
	case Warning:
		body, err := encode(statusWarning, d.Message)
		return reply{status: http.StatusOK, contentType: jsonType, body: body}, err
	}
	body, err := encode(statusSuccess, data)
	if err != nil {
		return reply{}, err
	}
	return okay(jsonType, body), nil
}

// okay makes a reply that can be asked for again by its entity tag.
func okay(contentType []string, body []byte) reply {
	return reply{status: http.StatusOK, contentType: contentType, body: body, etag: []string{etagOf(body)}, length: []string{strconv.Itoa(len(body))}}
}

// fail answers with the error envelope and ends the chain.
func (s *Server) fail(c *gin.Context, cl *call, err error) {
	m, kind := describe(err, cl.id)
	cl.outcome = kind.String()
	cl.err = err
	body, encErr := encode(statusError, m)
	if encErr != nil { // a code that JSON can't carry
		body = []byte(`{"status":"error","data":{"message":"Unknown error"}}`)
	}
	s.write(c, cl, reply{status: httpStatus(s.errorStatus, kind), contentType: jsonType, body: body})
	c.Abort()
}

// write sends a finished reply: conditional, compressed where the client asked
// for it, without a body for HEAD.
func (s *Server) write(c *gin.Context, cl *call, r reply) {
	w, h := c.Writer, c.Writer.Header()
	h["Content-Type"] = r.contentType
	if !isJSON(r.contentType) {
		h["X-Content-Type-Options"] = noSniff
		h["Content-Security-Policy"] = pagePolicy
	}
	body, length := r.body, r.length
	if len(body) >= compressFrom {
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
	if len(body) >= compressFrom && acceptsGzip(c.Request) && compressible(r.contentType[0]) {
		if z := compress(body); z != nil {
			body = z
			h["Content-Encoding"] = gzipCoding
			length = nil
		}
	}
	if length == nil {
		length = []string{strconv.Itoa(len(body))}
	}
	h["Content-Length"] = length
	w.WriteHeader(r.status)
	cl.status, cl.bytes = r.status, len(body)
	if c.Request.Method != http.MethodHead {
		_, cl.writeErr = w.Write(body)
	} else {
		w.WriteHeaderNow()
	}
}
