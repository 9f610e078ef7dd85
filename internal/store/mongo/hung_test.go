package mongo

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fluxosd/fluxosd/internal/store"
)

// mostOfACall is how long a call may take by default: its time limit, and some
// time for a busy machine.
const mostOfACall = 6 * time.Second

// A stopped process keeps its connections, and the kernel accepts new ones for it:
// only silence tells that it hangs.
func TestEveryCallEndsSoonWhenTheServerHangs(t *testing.T) {
	own, err := startServer(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { own.Stop(syscall.SIGKILL) }()
	open := func() *DB {
		db, err := Open(t.Context(), Config{URI: own.uri()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return db
	}
	db, building, closed := open(), open(), open()
	n := store.Field{Name: "n", Type: store.Int}
	c := &store.Collection{Database: "hung", Name: "things", Indexes: []store.Index{{Fields: []store.Field{n}}}, Expiry: &store.Expiry{Field: "at"}}
	if err := db.Declare(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	one := bson.D{{Key: "n", Value: 1}}
	if err := db.Insert(t.Context(), c, one); err != nil {
		t.Fatal(err)
	}
	first := store.Where("n", 1)
	calls := map[string]func(ctx context.Context) error{
		"Declare": func(ctx context.Context) error { return building.Declare(ctx, c) },
		"Insert":  func(ctx context.Context) error { return db.Insert(ctx, c, one) },
		"Inserts": func(ctx context.Context) error { return db.Insert(ctx, c, one, one) },
		"Upsert":  func(ctx context.Context) error { return db.Upsert(ctx, c, first, one) },
		"Update": func(ctx context.Context) error {
			_, err := db.Update(ctx, c, first, store.Set{"n": 1})
			return err
		},
		"Find":          func(ctx context.Context) error { return db.Find(ctx, c, store.Query{}, &[]bson.D{}) },
		"FindOne":       func(ctx context.Context) error { return db.FindOne(ctx, c, store.Query{}, &bson.D{}) },
		"Take":          func(ctx context.Context) error { return db.Take(ctx, c, first, nil) },
		"Count":         func(ctx context.Context) error { _, err := db.Count(ctx, c, nil); return err },
		"Distinct":      func(ctx context.Context) error { _, err := db.Distinct(ctx, c, "n", nil); return err },
		"Delete":        func(ctx context.Context) error { _, err := db.Delete(ctx, c, first); return err },
		"Clear":         func(ctx context.Context) error { _, err := db.Clear(ctx, c); return err },
		"Bulk":          func(ctx context.Context) error { _, err := db.Bulk(ctx, c, []store.Write{{Insert: one}}); return err },
		"DeleteExpired": func(ctx context.Context) error { _, err := db.DeleteExpired(ctx, c, time.Now()); return err },
		"Ping":          db.Ping,
		"Version":       func(ctx context.Context) error { _, err := db.Version(ctx); return err },
		"Open": func(ctx context.Context) error {
			_, err := Open(ctx, Config{URI: own.uri()})
			return err
		},
		"Close": func(context.Context) error {
			closed.Close() // whether it could say goodbye does not matter
			return store.ErrUnavailable
		},
	}

	if err := own.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	check := func(name string) {
		start := time.Now()
		err := calls[name](t.Context())
		if took := time.Since(start); took > mostOfACall {
			t.Errorf("%s took %v", name, took)
		}
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: got %v, want ErrUnavailable", name, err)
		}
	}
	// The first call has a connection that seems to be good. Those that follow
	// need new ones.
	check("Upsert")
	var group sync.WaitGroup
	for name := range calls {
		group.Go(func() { check(name) })
	}
	// A caller's own deadline is an earlier end, and its own.
	group.Go(func() {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := db.Find(ctx, c, store.Query{}, &[]bson.D{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want DeadlineExceeded", err)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("a call with a deadline after a second took %v", took)
		}
	})
	group.Wait()

	if err := own.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for err = db.Ping(t.Context()); err != nil; err = db.Ping(t.Context()) {
		if time.Now().After(deadline) {
			t.Fatalf("after the server went on: %v", err)
		}
	}
}
