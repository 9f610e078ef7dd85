package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"github.com/fluxosd/fluxosd/internal/store"
)

// failure is the last error for which the file was to blame, until something was
// written again.
type failure struct {
	mu  sync.Mutex // guards err
	err error
}

// set keeps an error unless it is the call's own, which says nothing about the
// file.
func (f *failure) set(err error) {
	if !errors.Is(err, store.ErrUnavailable) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *failure) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = nil
}

func (f *failure) get() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// Ping reads from the file, and looks whether its path still leads to it. It
// writes only after a write has failed for the file's sake (a full disk, one
// that became read-only): it then tries a small write, so that the store is
// well again as soon as there is room, even if nobody else writes.
func (db *DB) Ping(ctx context.Context) error {
	lost := db.writer.files.check(0)
	var version int
	if err := db.reads.db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return db.reads.fail(ctx, "ping", err)
	}
	if lost != nil {
		return fmt.Errorf("ping: %w", lost)
	}
	failed := db.writer.failure.get()
	if failed == nil {
		return nil
	}
	err := db.writer.do(ctx, &job{alone: true, run: (*writer).probe})
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("ping: %w, after the last write failed: %w", ctx.Err(), failed)
	}
	return fmt.Errorf("ping: the last write failed, and so did another try: %w", err)
}

// probe writes the number of the schema again, if there is a failure to remember.
// The page goes to the log although nothing changes in it.
func (w *writer) probe() error {
	if w.failure.get() == nil {
		return nil // a write of somebody else went well meanwhile
	}
	err := w.transaction(false, func() error {
		var version int
		if err := w.query("PRAGMA user_version", nil, func(rows *sql.Rows) error { return rows.Scan(&version) }); err != nil {
			return err
		}
		return w.exec(fmt.Sprintf("PRAGMA user_version=%d", version))
	})
	if err == nil {
		w.failure.clear()
	}
	return err
}
