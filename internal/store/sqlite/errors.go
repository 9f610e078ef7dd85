package sqlite

import (
	"database/sql"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/fluxosd/fluxosd/internal/store"
)

var errClosed = fmt.Errorf("%w: the store is closed", store.ErrUnavailable)

// wrap turns an engine's error into one of the store's.
func wrap(err error) error {
	var engine *sqlite.Error
	switch {
	case err == nil, errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrDuplicate):
		return err
	case errors.Is(err, sql.ErrConnDone), errors.Is(err, errText):
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	case !errors.As(err, &engine):
		return err
	case isDuplicate(engine.Code()):
		return fmt.Errorf("%w: %w", store.ErrDuplicate, err)
	case primary(engine.Code()) == lib.SQLITE_FULL:
		return fmt.Errorf("%w: the disk is full: %w", store.ErrUnavailable, err)
	case breaksTransaction(engine.Code()):
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return err
}

// primary drops the detail of an extended result code.
func primary(code int) int { return code & 0xff }

func isDuplicate(code int) bool {
	return code == lib.SQLITE_CONSTRAINT_UNIQUE || code == lib.SQLITE_CONSTRAINT_PRIMARYKEY
}

// breaksTransaction names the results after which nothing can be said about the
// transaction: SQLite may have rolled it back by itself.
func breaksTransaction(code int) bool {
	switch primary(code) {
	case lib.SQLITE_FULL, lib.SQLITE_IOERR, lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB, lib.SQLITE_CANTOPEN,
		lib.SQLITE_READONLY, lib.SQLITE_BUSY, lib.SQLITE_LOCKED, lib.SQLITE_NOMEM, lib.SQLITE_PERM,
		lib.SQLITE_PROTOCOL, lib.SQLITE_INTERRUPT:
		return true
	}
	return false
}
