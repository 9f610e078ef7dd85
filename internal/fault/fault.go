// Package fault is the one way a domain package says that a call failed for a
// reason its caller should read. Every other error is reported as internal and
// its text stays in the log.
//
// It knows nothing of HTTP: the API turns a Kind into a status where the
// operator asked for that.
package fault

import (
	"errors"
	"fmt"
)

// Kind says whose turn it is.
type Kind uint8

const (
	// Internal is a failure of the daemon itself.
	Internal Kind = iota
	// Invalid is input that can't be accepted as it is.
	Invalid
	// Unauthorized is a caller without the right to do this.
	Unauthorized
	// NotFound is a thing that doesn't exist.
	NotFound
	// Conflict is a request that the present state doesn't allow.
	Conflict
	// TooLarge is input over a limit.
	TooLarge
	// TooMany is a caller that asks too often.
	TooMany
	// Unavailable is an outside system that doesn't answer as it should.
	Unavailable
	// NotBuilt is a route that the contract has and this version doesn't.
	NotBuilt
	// SwitchedOff is a route that this node's configuration doesn't offer.
	SwitchedOff
)

var kindNames = [...]string{"internal", "invalid", "unauthorized", "not_found", "conflict", "too_large", "too_many", "unavailable", "not_built", "switched_off"}

// String returns a fixed word for logs and metrics.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Error is a failure meant for the caller. Code and Name appear in the error
// envelope when they are set; Err is the cause, for the log only.
type Error struct {
	Kind Kind
	Code any    // a number or a short string, nil for none
	Name string // the class of the failure, "Error" for most, "" for none
	Msg  string
	Err  error
}

// Error returns the message for the caller, then the cause.
func (e *Error) Error() string {
	if e.Err != nil {
		return e.Msg + ": " + e.Err.Error()
	}
	return e.Msg
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// New returns an Error named "Error", the name that most failures carry.
func New(kind Kind, msg string) *Error { return &Error{Kind: kind, Name: "Error", Msg: msg} }

// Newf is New with a formatted message.
func Newf(kind Kind, format string, args ...any) *Error {
	return New(kind, fmt.Sprintf(format, args...))
}

// Wrap returns an Error with a cause that the caller doesn't see.
func Wrap(kind Kind, err error, msg string) *Error {
	return &Error{Kind: kind, Name: "Error", Msg: msg, Err: err}
}

// KindOf returns the Kind of the first Error in the chain, or Internal.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}
