package mongo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.uber.org/goleak"

	"github.com/fluxosd/fluxosd/internal/store"
	"github.com/fluxosd/fluxosd/internal/store/storetest"
	"github.com/fluxosd/fluxosd/internal/testproc"
)

var opened atomic.Int64

// openAt opens databases of its own on a server, and drops them at the end.
func openAt(t *testing.T, uri string) *DB {
	t.Helper()
	prefix := fmt.Sprintf("t%d_%d_%d_", time.Now().Unix(), os.Getpid(), opened.Add(1))
	db, err := Open(t.Context(), Config{URI: uri, DatabasePrefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dropDatabases(t, uri, prefix) })
	t.Cleanup(func() { db.Close() })
	return db
}

func dropDatabases(t *testing.T, uri, prefix string) {
	ctx := context.Background() // the test's own has ended
	client, err := driver.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Error(err)
		return
	}
	defer client.Disconnect(ctx)
	names, err := client.ListDatabaseNames(ctx, bson.D{})
	if err != nil {
		t.Error(err)
	}
	for _, name := range names {
		if strings.HasPrefix(name, prefix) {
			if err := client.Database(name).Drop(ctx); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestConformance(t *testing.T) {
	uris := map[string]string{"FerretDB": shared.uri()}
	// A server of the developer's choice, for example a real mongod.
	if uri := os.Getenv("FLUXOSD_TEST_MONGO_URI"); uri != "" {
		uris["FLUXOSD_TEST_MONGO_URI"] = uri
	}
	running := goleak.IgnoreCurrent() // what waits for the shared server
	t.Cleanup(func() { goleak.VerifyNone(t, running) })
	for name, uri := range uris {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) store.Store { return openAt(t, uri) })
		})
	}
}

const secret = "pa55w0rd-of-the-test"

func TestRefusesBadURIsWithoutShowingThem(t *testing.T) {
	for name, uri := range map[string]string{
		"empty":           "",
		"other scheme":    "mysql://user:" + secret + "@127.0.0.1/",
		"no host":         "mongodb://user:" + secret + "@/",
		"unescaped @":     "mongodb://user:" + secret + "/@@127.0.0.1:1/",
		"bad escape":      "mongodb://user:%zz" + secret + "@127.0.0.1/",
		"bad port":        "mongodb://user:" + secret + "@127.0.0.1:99999/",
		"bad option":      "mongodb://user:" + secret + "@127.0.0.1/?tls=" + secret,
		"path to nowhere": "/var/lib/" + secret,
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			_, err := Open(t.Context(), Config{URI: uri, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), "mongodb://127.0.0.1:27017/") {
				t.Errorf("the error gives no example: %v", err)
			}
			if text := err.Error() + log.String(); strings.Contains(text, secret) {
				t.Errorf("the password is shown: %s", text)
			}
		})
	}
}

func TestMissingServerIsAClearErrorSoon(t *testing.T) {
	address, err := testproc.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	_, err = Open(t.Context(), Config{URI: "mongodb://user:" + secret + "@" + address + "/"})
	if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), address) {
		t.Errorf("got %v, want ErrUnavailable that names %s", err, address)
	}
	if strings.Contains(fmt.Sprintf("%v %+v", err, err), secret) {
		t.Errorf("the password is shown: %v", err)
	}
	if took := time.Since(start); took > 6*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestRecoversWhenTheServerComesBack(t *testing.T) {
	own, err := startServer(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { own.Stop(syscall.SIGTERM) }()
	db, err := Open(t.Context(), Config{URI: own.uri()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	c := &store.Collection{Database: "recovery", Name: "things", Indexes: []store.Index{{Fields: []store.Field{{Name: "n", Type: store.Int}}}}}
	if err := db.Declare(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if err := db.Insert(t.Context(), c, bson.D{{Key: "n", Value: 1}}); err != nil {
		t.Fatal(err)
	}
	own.Stop(syscall.SIGKILL)

	start := time.Now()
	const calls = 5
	failures := make(chan error, 2*calls)
	for i := range calls {
		go func() { failures <- db.Insert(t.Context(), c, bson.D{{Key: "n", Value: i + 2}}) }()
		go func() { failures <- db.FindOne(t.Context(), c, store.Query{}, &bson.D{}) }()
	}
	for range 2 * calls {
		if err := <-failures; !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("without a server: got %v, want ErrUnavailable", err)
		}
	}
	if took := time.Since(start); took > 8*time.Second {
		t.Errorf("calls without a server took %v", took)
	}

	if own, err = startServerAt(own.address, own.dir); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		n, err := db.Count(t.Context(), c, store.Where("n", 1))
		if err == nil && n == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after the server's return: %d documents, error %v", n, err)
		}
	}
	if err := db.Insert(t.Context(), c, bson.D{{Key: "n", Value: 9}}); err != nil {
		t.Errorf("Insert after the server's return: %v", err)
	}
}

func TestLeavesForeignIndexesAlone(t *testing.T) {
	db := openAt(t, shared.uri())
	c := &store.Collection{Database: "indexes", Name: "things", Indexes: []store.Index{{Fields: []store.Field{{Name: "hash"}}}}}
	_, err := db.handle(c).Indexes().CreateOne(t.Context(), driver.IndexModel{
		Keys: bson.D{{Key: "hash", Value: 1}}, Options: options.Index().SetName("mine"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Declare(t.Context(), c); err != nil {
		t.Fatalf("Declare: %v", err)
	}
	specs, err := db.handle(c).Indexes().ListSpecifications(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range specs {
		if spec.Name == "mine" {
			return
		}
	}
	t.Errorf("the index is gone: %v", specs)
}

// clearedPool is how the driver refuses a call whose connection another call
// found to be lost.
type clearedPool struct{}

func (clearedPool) Error() string   { return "connection pool was cleared" }
func (clearedPool) Retryable() bool { return true }

func TestErrorsOfTheDriverBecomeThoseOfTheStore(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tt := range map[string]struct {
		ctx       context.Context
		err, want error
	}{
		"none":             {t.Context(), nil, nil},
		"ended call":       {ended, clearedPool{}, context.Canceled},
		"no document":      {t.Context(), driver.ErrNoDocuments, store.ErrNotFound},
		"duplicate":        {t.Context(), driver.WriteException{WriteErrors: driver.WriteErrors{{Code: 11000}}}, store.ErrDuplicate},
		"path":             {t.Context(), driver.CommandError{Code: codePathNotViable}, store.ErrInvalid},
		"closed":           {t.Context(), driver.ErrClientDisconnected, store.ErrUnavailable},
		"time-out":         {t.Context(), context.DeadlineExceeded, store.ErrUnavailable},
		"not the primary":  {t.Context(), driver.CommandError{Code: 10107}, store.ErrUnavailable},
		"network":          {t.Context(), driver.CommandError{Labels: []string{"NetworkError"}}, store.ErrUnavailable},
		"lost connections": {t.Context(), clearedPool{}, store.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			got := new(DB).wrap(tt.ctx, "x", tt.err)
			if !errors.Is(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	if got := new(DB).wrap(t.Context(), "x", errors.New("other")); errors.Is(got, store.ErrUnavailable) {
		t.Errorf("an error of another kind: got %v", got)
	}
}

func TestFoldPatternQuotesEverything(t *testing.T) {
	for text, want := range map[string]string{
		"":          `\A\z`,
		"aZ9":       `\A[aA][zZ]9\z`,
		`.*\E$`:     `\A\x2e\x2a\x5c[eE]\x24\z`,
		"\x00\n é🙂": `\A\x00\x0a\x20é🙂\z`,
	} {
		if got := foldPattern(text); got != want {
			t.Errorf("foldPattern(%q) = %s, want %s", text, got, want)
		}
	}
}
