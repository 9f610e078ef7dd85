package daemonrpc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fluxosd/fluxosd/internal/secret"
)

const (
	// DefaultTimeout is the time a call may take, waiting for its turn included.
	DefaultTimeout = 40 * time.Second
	// DefaultConcurrency is the number of requests the daemon works on at one time;
	// half of them may be of one method.
	DefaultConcurrency = 8
	// DefaultMaxReply bounds one reply, in bytes. The node list, the largest
	// regular reply, is some ten million.
	DefaultMaxReply = 128 << 20

	// idleTime is shorter than the daemon's own 30 s for idle connections, so
	// that a request is rarely written to a connection the daemon just closed.
	idleTime = 15 * time.Second
)

// Config says how to reach a daemon.
type Config struct {
	URL      string // for example http://127.0.0.1:16124
	User     string
	Password secret.Text

	// Methods lists the methods that may be called and how far their replies
	// are shared; nil means ChainMethods().
	Methods map[string]Sharing

	Timeout     time.Duration // per call; 0 means DefaultTimeout
	Concurrency int           // requests at one time, of one method half of it but at least one; 0 means DefaultConcurrency
	MaxReply    int64         // bytes; 0 means DefaultMaxReply

	Logger *slog.Logger // nil discards

	// Observe is told of every request that was sent, when it ends: not of
	// replies from the cache nor of calls that joined another. It must not block.
	Observe func(method string, d time.Duration, err error)
	// ObserveCached is told of every reply from the cache. It must not block.
	ObserveCached func()

	Now func() time.Time // the cache's clock; nil means time.Now
}

// Client calls one daemon. Its methods may be used from many goroutines.
// Close it to stop what is in flight.
type Client struct {
	url, addr string
	sign      func(*http.Request) // adds the credentials; a function, so that printing a Client shows none
	methods   map[string]method   // not changed after New
	timeout   time.Duration
	maxReply  int64
	log       *slog.Logger
	observe   func(string, time.Duration, error)
	cached    func()
	now       func() time.Time

	http   *http.Client
	slots  chan struct{} // one token per request under way; taken after the method's own
	cache  *replyCache
	lastID atomic.Uint64
	state  atomic.Uint32 // State last seen, for logging changes only

	ctx  context.Context // ends with Close
	stop context.CancelFunc

	mu      sync.Mutex         // may be held while taking the cache's lock
	closed  bool               // under mu
	flights map[string]*flight // under mu; those that a caller may still join
	running sync.WaitGroup     // goroutines of flights; started only under mu and while not closed
}

// method is what the client knows of one method it may call.
type method struct {
	sharing Sharing
	slots   chan struct{} // one token per request of this method that is under way or waits for one of Client.slots
}

// New checks the configuration and returns a client. It does not call the daemon.
func New(cfg Config) (*Client, error) {
	addr, err := checkURL(cfg.URL)
	errs := []error{err}
	if cfg.Timeout < 0 {
		errs = append(errs, fmt.Errorf("timeout %v: want a positive duration, or 0 for %v", cfg.Timeout, DefaultTimeout))
	}
	if cfg.Concurrency < 0 {
		errs = append(errs, fmt.Errorf("concurrency %d: want a positive number, or 0 for %d", cfg.Concurrency, DefaultConcurrency))
	}
	if cfg.MaxReply < 0 {
		errs = append(errs, fmt.Errorf("reply limit %d: want a positive number of bytes, or 0 for %d", cfg.MaxReply, DefaultMaxReply))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("chain daemon client: %w", err)
	}
	c := &Client{
		url: cfg.URL, addr: addr,
		sign:    func(r *http.Request) { r.SetBasicAuth(cfg.User, cfg.Password.Reveal()) },
		timeout: cfg.Timeout, maxReply: cfg.MaxReply,
		log: cfg.Logger, observe: cfg.Observe, cached: cfg.ObserveCached, now: cfg.Now,
	}
	if c.timeout == 0 {
		c.timeout = DefaultTimeout
	}
	if c.maxReply == 0 {
		c.maxReply = DefaultMaxReply
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.now == nil {
		c.now = time.Now
	}
	concurrency := cfg.Concurrency
	if concurrency == 0 {
		concurrency = DefaultConcurrency
	}
	sharings := cfg.Methods
	if sharings == nil {
		sharings = ChainMethods()
	}
	c.methods = make(map[string]method, len(sharings))
	for name, sharing := range sharings {
		c.methods[name] = method{sharing: sharing, slots: make(chan struct{}, max(1, concurrency/2))}
	}
	c.flights = make(map[string]*flight)
	c.slots = make(chan struct{}, concurrency)
	c.cache = newReplyCache(c.now)
	c.http = &http.Client{
		Transport: &http.Transport{
			MaxIdleConnsPerHost: concurrency,
			IdleConnTimeout:     idleTime,
			DisableCompression:  true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	c.ctx, c.stop = context.WithCancel(context.Background())
	return c, nil
}

// checkURL gives the host:port behind a daemon URL.
func checkURL(text string) (string, error) {
	const want = "want http://host:port, for example http://127.0.0.1:16124"
	u, err := url.Parse(text)
	if err != nil {
		return "", errors.New("url: not a URL; " + want) // the parser's error would repeat a password in it
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return "", fmt.Errorf("url: scheme %q is not allowed; %s", u.Scheme, want)
	case u.User != nil:
		return "", errors.New("url: credentials belong in user and password; " + want)
	case u.Hostname() == "":
		return "", errors.New("url: no host; " + want)
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port), nil
}

// Close ends every call in flight with ErrClosed and waits for the goroutines of
// shared calls. Calling it again does no harm.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.stop()
	c.running.Wait()
	c.http.CloseIdleConnections()
}

// Call runs a method of the daemon and returns its result as the daemon wrote
// it. The bytes may be shared with other callers: they must not be changed.
// Arguments are anything encoding/json can write; nil is null.
//
// Identical calls of read-only methods may share one request and, for a short
// time, one reply. A caller whose ctx ends leaves at once; others who wait for
// the same request are not disturbed, and when nobody waits any more it is
// cancelled.
//
// Requests of one method take at most half of the client's concurrency, so that
// a method that hangs leaves the others their turns. Waiting for a turn ends
// with ctx and counts towards the client's timeout.
//
// The error is *InvalidMethodError, *RPCError, *TransportError, ErrClosed or
// wraps the cause of ctx.
func (c *Client) Call(ctx context.Context, method string, params []any) (json.RawMessage, error) {
	return c.call(ctx, method, params, false)
}

// CallFresh is Call with an answer that is never older than the call itself:
// it neither reads the cache nor joins another call.
func (c *Client) CallFresh(ctx context.Context, method string, params []any) (json.RawMessage, error) {
	return c.call(ctx, method, params, true)
}

// Height gives the height of the best chain; it may be as old as a kept reply.
// Its errors are those of Call. It serves as the Height of Endpoint.Params.
func (c *Client) Height(ctx context.Context) (int64, error) {
	raw, err := c.Call(ctx, "getblockcount", nil)
	if err != nil {
		return 0, err
	}
	height, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		return 0, garbageError(http.StatusOK, fmt.Errorf("height: %w", err))
	}
	return height, nil
}

func (c *Client) call(ctx context.Context, name string, params []any, fresh bool) (json.RawMessage, error) {
	m, ok := c.methods[name]
	if !ok {
		return nil, &InvalidMethodError{Method: name}
	}
	req, err := newRequest(c.lastID.Add(1), name, params)
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", name, err)
	}
	switch {
	case c.ctx.Err() != nil:
		return nil, ErrClosed
	case ctx.Err() != nil:
		return nil, callerError(ctx, name)
	}
	if m.sharing == ShareNothing {
		return c.send(ctx, m, "", req)
	}
	key := req.key()
	if fresh {
		return c.send(ctx, m, key, req)
	}
	if reply, ok := c.cache.get(m.sharing, key); ok {
		if c.cached != nil {
			c.cached()
		}
		return reply, nil
	}
	return c.join(ctx, m, key, req)
}

// send makes one request, when its turn comes, and keeps the reply under key if
// it may be shared.
func (c *Client) send(ctx context.Context, m method, key string, req request) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, errTimeout)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()

	// The method's own bound comes first: calls behind a method that hangs wait
	// there, without one of the slots that all methods share. Who has both waits
	// for neither, so the two cannot lock each other up.
	for _, slots := range [...]chan struct{}{m.slots, c.slots} {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		case <-ctx.Done():
			return nil, c.interrupted(ctx, req.method)
		}
	}
	asked := c.now()
	begin := time.Now()
	reply, err := c.post(ctx, m.sharing, req)
	if _, refused := errors.AsType[*RPCError](err); err != nil && !refused && ctx.Err() != nil {
		err = c.interrupted(ctx, req.method)
	}
	if c.observe != nil {
		c.observe(req.method, time.Since(begin), err)
	}
	c.note(err)
	if err != nil {
		return nil, err
	}
	reply = slices.Clip(reply) // an append by a caller must not reach the shared bytes
	c.cache.put(m.sharing, key, reply, asked)
	return reply, nil
}

// interrupted explains why ctx, made by send, ended.
func (c *Client) interrupted(ctx context.Context, method string) error {
	switch {
	case c.ctx.Err() != nil:
		return ErrClosed
	case errors.Is(context.Cause(ctx), errTimeout):
		return timeoutError(c.timeout)
	}
	return callerError(ctx, method)
}

// post makes the HTTP exchange of one call.
func (c *Client) post(ctx context.Context, sharing Sharing, call request) (json.RawMessage, error) {
	var answered atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotFirstResponseByte: func() { answered.Store(true) },
	})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(call.body))
	if err != nil {
		return nil, fmt.Errorf("prepare call %s: %w", call.method, err)
	}
	c.sign(req)
	req.Header.Set("Content-Type", "application/json")
	if sharing != ShareNothing {
		// Lets net/http send the call again when a kept connection turns out to be
		// closed. The header itself is not sent.
		req.Header["Idempotency-Key"] = nil
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, connectionError(err, c.addr, answered.Load())
	}
	defer resp.Body.Close()
	reply, err := readBody(resp.Body, resp.ContentLength, c.maxReply)
	switch {
	case errors.Is(err, errTooLarge):
		return nil, garbageError(resp.StatusCode, fmt.Errorf("%w of %d bytes", err, c.maxReply))
	case err != nil:
		return nil, connectionError(err, c.addr, answered.Load())
	}
	return outcome(resp.StatusCode, resp.Header.Get("Content-Type"), reply, call.id)
}

// note logs a change of the daemon's state, once.
func (c *Client) note(err error) {
	state := Classify(err)
	if state == StateUnknown {
		return
	}
	before := State(c.state.Swap(uint32(state)))
	switch {
	case state == before:
	case state == StateOK:
		c.log.Info("Daemon answers", "before", before.String())
	default:
		c.log.Warn("Daemon does not answer as it should", "state", state.String(), "err", err)
	}
}
