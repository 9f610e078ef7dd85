package daemonrpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// ErrClosed says that the client was closed before or during the call.
var ErrClosed = errors.New("chain daemon client is closed")

// codeWarmingUp is RPC_IN_WARMUP: the daemon runs but still loads its state.
const codeWarmingUp = -28

// RPCError is the daemon's own refusal of a call (JSON-RPC 2.0, section 5.1),
// for example -5 unknown object, -8 invalid parameter, -1 usage, -28 warming up,
// -32601 unknown method.
type RPCError struct {
	Code    int
	Message string
}

// Error gives the daemon's text with its number.
func (e *RPCError) Error() string { return fmt.Sprintf("daemon error %d: %s", e.Code, e.Message) }

// InvalidMethodError refuses a method that is not in the client's list. No call was made.
type InvalidMethodError struct{ Method string }

// Error gives the text API clients see.
func (e *InvalidMethodError) Error() string { return "Invalid Method: " + e.Method }

// TransportError says that no JSON-RPC answer came from the daemon.
type TransportError struct {
	Code    string // name of the condition, as Node.js writes it: ECONNREFUSED, ECONNABORTED, ECONNRESET, …; empty when the daemon did answer
	Status  int    // HTTP status of the answer; 0 when there was none, or none that could be read
	Message string // text for API clients
	Err     error  // the cause, for the log; nil when there is nothing to add
}

// Error gives the message, and the cause when it says more.
func (e *TransportError) Error() string {
	if e.Err == nil {
		return "chain daemon: " + e.Message
	}
	return fmt.Sprintf("chain daemon: %s: %v", e.Message, e.Err)
}

// Unwrap gives the cause.
func (e *TransportError) Unwrap() error { return e.Err }

// statusCode is the numeric code API clients see for an HTTP error without a JSON-RPC body.
const statusCode = 500

// Envelope gives the three members of the error envelope for an error of this
// package: code is a string, an int, or nil when there is none. The name is
// always "Error", because that is the class of error the API has always shown.
func Envelope(err error) (code any, name, message string) {
	name = "Error"
	if rpc, ok := errors.AsType[*RPCError](err); ok {
		return rpc.Code, name, rpc.Message
	}
	if tr, ok := errors.AsType[*TransportError](err); ok {
		if tr.Code == "" {
			return statusCode, name, tr.Message
		}
		return tr.Code, name, tr.Message
	}
	if inv, ok := errors.AsType[*InvalidMethodError](err); ok {
		return nil, name, inv.Error()
	}
	if err == nil {
		return nil, name, "Unknown error"
	}
	return nil, name, err.Error()
}

// State is what the outcome of one call says about the daemon.
type State uint8

const (
	// StateUnknown: the outcome says nothing about the daemon (the caller gave up, the method was refused here).
	StateUnknown State = iota
	// StateOK: the daemon answered, be it with an RPC error.
	StateOK
	// StateWarmingUp: the daemon runs and loads its state; calls succeed later.
	StateWarmingUp
	// StateDown: nobody answers at the address, or not in time.
	StateDown
	// StateUnauthorised: the daemon does not accept the credentials or this host.
	StateUnauthorised
	// StateGarbage: something answers, but not in JSON-RPC.
	StateGarbage
)

var stateNames = [...]string{"unknown", "ok", "warming up", "down", "unauthorised", "garbage"}

// String gives the state in words.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// Classify reads the state of the daemon from the outcome of a call; nil is StateOK.
func Classify(err error) State {
	if err == nil {
		return StateOK
	}
	if rpc, ok := errors.AsType[*RPCError](err); ok {
		if rpc.Code == codeWarmingUp {
			return StateWarmingUp
		}
		return StateOK
	}
	tr, ok := errors.AsType[*TransportError](err)
	switch {
	case !ok:
		return StateUnknown
	case tr.Code != "":
		return StateDown
	case tr.Status == http.StatusUnauthorized || tr.Status == http.StatusForbidden:
		return StateUnauthorised
	}
	return StateGarbage
}

// errTimeout is the cause of a context that ended by the client's own deadline.
var errTimeout = errors.New("no answer in time")

// errAbandoned is the cause of a shared request that was cancelled because every
// caller had left. No caller sees it; an observer does.
var errAbandoned = errors.New("every caller has left")

// timeoutError is the TransportError of a call that got no answer within limit.
func timeoutError(limit time.Duration) error {
	return &TransportError{
		Code:    "ECONNABORTED",
		Message: fmt.Sprintf("timeout of %dms exceeded", limit.Milliseconds()),
	}
}

// statusError is the TransportError of an HTTP error whose body is no JSON-RPC reply.
func statusError(status int, body string) error {
	if body = strings.TrimSpace(body); body == "" {
		body = fmt.Sprintf("Request failed with status code %d", status)
	}
	return &TransportError{Status: status, Message: body}
}

// garbageError is the TransportError of an answer that is not JSON-RPC.
func garbageError(status int, err error) error {
	return &TransportError{Status: status, Message: "Invalid response from the daemon", Err: err}
}

// dialCodes names the conditions of a connection that could not be made.
var dialCodes = [...]struct {
	errno syscall.Errno
	name  string
}{
	{syscall.ECONNREFUSED, "ECONNREFUSED"},
	{syscall.EHOSTUNREACH, "EHOSTUNREACH"},
	{syscall.ENETUNREACH, "ENETUNREACH"},
	{syscall.ETIMEDOUT, "ETIMEDOUT"},
	{syscall.EADDRNOTAVAIL, "EADDRNOTAVAIL"},
	{syscall.EMFILE, "EMFILE"},
	{syscall.EACCES, "EACCES"},
}

// connectionError translates a failed round trip or a broken body. addr is the
// daemon's host:port, used when the error itself does not name one; answered says
// that at least one byte of an answer came.
func connectionError(err error, addr string, answered bool) error {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return &TransportError{Code: "ENOTFOUND", Message: "getaddrinfo ENOTFOUND " + dns.Name, Err: err}
	}
	op, ok := errors.AsType[*net.OpError](err)
	if ok && op.Op == "dial" {
		if op.Addr != nil {
			addr = op.Addr.String()
		}
		for _, c := range dialCodes {
			if errors.Is(err, c.errno) {
				return &TransportError{Code: c.name, Message: "connect " + c.name + " " + addr, Err: err}
			}
		}
		return &TransportError{Code: "ECONNREFUSED", Message: "connect ECONNREFUSED " + addr, Err: err}
	}
	if answered && !ok && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return garbageError(0, err) // an answer that is not HTTP
	}
	return &TransportError{Code: "ECONNRESET", Message: "socket hang up", Err: err}
}

// callerError is the outcome for a caller whose own context ended first.
func callerError(ctx context.Context, method string) error {
	return fmt.Errorf("call %s: %w", method, context.Cause(ctx))
}
