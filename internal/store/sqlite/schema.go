package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// applicationID is "FLUX" in the header of every file of ours (set by the first
// migration).
const applicationID = 0x464C5558

// fileMode keeps sessions from other users of the machine.
const fileMode = 0o600

// Migrations are numbered from 1 without gaps; the number of the last is the
// file's user_version.
//
//go:embed migrations/*.sql
var migrations embed.FS

// prepareFile creates the file if it is missing and refuses what can't be a
// database, with words for the operator. It returns which file it found.
func prepareFile(path string) (fs.FileInfo, error) {
	dir := filepath.Dir(path)
	if info, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the folder %s does not exist: create it, or choose another path for the database", dir)
	} else if err == nil && !info.IsDir() {
		return nil, fmt.Errorf("%s is not a folder: choose another path for the database", dir)
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a folder: the database needs the path of a file, for example %s", path, filepath.Join(path, "fluxosd.db"))
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, fmt.Errorf("%w: make the file and its folder writable for the user that fluxosd runs as", err)
	}
	defer f.Close()
	magic := []byte("SQLite format 3\x00")
	head := make([]byte, len(magic))
	if _, err := io.ReadFull(f, head); errors.Is(err, io.EOF) {
		return f.Stat() // just created
	} else if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	if !bytes.Equal(head, magic) {
		return nil, fmt.Errorf("%s is not an SQLite database: move it away, or choose another path", path)
	}
	return f.Stat()
}

// migrate brings the file to the newest schema in one transaction. It changes
// nothing in a file that belongs to another program or a newer fluxosd.
func migrate(ctx context.Context, conn *sql.Conn, path string) error {
	var app, version, tables int
	for query, into := range map[string]*int{
		"PRAGMA application_id":                   &app,
		"PRAGMA user_version":                     &version,
		"SELECT count(*) FROM main.sqlite_schema": &tables,
	} {
		if err := conn.QueryRowContext(ctx, query).Scan(into); err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
	}
	fresh := app == 0 && version == 0 && tables == 0
	if app != applicationID && !fresh {
		return fmt.Errorf("%s is a database of another program (application id %#x): choose another path", path, app)
	}
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		return err
	}
	if version > len(files) {
		return fmt.Errorf("%s was written by a newer fluxosd (schema %d, this one knows %d): install that version again, or choose another path", path, version, len(files))
	}
	// The journal mode can't change inside a transaction, and WAL stays set.
	// The log is made by the first read after it.
	if _, err := conn.ExecContext(ctx, "PRAGMA journal_mode=WAL; SELECT count(*) FROM main.sqlite_schema"); err != nil {
		return fmt.Errorf("switch %s to a write-ahead log: %w", path, err)
	}
	if version == len(files) {
		return nil
	}
	var script strings.Builder
	for _, file := range files[version:] {
		text, err := migrations.ReadFile("migrations/" + file.Name())
		if err != nil {
			return err
		}
		script.Write(text)
		script.WriteByte('\n')
	}
	fmt.Fprintf(&script, "PRAGMA user_version = %d;", len(files))
	return inTransaction(ctx, conn, func() error {
		_, err := conn.ExecContext(ctx, script.String())
		return err
	})
}

// inTransaction runs work in one write transaction.
func inTransaction(ctx context.Context, conn *sql.Conn, work func() error) error {
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := work()
	if err == nil {
		_, err = conn.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		// After some errors SQLite has rolled back already; this then fails.
		conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	}
	return err
}
