package chaincopy

import (
	"errors"
	"net/http"
)

// Refusal is an answer that clients read from the status line: an HTTP status
// with this reason phrase and an empty body. Err is the cause, for the log.
type Refusal struct {
	Status int
	Reason string
	Err    error
}

// Error returns the reason, then the cause.
func (r *Refusal) Error() string {
	if r.Err != nil {
		return r.Reason + ": " + r.Err.Error()
	}
	return r.Reason
}

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Err }

// Reasons that clients know. The spelling is theirs.
const (
	reasonDisabled = "Failed minimium throughput criteria. Disabled."
	reasonBusy     = "Streaming of chain already in progress, server busy."
	reasonClosed   = "Socket closed."
	reasonForeign  = "Request must be from an address on the same private network as the host."
	reasonNoChain  = "Unable to find chain"
	reasonUnsafe   = "Unable to compress blockchain in unsafe mode, it will corrupt new db."
	reasonRunning  = "Flux daemon still running, unable to clone blockchain."
)

// Reasons of our own.
const (
	reasonAway     = "Service is starting or stopping, unable to stream chain."
	reasonHeight   = "Unable to get block count of the local chain."
	reasonTip      = "Unable to get the newest block of the local chain."
	reasonUnsynced = "Daemon is not synced with the network."
	reasonStatus   = "Unable to get status of the local node."
	reasonWindow   = "Node is not in maintenance window."
	reasonStop     = "Unable to stop the daemon."
)

func refuse(status int, reason string, err error) *Refusal { return &Refusal{status, reason, err} }

func unavailable(reason string, err error) *Refusal {
	return refuse(http.StatusServiceUnavailable, reason, err)
}

// Why a transfer was ended before its time.
var (
	errSlow      = errors.New("slower than 200 Mbit/s")
	errAbandoned = errors.New("nobody began to read it")
	errStopping  = errors.New("the service stops")
	errClosed    = errors.New("the transfer is over")
	errChanged   = errors.New("the chain changed while the daemon should be down")
)
