package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fluxosd/fluxosd/internal/store"
)

// script runs statements on a file, which it creates if it is missing.
func script(t *testing.T, path, text string) {
	t.Helper()
	if _, err := prepareFile(path); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", dsn(path))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(text); err != nil {
		t.Fatal(err)
	}
}

func TestOpenRefusesWithAdvice(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(t *testing.T, dir string) (path string)
		want    string
	}{
		{"no path", func(*testing.T, string) string { return "" }, "no path given"},
		{"missing folder", func(_ *testing.T, dir string) string { return filepath.Join(dir, "none", "a.db") }, "create it"},
		{"folder as path", func(_ *testing.T, dir string) string { return dir }, "is a folder"},
		{"file as folder", func(t *testing.T, dir string) string {
			path := filepath.Join(dir, "file")
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			return filepath.Join(path, "a.db")
		}, "is not a folder"},
		{"no database", func(t *testing.T, dir string) string {
			path := filepath.Join(dir, "text")
			if err := os.WriteFile(path, []byte("hello"), 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		}, "is not an SQLite database"},
		{"foreign database", func(t *testing.T, dir string) string {
			script(t, filepath.Join(dir, "a.db"), "PRAGMA application_id=7")
			return filepath.Join(dir, "a.db")
		}, "another program"},
		{"foreign tables", func(t *testing.T, dir string) string {
			script(t, filepath.Join(dir, "a.db"), "CREATE TABLE users(name)")
			return filepath.Join(dir, "a.db")
		}, "another program"},
		{"newer schema", func(t *testing.T, dir string) string {
			script(t, filepath.Join(dir, "a.db"), "PRAGMA application_id=1179407704; PRAGMA user_version=99")
			return filepath.Join(dir, "a.db")
		}, "newer fluxosd"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := test.prepare(t, t.TempDir())
			before, _ := os.ReadFile(path)
			_, err := Open(t.Context(), Config{Path: path})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want an error with %q", err, test.want)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
				t.Error("the file was changed")
			}
		})
	}
}

func TestOpenRefusesAnUnwritableFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	if err := os.WriteFile(path, nil, 0o400); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		// Root may write everything: let this thread look at files as nobody.
		// The thread is not used for anything else, it ends with the goroutine.
		runtime.LockOSThread()
		const nobody = 65534
		if err := os.Chmod(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		syscall.RawSyscall(syscall.SYS_SETFSUID, nobody, 0, 0)
		defer syscall.RawSyscall(syscall.SYS_SETFSUID, 0, 0, 0)
	}
	if _, err := prepareFile(path); !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), "writable") {
		t.Errorf("got %v, want advice about permissions", err)
	}
}

func TestDamagedFileIsUnavailable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	if err := os.WriteFile(path, append([]byte("SQLite format 3\x00"), make([]byte, 4096)...), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Config{Path: path}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
}

func TestFullDiskIsUnavailableAndNothingIsHalfWritten(t *testing.T) {
	db := openTemp(t)
	if err := db.Declare(t.Context(), crashers...); err != nil {
		t.Fatal(err)
	}
	// SQLite's own limit on the size of the file gives the answer of a full disk.
	if _, err := db.writer.conn.ExecContext(t.Context(), "PRAGMA max_page_count=20"); err != nil {
		t.Fatal(err)
	}
	docs := make([]any, 100)
	for i := range docs {
		docs[i] = bson.D{{Key: "loginPhrase", Value: strings.Repeat("x", 4000)}}
	}
	if err := db.Insert(t.Context(), crashers[0], docs...); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "full") {
		t.Errorf("got %v, want ErrUnavailable that says the disk is full", err)
	}
	if n, err := db.Count(t.Context(), crashers[0], nil); n != 0 || err != nil {
		t.Errorf("%d documents, %v; want none", n, err)
	}
	if err := db.Insert(t.Context(), crashers[0], bson.D{{Key: "loginPhrase", Value: "small"}}); err != nil {
		t.Errorf("a write that fits: %v", err)
	}
}

func TestReopenedFileKeepsDocumentsPrivately(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a ?%b.db")
	for i := range int64(3) {
		db, err := Open(t.Context(), Config{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Declare(t.Context(), crashers...); err != nil {
			t.Fatal(err)
		}
		if n, err := db.Count(t.Context(), crashers[0], nil); n != i || err != nil {
			t.Errorf("%d documents, %v; want %d", n, err, i)
		}
		if err := db.Insert(t.Context(), crashers[0], bson.D{}); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != fileMode {
		t.Errorf("mode %v, %v; want %v", info.Mode(), err, os.FileMode(fileMode))
	}
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the log was left behind: %v", err)
	}
}

// A caller that gives up while its write waits gets it undone; one whose write
// has begun gets its outcome.
func TestWriteIsNeverHalfDoneForItsCaller(t *testing.T) {
	db := openTemp(t)
	if err := db.Declare(t.Context(), crashers...); err != nil {
		t.Fatal(err)
	}
	begun, release := make(chan struct{}), make(chan struct{})
	held := make(chan error, 1)
	holding, stopHolding := context.WithCancel(t.Context())
	go func() {
		held <- db.writer.do(holding, &job{alone: true, run: func(*writer) error {
			close(begun)
			<-release
			return nil
		}})
	}()
	<-begun
	stopHolding() // too late: it has begun

	ctx, cancel := context.WithCancel(t.Context())
	waiting := make(chan error, 1)
	go func() { waiting <- db.Insert(ctx, crashers[0], bson.D{{Key: "loginPhrase", Value: "given up"}}) }()
	for len(db.writer.queue) == 0 {
		runtime.Gosched()
	}
	cancel()
	if err := <-waiting; !errors.Is(err, context.Canceled) {
		t.Errorf("waiting write: got %v, want context.Canceled", err)
	}
	close(release)
	if err := <-held; err != nil {
		t.Errorf("begun write: got %v, want its success", err)
	}
	if n, err := db.Count(t.Context(), crashers[0], nil); n != 0 || err != nil {
		t.Errorf("%d documents, %v; want none", n, err)
	}
}
