package mongo

import (
	"context"
	"errors"
	"fmt"

	driver "go.mongodb.org/mongo-driver/v2/mongo"
	wire "go.mongodb.org/mongo-driver/v2/x/mongo/driver"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"

	"github.com/fluxosd/fluxosd/internal/store"
)

// Codes of the server's errors.
const (
	codeInternal        = 1
	codePathNotViable   = 28 // an assignment into something that is no document
	codeIndexOptions    = 85 // an index on the same fields has other options
	codeIndexKeySpecs   = 86 // an index of the same name has other fields
	codeNotImplemented  = 238
	codeInvalidOptions  = 72
	codeCannotCreate    = 67
	codeCommandNotFound = 59
)

// unavailable are the codes that say that the server can't serve now.
var unavailable = [...]int{
	6, 7, 89, // host unreachable, not found, network timeout
	91, 11600, 11602, // shutting down, interrupted
	189, 10107, 13435, 13436, 10058, // no primary, not the primary
	50, 262, // time limit exceeded
	14031,  // out of disk space
	13, 18, // unauthorised, authentication failed
}

// wrap turns a driver's error into one of the store's.
func (db *DB) wrap(ctx context.Context, what string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && errors.Is(context.Cause(ctx), store.ErrUnavailable):
		return fmt.Errorf("%s: %w", what, context.Cause(ctx))
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, driver.ErrNoDocuments):
		return fmt.Errorf("%s: %w", what, store.ErrNotFound)
	case isDuplicate(err):
		return fmt.Errorf("%s: %w: %w", what, store.ErrDuplicate, err)
	case hasCode(err, codePathNotViable):
		return fmt.Errorf("%s: %w: %w", what, store.ErrInvalid, err)
	case isUnavailable(err):
		return fmt.Errorf("%s: %w: %w", what, store.ErrUnavailable, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// isDuplicate says whether a unique key refused a write. FerretDB has no code for
// this where an update or a new index runs into it: its words must do.
func isDuplicate(err error) bool {
	var server driver.ServerError
	return driver.IsDuplicateKeyError(err) ||
		errors.As(err, &server) && server.HasErrorCodeWithMessage(codeInternal, "UNIQUE constraint failed")
}

func isUnavailable(err error) bool {
	var selection topology.ServerSelectionError
	var connection topology.ConnectionError
	var cleared wire.RetryablePoolError // another call found the connections lost
	return driver.IsNetworkError(err) || driver.IsTimeout(err) ||
		errors.Is(err, driver.ErrClientDisconnected) || errors.Is(err, context.DeadlineExceeded) ||
		errors.As(err, &selection) || errors.As(err, &connection) || errors.As(err, &cleared) || hasCode(err, unavailable[:]...)
}

func hasCode(err error, codes ...int) bool {
	var server driver.ServerError
	if !errors.As(err, &server) {
		return false
	}
	for _, code := range codes {
		if server.HasErrorCode(code) {
			return true
		}
	}
	return false
}
