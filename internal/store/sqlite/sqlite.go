// Package sqlite keeps the document store in one SQLite file.
//
// It promises that a write is on the disk when it returns (write-ahead log,
// synchronous=FULL), that a query by a declared key uses its index, and that
// each call is carried out whole or not at all. Concurrent writes share one
// transaction and one flush of the disk.
//
// It refuses files that are not its own or that a newer version has written,
// and it never puts a value into the text of a statement. The file may be
// opened by several processes, on a local disk only.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"sync"
	"time"

	_ "modernc.org/sqlite" // registers the "sqlite" driver

	"github.com/fluxosd/fluxosd/internal/store"
)

const (
	readers     = 8 // connections that read at the same time
	busyTimeout = 5 * time.Second
	// openTimeout bounds opening and migrating the file.
	openTimeout = 30 * time.Second
	// closeTimeout bounds the last checkpoint.
	closeTimeout = 30 * time.Second
)

// Config says which file to open.
type Config struct {
	// Path of the file. It is created if missing; its folder must exist.
	Path string
	// Logger hears about opening and closing; nil for silence.
	Logger *slog.Logger
}

// DB is an open file. It implements store.Store.
type DB struct {
	path   string
	log    *slog.Logger
	writer *writer
	reads  *reader

	mu     sync.RWMutex // guards tables
	tables map[place]*table
}

var _ store.Store = (*DB)(nil)

// Open opens or creates the file and brings its schema up to date. The error
// says what the operator can do about it.
func Open(ctx context.Context, config Config) (*DB, error) {
	if config.Path == "" {
		return nil, errors.New("open database: no path given, an example is /var/lib/fluxosd/fluxosd.db")
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	path, err := filepath.Abs(config.Path)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	file, err := prepareFile(path)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	// cache_size is in KiB when negative. mmap stays off: each connection would
	// map the whole file again.
	writing, err := sql.Open("sqlite", dsn(path, "synchronous(FULL)", "cache_size(-8000)", "temp_store(MEMORY)"))
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	var files *identity
	conn, err := writing.Conn(ctx)
	if err == nil {
		if err = migrate(ctx, conn, path); err == nil {
			files, err = newIdentity(path, file)
		}
		if err != nil {
			conn.Close()
		}
	}
	if err != nil {
		writing.Close()
		return nil, fmt.Errorf("open database: %w", wrap(err))
	}
	reading := sql.OpenDB(&connector{writing.Driver(), dsn(path, "query_only(1)", "cache_size(-4000)"), files})
	reading.SetMaxOpenConns(readers)
	reading.SetMaxIdleConns(readers)
	db := &DB{
		path:   path,
		log:    config.Logger,
		writer: newWriter(writing, conn, files),
		reads:  &reader{db: reading, statements: map[string]*sql.Stmt{}},
		tables: map[place]*table{},
	}
	db.log.Info("Database opened", "path", path)
	return db, nil
}

// dsn is the driver's name for a file that exists, with pragmas for every
// connection.
func dsn(path string, pragmas ...string) string {
	query := url.Values{"mode": {"rw"}, "_pragma": append(pragmas, fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()))}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}).String()
}

// Version names the engine, like "SQLite 3.53.4".
func (db *DB) Version(ctx context.Context) (string, error) {
	var version string
	if err := db.reads.db.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&version); err != nil {
		return "", db.reads.fail(ctx, "version", err)
	}
	return "SQLite " + version, nil
}

// Close carries out the writes that wait, moves the log into the file and closes
// it. Calls after Close answer ErrUnavailable. Closing twice is harmless.
func (db *DB) Close() error {
	err := errors.Join(db.reads.close(), db.writer.close())
	db.log.Info("Database closed", "path", db.path)
	return err
}
