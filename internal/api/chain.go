package api

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/fluxosd/fluxosd/internal/fault"
	"github.com/fluxosd/fluxosd/internal/logattr"
	"github.com/fluxosd/fluxosd/internal/permissions"
)

// Times that a request may take. Streams and sockets set their own.
const (
	bodyTime    = 30 * time.Second // to send a body
	handlerTime = 90 * time.Second // to be answered
)

// call is the state of one request on its way through the chain. It stands in
// the place of the context's writer, so that every middleware has it at hand.
type call struct {
	gin.ResponseWriter

	start    time.Time
	id       string
	remote   netip.Addr
	route    *row
	path     []pair
	identity permissions.Identity
	app      string
	request  *Request // made when it is first asked for

	status   int
	bytes    int
	outcome  string
	err      error
	writeErr error
}

// row is a Route with what the chain needs at hand.
type row struct {
	*Route
	observe  observer
	cacheKey bool // replies may be cached
}

func (cl *call) pattern() string {
	if cl.route == nil {
		return "unmatched"
	}
	return cl.route.Path
}

// Unwrap lets http.ResponseController reach the connection.
func (cl *call) Unwrap() http.ResponseWriter { return cl.ResponseWriter }

// current returns the call that begin opened.
func current(c *gin.Context) *call { return c.Writer.(*call) }

// chain lists the middleware of every request, outermost first.
func (s *Server) chain() []gin.HandlerFunc {
	return []gin.HandlerFunc{s.begin, s.limit, s.match, s.cached, s.identify, s.authorise, s.serve}
}

// begin opens the call, and closes it when everything behind it is done:
// metrics, access log, audit log. A panic becomes an internal error.
func (s *Server) begin(c *gin.Context) {
	cl := &call{ResponseWriter: c.Writer, start: time.Now(), remote: s.remote(c), id: s.requestID(c.Request)}
	c.Writer = cl
	h := c.Writer.Header()
	h["Access-Control-Allow-Origin"] = anyOrigin
	h["X-Request-Id"] = []string{cl.id}
	h["X-Fluxosd-Version"] = s.versionHeader
	closeUnlessRead(c.Request, h)
	s.metrics.InFlight.Inc()
	defer s.end(c, cl)
	defer s.rescue(c, cl)
	c.Next()
}

// closeUnlessRead closes the connection behind a request with a body that
// nobody reads: net/http would wait for it before it answers. readBody takes
// that back.
func closeUnlessRead(r *http.Request, h http.Header) {
	if r.ContentLength != 0 {
		h["Connection"] = closeHeader
	}
}

// stopReading ends the wait for a body that nobody reads, after the answer.
func stopReading(r *http.Request, w http.ResponseWriter) {
	if r.ContentLength != 0 && w.Header()["Connection"] != nil {
		http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0)) // HTTP/2 has no use for it
	}
}

// rescue answers a call whose handler panicked.
func (s *Server) rescue(c *gin.Context, cl *call) {
	r := recover()
	if r == nil {
		return
	}
	if r == http.ErrAbortHandler {
		panic(r)
	}
	stack := debug.Stack()
	s.log.Error("Handler panicked", logattr.Request(cl.id), logattr.Route(cl.pattern()),
		slog.String("panic", fmt.Sprint(r)), slog.String("stack", string(stack[:min(len(stack), 8<<10)])))
	if c.Writer.Written() {
		panic(http.ErrAbortHandler) // the client must not take half an answer for a whole one
	}
	s.fail(c, cl, errors.New("panic"))
}

func (s *Server) end(c *gin.Context, cl *call) {
	s.metrics.InFlight.Dec()
	stopReading(c.Request, c.Writer)
	now := time.Now()
	method := c.Request.Method
	if cl.route == nil && !knownMethod(method) {
		method = "other"
	}
	obs := &s.unmatched
	if cl.route != nil {
		obs = &cl.route.observe
	}
	if cl.writeErr != nil {
		cl.outcome = "aborted" // the client went away
	}
	obs.done(method, cl.outcome, now.Sub(cl.start))
	if s.access != nil {
		s.access.add(cl, method, now)
	}
	if cl.err != nil && cl.outcome == fault.Internal.String() && c.Request.Context().Err() == nil {
		s.log.Error("Request failed", logattr.Request(cl.id), logattr.Route(cl.pattern()), logattr.Err(cl.err))
	}
	if cl.route != nil && cl.route.Level > permissions.User {
		who := cl.identity.FluxID
		if cl.identity.Anonymous() {
			who = "nobody proved"
		}
		attrs := []any{logattr.FluxID(who), logattr.Route(cl.route.Method + " " + cl.route.Path), logattr.Remote(cl.remote),
			slog.String("outcome", cl.outcome), logattr.Request(cl.id)}
		if cl.app != "" {
			attrs = append(attrs, logattr.App(cl.app))
		}
		s.audit.Info("Privileged call", attrs...)
	}
}

func knownMethod(m string) bool {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodOptions:
		return true
	}
	return false
}

// remote is the caller's address: that of the socket, or what a configured
// proxy says of it.
func (s *Server) remote(c *gin.Context) netip.Addr {
	if len(s.proxies) > 0 {
		if a, err := netip.ParseAddr(c.ClientIP()); err == nil {
			return a.Unmap()
		}
	}
	return socketAddr(c.Request)
}

// socketAddr is the address at the other end of the connection; the zero Addr
// for a unix socket.
func socketAddr(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}

// requestID takes the id that a proxy gave, if it is a plain token, or counts.
func (s *Server) requestID(r *http.Request) string {
	if given := r.Header["X-Request-Id"]; len(given) == 1 && plainToken(given[0]) {
		return given[0]
	}
	return s.idPrefix + strconv.FormatUint(s.requests.Add(1), 36)
}

func plainToken(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for _, b := range []byte(s) {
		if (b < '0' || b > '9') && (b < 'a' || b > 'z') && (b < 'A' || b > 'Z') && b != '-' && b != '_' {
			return false
		}
	}
	return true
}

// limit refuses callers that ask too often, by address.
func (s *Server) limit(c *gin.Context) {
	cl := current(c)
	if wait, ok := s.limits.allow(cl.remote, 1); !ok {
		s.tooMany(c, cl, wait)
	}
}

func (s *Server) tooMany(c *gin.Context, cl *call, wait time.Duration) {
	s.metrics.Limited.Inc()
	sec := strconv.Itoa(int((wait + time.Second - 1) / time.Second))
	c.Writer.Header()["Retry-After"] = []string{sec}
	s.fail(c, cl, &fault.Error{Kind: fault.TooMany, Code: 429, Name: "TooManyRequests", Msg: "Too many requests. Try again in " + sec + " s."})
}

// match finds the row, and answers preflights and paths that have none.
func (s *Server) match(c *gin.Context) {
	cl, r := current(c), c.Request
	if r.Method == http.MethodOptions {
		h := c.Writer.Header()
		h["Access-Control-Allow-Methods"] = []string{"GET,HEAD,PUT,PATCH,POST,DELETE"}
		if want := r.Header["Access-Control-Request-Headers"]; len(want) > 0 {
			h["Access-Control-Allow-Headers"] = want
			h["Vary"] = []string{"Access-Control-Request-Headers"}
		}
		c.Writer.WriteHeader(http.StatusNoContent)
		c.Writer.WriteHeaderNow()
		cl.status, cl.outcome = http.StatusNoContent, statusSuccess
		c.Abort()
		return
	}
	table := s.router
	escaped := r.URL.EscapedPath()
	if strings.HasPrefix(escaped, "/ws/") {
		table = s.sockets
		if r.URL.RawQuery != "" {
			s.notFound(c, cl)
			return
		}
	}
	l, raw := table.find(r.Method, escaped)
	if l == nil {
		s.notFound(c, cl)
		return
	}
	cl.route = s.rows[l.route]
	if l.route.Cost > 1 {
		if wait, ok := s.limits.allow(cl.remote, l.route.Cost-1); !ok {
			s.tooMany(c, cl, wait)
			return
		}
	}
	path, err := l.decode(raw)
	if err != nil {
		s.notFound(c, cl)
		return
	}
	cl.path = path
	if l.route.ByCaller {
		c.Writer.Header()["Vary"] = varyByCaller
	}
}

func (s *Server) notFound(c *gin.Context, cl *call) {
	body, _ := encode(statusError, Message{Name: "Error", Message: "Cannot " + c.Request.Method + " this path. The API description is at /docs"}) // text always encodes
	cl.outcome = fault.NotFound.String()
	s.write(c, cl, reply{status: http.StatusNotFound, contentType: jsonType, body: body, size: sizeOf(body)})
	c.Abort()
}

// cached answers from the reply cache.
func (s *Server) cached(c *gin.Context) {
	cl := current(c)
	if !cl.route.cacheKey || bypassesCache(c.Request) || (cl.route.ByCaller && carriesCredentials(c.Request)) {
		return
	}
	hit, left := s.replies.get(c.Request.RequestURI)
	if hit == nil {
		s.metrics.CacheMisses.Inc()
		return
	}
	s.metrics.CacheHits.Inc()
	c.Writer.Header()["Cache-Control"] = s.maxAge(left)
	cl.outcome = statusSuccess
	s.write(c, cl, hit.reply)
	c.Abort()
}

func bypassesCache(r *http.Request) bool {
	return r.Header["X-Apicache-Bypass"] != nil || r.Header["X-Apicache-Force-Fetch"] != nil
}

func carriesCredentials(r *http.Request) bool {
	h := r.Header
	return h["Zelidauth"] != nil || h["Zelid"] != nil || h["Signature"] != nil || h["Loginphrase"] != nil || h["Authorization"] != nil
}

// maxAge returns Cache-Control: max-age of up to two minutes without allocating.
func (s *Server) maxAge(seconds int) []string {
	if seconds < len(s.maxAges) {
		return s.maxAges[seconds]
	}
	return []string{"max-age=" + strconv.Itoa(seconds)}
}

// requestOf returns the Request of a call, made once.
func requestOf(c *gin.Context, cl *call) *Request {
	if cl.request == nil {
		cl.request = &Request{Route: cl.route.Route, Remote: cl.remote, Socket: socketAddr(c.Request), Secure: c.Request.TLS != nil, path: cl.path, header: c.Request.Header, query: c.Request.URL.RawQuery}
	}
	return cl.request
}

// readBody reads and parses the body of a POST, at most once.
func (s *Server) readBody(c *gin.Context, cl *call, req *Request) error {
	r := c.Request
	if r.Method != http.MethodPost || req.body != nil || r.ContentLength == 0 {
		return nil
	}
	limit := cl.route.BodyLimit
	if limit == 0 {
		limit = s.bodyLimit
	}
	tooLarge := fault.Newf(fault.TooLarge, "The body is larger than the %d bytes that this route takes", limit)
	if r.ContentLength > limit {
		return tooLarge
	}
	ctl := http.NewResponseController(c.Writer)
	ctl.SetReadDeadline(time.Now().Add(bodyTime)) // a test recorder has none: reading then is not slow
	raw, err := io.ReadAll(http.MaxBytesReader(c.Writer, r.Body, limit))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return tooLarge
		}
		return fault.Wrap(fault.Invalid, err, "The body could not be read")
	}
	ctl.SetReadDeadline(time.Time{})
	delete(c.Writer.Header(), "Connection")
	req.raw, req.body = raw, parseBody(raw)
	if req.body == nil {
		req.body = map[string]json.RawMessage{}
	}
	return nil
}

// serve runs the handler and answers with the envelope.
func (s *Server) serve(c *gin.Context) {
	cl := current(c)
	rt := cl.route
	if !rt.Built() {
		s.fail(c, cl, fault.Newf(fault.NotBuilt, "not built yet: %s %s", rt.Method, rt.Path))
		return
	}
	req := requestOf(c, cl)
	req.Caller, req.Admin, req.App = cl.identity, s.permissions.IsAdmin(cl.identity), cl.app
	if rt.Kind == Socket {
		s.attach(c, cl, req)
		return
	}
	if err := s.readBody(c, cl, req); err != nil {
		s.fail(c, cl, err)
		return
	}
	limit := handlerTime
	if rt.Time > 0 {
		limit = rt.Time
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), limit)
	defer cancel()
	data, err := rt.Handle(ctx, req)
	if err != nil {
		s.fail(c, cl, err)
		return
	}
	switch d := data.(type) {
	case Download:
		s.sendDownload(c, cl, d)
		return
	case Flow:
		s.sendStream(c, cl, d)
		return
	}
	out, err := success(data)
	if err != nil {
		s.fail(c, cl, fmt.Errorf("encode the answer: %w", err))
		return
	}
	cl.outcome = statusSuccess
	if !cl.identity.Anonymous() {
		c.Writer.Header()["Cache-Control"] = noStore
	}
	if rt.Changes != nil {
		s.replies.forget(rt.Changes...)
	}
	if rt.cacheKey && out.etag != nil && !(rt.ByCaller && carriesCredentials(c.Request)) {
		s.replies.put(c.Request.RequestURI, out, rt.Cache)
		c.Writer.Header()["Cache-Control"] = s.maxAge(int(rt.Cache / time.Second))
	}
	s.write(c, cl, out)
}

// randomHex returns n random bytes as hex, for ids that need not be secret.
func randomHex(read func([]byte) (int, error), n int) string {
	b := make([]byte, n)
	read(b)
	return hex.EncodeToString(b)
}
