package sqlite

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fluxosd/fluxosd/internal/store"
)

// fillDisk lets no file of this process grow beyond size until release is called,
// which a write meets as it meets a full disk. Tests with it must not be parallel.
func fillDisk(t *testing.T, size int64) (release func()) {
	t.Helper()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	now := syscall.Rlimit{Cur: uint64(size), Max: before.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &now); err != nil {
		t.Fatal(err)
	}
	release = func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
			t.Error(err)
		}
		signal.Reset(syscall.SIGXFSZ)
	}
	t.Cleanup(release)
	return release
}

func readLog(t *testing.T, db *DB) []byte {
	t.Helper()
	log, err := os.ReadFile(db.path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func insertOne(ctx context.Context, db *DB) error {
	return db.Insert(ctx, crashers[0], bson.D{{Key: "loginPhrase", Value: "x"}})
}

func openDeclared(t *testing.T) *DB {
	t.Helper()
	db := openTemp(t)
	if err := db.Declare(t.Context(), crashers...); err != nil {
		t.Fatal(err)
	}
	if err := insertOne(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	return db
}

func TestPingTellsOfAFullDiskUntilThereIsRoom(t *testing.T) {
	db := openDeclared(t)
	full := readLog(t, db)
	release := fillDisk(t, int64(len(full)))
	if err := db.Ping(t.Context()); err != nil {
		t.Errorf("before a write failed: %v", err)
	}
	if err := insertOne(t.Context(), db); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("insert: got %v, want ErrUnavailable", err)
	}
	for range 2 {
		if err := db.Ping(t.Context()); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "write failed") {
			t.Errorf("Ping: got %v, want ErrUnavailable that tells of the write", err)
		}
	}
	// A call that finds nothing to write proves nothing.
	if n, err := db.Delete(t.Context(), crashers[0], store.Where("loginPhrase", "none")); n != 0 || err != nil {
		t.Errorf("a delete of nothing: %d, %v", n, err)
	}
	if err := db.Ping(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Ping after a delete of nothing: got %v, want ErrUnavailable", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.Ping(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Ping that has ended: got %v, want context.Canceled", err)
	}

	release()
	if err := db.Ping(t.Context()); err != nil {
		t.Errorf("Ping with room: %v", err)
	}
	written := readLog(t, db)
	if len(written) <= len(full) {
		t.Errorf("the log has %d bytes after a Ping that proved the room, want more than %d", len(written), len(full))
	}
	if err := db.Ping(t.Context()); err != nil || !bytes.Equal(readLog(t, db), written) {
		t.Errorf("a healthy Ping wrote to the log, or failed: %v", err)
	}
	if n, err := db.Count(t.Context(), crashers[0], nil); n != 1 || err != nil {
		t.Errorf("%d documents, %v; want the first alone", n, err)
	}
}

func TestASuccessfulWriteEndsTheFailure(t *testing.T) {
	db := openDeclared(t)
	release := fillDisk(t, int64(len(readLog(t, db))))
	if err := insertOne(t.Context(), db); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("insert: got %v, want ErrUnavailable", err)
	}
	release()
	if err := insertOne(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	written := readLog(t, db)
	if err := db.Ping(t.Context()); err != nil || !bytes.Equal(readLog(t, db), written) {
		t.Errorf("Ping wrote to the log after another write had gone well, or failed: %v", err)
	}
}

func TestAFailureOfTheCallIsNoneOfTheFile(t *testing.T) {
	db := openDeclared(t)
	twin := bson.D{{Key: "_id", Value: "twin"}}
	if err := db.Insert(t.Context(), crashers[0], twin); err != nil {
		t.Fatal(err)
	}
	if err := db.Insert(t.Context(), crashers[0], twin); !errors.Is(err, store.ErrDuplicate) {
		t.Fatalf("got %v, want ErrDuplicate", err)
	}
	if err := db.writer.failure.get(); err != nil {
		t.Errorf("the file was blamed: %v", err)
	}
}

// loss makes the file of a database, or its log, another than the opened one.
// back undoes it, or is nil where that can't be done.
type loss struct {
	do   func(t *testing.T, path string) (back func())
	want string
}

var lose = map[string]loss{
	"deleted": {func(t *testing.T, path string) func() {
		try(t, os.Remove(path))
		return nil
	}, "was deleted or moved away"},
	"moved away": {func(t *testing.T, path string) func() {
		try(t, os.Rename(path, path+".away"))
		return func() { try(t, os.Rename(path+".away", path)) }
	}, "was deleted or moved away"},
	"replaced": {func(t *testing.T, path string) func() {
		bytes, err := os.ReadFile(path)
		try(t, err)
		try(t, os.Rename(path, path+".away"))
		try(t, os.WriteFile(path, bytes, 0o600))
		return func() { try(t, os.Rename(path+".away", path)) }
	}, "was replaced"},
	"log deleted": {func(t *testing.T, path string) func() {
		try(t, os.Remove(path+"-wal"))
		return nil
	}, "-wal was deleted or moved away"},
	"folder moved away": {func(t *testing.T, path string) func() {
		dir := path[:strings.LastIndexByte(path, '/')]
		try(t, os.Rename(dir, dir+".away"))
		return func() { try(t, os.Rename(dir+".away", dir)) }
	}, "was deleted or moved away"},
}

func try(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestPingNoticesALostFileAndStopsWrites(t *testing.T) {
	for name, tt := range lose {
		t.Run(name, func(t *testing.T) { pingNotices(t, openDeclared(t), tt) })
		t.Run(name+" with readers open", func(t *testing.T) {
			db := openDeclared(t)
			readAtOnce(t, db)
			pingNotices(t, db, tt)
		})
	}
}

func pingNotices(t *testing.T, db *DB, tt loss) {
	t.Helper()
	back := tt.do(t, db.path)
	err := db.Ping(t.Context())
	if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "stop fluxosd") {
		t.Errorf("Ping: got %v, want ErrUnavailable with %q and advice", err, tt.want)
	}
	writes := map[string]func() error{
		"Insert":  func() error { return insertOne(t.Context(), db) },
		"Declare": func() error { return db.Declare(t.Context(), crashers...) },
		"Upsert": func() error {
			return db.Upsert(t.Context(), crashers[0], store.Where("loginPhrase", "x"), bson.D{{Key: "loginPhrase", Value: "x"}})
		},
		"Clear": func() error { _, err := db.Clear(t.Context(), crashers[0]); return err },
		"Take":  func() error { return db.Take(t.Context(), crashers[0], nil, nil) },
	}
	for what, write := range writes {
		if err := write(); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want ErrUnavailable with %q", what, err, tt.want)
		}
	}
	readAtOnce(t, db)
	if back == nil {
		return
	}
	back()
	if err := db.Ping(t.Context()); err != nil {
		t.Errorf("Ping after the file's return: %v", err)
	}
	if err := insertOne(t.Context(), db); err != nil {
		t.Errorf("Insert after the file's return: %v", err)
	}
	if n, err := db.Count(t.Context(), crashers[0], nil); n != 2 || err != nil {
		t.Errorf("%d documents, %v; want 2", n, err)
	}
}

// readAtOnce reads with more connections than are open. Each sees the one
// document of the opened file, or is refused.
func readAtOnce(t *testing.T, db *DB) {
	t.Helper()
	var group sync.WaitGroup
	for range 4 * readers {
		group.Go(func() {
			if n, err := db.Count(t.Context(), crashers[0], nil); err == nil && n != 1 || err != nil && !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("Count: %d, %v; want 1 or ErrUnavailable", n, err)
			}
		})
	}
	group.Wait()
}

func TestAcknowledgementsOfALostFileStopByThemselves(t *testing.T) {
	for name, tt := range lose {
		t.Run(name, func(t *testing.T) {
			db := openDeclared(t)
			back := tt.do(t, db.path)
			start := time.Now()
			var err error
			for err == nil && time.Since(start) < 10*time.Second {
				err = insertOne(t.Context(), db)
			}
			took := time.Since(start)
			if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("after %v: got %v, want ErrUnavailable with %q", took, err, tt.want)
			}
			if took > identityAge+time.Second {
				t.Errorf("writes were acknowledged for %v", took)
			}
			if back != nil {
				back()
			}
		})
	}
}

// Close moves what was written into the database even if its log has no name
// any more, as the advice to the operator says.
func TestStoppingSavesADeletedLog(t *testing.T) {
	db := openDeclared(t)
	try(t, os.Remove(db.path+"-wal"))
	if err := db.Ping(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("Ping: got %v, want ErrUnavailable", err)
	}
	try(t, db.Close())
	again, err := Open(t.Context(), Config{Path: db.path})
	try(t, err)
	defer again.Close()
	try(t, again.Declare(t.Context(), crashers...))
	if n, err := again.Count(t.Context(), crashers[0], nil); n != 1 || err != nil {
		t.Errorf("%d documents, %v; want 1", n, err)
	}
}

func TestIdentityIsKnownOfAFileThatNeedsNoMigration(t *testing.T) {
	for _, mode := range []string{"WAL", "DELETE"} {
		db := openDeclared(t)
		try(t, db.Close())
		script(t, db.path, "PRAGMA journal_mode="+mode)
		again, err := Open(t.Context(), Config{Path: db.path})
		if err != nil {
			t.Fatalf("journal mode %s: %v", mode, err)
		}
		try(t, again.Ping(t.Context()))
		try(t, again.Close())
	}
}

func TestOpenRefusesAFileReplacedMeanwhile(t *testing.T) {
	db := openDeclared(t)
	try(t, os.WriteFile(db.path+".other", nil, 0o600))
	other, err := os.Stat(db.path + ".other")
	try(t, err)
	if _, err := newIdentity(db.path, other); err == nil || !strings.Contains(err.Error(), "start fluxosd again") {
		t.Errorf("got %v, want advice", err)
	}
	if _, err := newIdentity(db.path+".none", other); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want ErrNotExist", err)
	}
}

// The writer looks at the files at most once in identityAge.
func TestWriterTrustsAYoungLook(t *testing.T) {
	db := openDeclared(t)
	files := db.writer.files
	files.mu.Lock()
	files.looked = time.Now().Add(math.MaxInt32 * time.Second)
	files.mu.Unlock()
	try(t, os.Remove(db.path))
	if err := files.check(identityAge); err != nil {
		t.Errorf("looked again: %v", err)
	}
}
