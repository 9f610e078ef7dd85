package gateway

import (
	"fmt"

	"github.com/fluxosd/fluxosd/internal/fault"
)

// Failures that callers tell apart with errors.Is. Each carries its message for
// a caller of the API as a *fault.Error.
var (
	// ErrOff is the answer to everything in mode Off.
	ErrOff error = fault.New(fault.Unavailable, "Port mapping is switched off on this node.")
	// ErrNotFound means that no router answered that could map ports. The
	// text is the one that clients know.
	ErrNotFound error = fault.New(fault.Unavailable, "Connection timed out while searching for the gateway.")
	// ErrUnreachable means that the router was found before and no longer
	// answers in a way that can be understood.
	ErrUnreachable error = fault.New(fault.Unavailable, "The gateway doesn't answer.")
	// ErrBusy means that calls of others kept the router busy all the time.
	ErrBusy error = fault.New(fault.Unavailable, "The gateway is busy with other calls.")
	// ErrNotVerified means that the router accepted a mapping and then didn't
	// have it.
	ErrNotVerified error = fault.New(fault.Unavailable, "The gateway accepted the mapping but doesn't show it.")
)

// ErrTaken says that a port is mapped by somebody else. Nothing was changed.
type ErrTaken struct {
	Port     uint16
	Protocol Protocol
	By       string // host and description of the holder, as far as the router says
}

// Error names the port and its holder.
func (e *ErrTaken) Error() string {
	return fmt.Sprintf("Port %d/%s is mapped by another: %s", e.Port, e.Protocol, e.By)
}

// Unwrap returns the failure as the API reports it.
func (e *ErrTaken) Unwrap() error { return fault.New(fault.Conflict, e.Error()) }

// ErrRefused is a router's own refusal of a call.
type ErrRefused struct {
	Call string // the name of the call, such as AddPortMapping
	Code int    // UPnP error code or NAT-PMP result code
	Text string // the router's words, may be empty
}

// Error gives the router's words.
func (e *ErrRefused) Error() string {
	if e.Text == "" {
		return fmt.Sprintf("The gateway refused %s with code %d", e.Call, e.Code)
	}
	return fmt.Sprintf("The gateway refused %s with code %d (%s)", e.Call, e.Code, e.Text)
}

// Unwrap returns the failure as the API reports it.
func (e *ErrRefused) Unwrap() error { return fault.New(fault.Unavailable, e.Error()) }

func invalid(format string, args ...any) error { return fault.Newf(fault.Invalid, format, args...) }

// unreachable says what was attempted when the router failed to answer.
func unreachable(what string, err error) error {
	return fmt.Errorf("%w %s: %s", ErrUnreachable, what, foreign(err.Error()))
}
