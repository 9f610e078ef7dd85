// Package mongo keeps the document store in a MongoDB server, in the databases
// and collections that FluxOS uses.
//
// It promises that a write was journaled when it returns, that an unreachable or
// hanging server is ErrUnavailable within about five seconds, retries included,
// and that it works again by itself when the server is back. A write that ended
// so may have happened, or may still happen. It deletes expired
// documents when told to, whether or not the server has TTL indexes.
//
// It refuses to start without the server. It leaves indexes alone that others
// made with other options. It sends values only as operands of explicit
// comparisons, and it never shows the URI, which may hold a password.
package mongo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/fluxosd/fluxosd/internal/store"
	"github.com/fluxosd/fluxosd/internal/store/internal/shape"
)

const (
	defaultTimeout = 5 * time.Second
	// selectionTimeout bounds the wait for a server that may be used.
	selectionTimeout = 3 * time.Second
	// connectTimeout bounds making one connection, and the server's answer to a
	// heartbeat; closing waits for one that is under way.
	connectTimeout = 2 * time.Second
	// openTimeout bounds the first answer of the server.
	openTimeout = 3 * time.Second
	// buildTimeout bounds the creation of all indexes, and attendEvery is how
	// often the server is asked meanwhile whether it is still there.
	buildTimeout = 10 * time.Minute
	attendEvery  = 500 * time.Millisecond
	// closeTimeout bounds taking leave of the server.
	closeTimeout = 500 * time.Millisecond
)

// Config says which server to use.
type Config struct {
	// URI of the server: mongodb://[user:password@]host[:port]/[?options], or
	// mongodb+srv://…
	URI string
	// AppName is shown in the server's logs; "fluxosd" if empty.
	AppName string
	// Timeout bounds each call with all its retries; 5 s if zero. Only Declare
	// takes longer, as long as the server answers pings.
	Timeout time.Duration
	// DatabasePrefix is put before the name of every database. Tests use it to
	// share a server; a node leaves it empty, to have FluxOS's names.
	DatabasePrefix string
	// Logger hears about indexes that could not be made; nil for silence.
	Logger *slog.Logger
}

// DB is a connected server. It implements store.Store.
type DB struct {
	client  *driver.Client
	prefix  string
	timeout time.Duration
	log     *slog.Logger

	mu       sync.RWMutex // guards the fields below
	declared map[place]bool
	closed   bool
}

// place names a collection whatever declaration the caller holds.
type place struct{ database, name string }

var _ store.Store = (*DB)(nil)

// Open connects to the server. If it does not answer within three seconds, the
// error wraps store.ErrUnavailable. Looking up a mongodb+srv:// name comes before
// and takes as long as the machine's resolver.
func Open(ctx context.Context, config Config) (*DB, error) {
	if config.AppName == "" {
		config.AppName = "fluxosd"
	}
	if config.Timeout <= 0 {
		config.Timeout = defaultTimeout
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	opts, err := clientOptions(config)
	if err != nil {
		return nil, err
	}
	client, err := driver.Connect(opts)
	if err != nil {
		return nil, errors.New("connect to MongoDB: the options of the URI contradict each other")
	}
	db := &DB{client: client, prefix: config.DatabasePrefix, timeout: config.Timeout, log: config.Logger, declared: map[place]bool{}}
	asking, cancel := context.WithTimeoutCause(ctx, openTimeout, errSilent)
	defer cancel()
	if err := db.Ping(asking); err != nil {
		return nil, errors.Join(fmt.Errorf("connect to MongoDB at %v: %w", opts.Hosts, err), db.Close())
	}
	return db, nil
}

// clientOptions turns the configuration into the driver's. Its errors leave the
// driver's words out: they may quote the URI.
func clientOptions(config Config) (*options.ClientOptions, error) {
	if err := Check(config.URI); err != nil {
		return nil, err
	}
	opts := options.Client().ApplyURI(config.URI)
	if err := opts.Validate(); err != nil {
		// What is left to go wrong is what Check can't ask: the network.
		return nil, fmt.Errorf("%w: the servers of the mongodb+srv:// URI were not found in the DNS, or their entry there is not valid", store.ErrUnavailable)
	}
	opts.SetAppName(config.AppName).SetTimeout(config.Timeout).SetServerSelectionTimeout(selectionTimeout).SetConnectTimeout(connectTimeout)
	// The URI's own wish for acknowledgement stands, but never without a journal.
	concern := writeconcern.WriteConcern{}
	if opts.WriteConcern != nil {
		concern = *opts.WriteConcern
	}
	journal := true
	concern.Journal = &journal
	if !concern.Acknowledged() || concern.W == 0 {
		concern.W = nil
	}
	return opts.SetWriteConcern(&concern), nil
}

// Ping asks the server.
func (db *DB) Ping(ctx context.Context) error {
	ctx, cancel := db.bound(ctx)
	defer cancel()
	return db.wrap(ctx, "ping", db.client.Ping(ctx, nil))
}

// Version names the server, like "MongoDB 7.0.42".
func (db *DB) Version(ctx context.Context) (string, error) {
	var info struct {
		Version string `bson:"version"`
	}
	ctx, cancel := db.bound(ctx)
	defer cancel()
	err := db.client.Database("admin").RunCommand(ctx, bson.D{{Key: "buildInfo", Value: 1}}).Decode(&info)
	if err != nil {
		return "", db.wrap(ctx, "version", err)
	}
	return "MongoDB " + info.Version, nil
}

// Close ends the connections. Calls after Close answer ErrUnavailable. Closing
// twice is harmless.
func (db *DB) Close() error {
	db.mu.Lock()
	closed := db.closed
	db.closed = true
	db.mu.Unlock()
	if closed {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := db.client.Disconnect(ctx); err != nil {
		return fmt.Errorf("disconnect from MongoDB: %w", err)
	}
	return nil
}

// collection returns the driver's handle of a declared collection.
func (db *DB) collection(ctx context.Context, c *store.Collection) (*driver.Collection, error) {
	if c == nil {
		return nil, shape.Invalid("no collection given")
	}
	db.mu.RLock()
	declared := db.declared[place{c.Database, c.Name}]
	db.mu.RUnlock()
	if !declared {
		return nil, shape.Invalid("collection %.80q in database %.80q was not declared", c.Name, c.Database)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return db.handle(c), nil
}

// matching returns the handle of a declared collection and the driver's form of f.
func (db *DB) matching(ctx context.Context, c *store.Collection, f store.Filter) (*driver.Collection, bson.D, error) {
	return db.selecting(ctx, c, store.Query{Filter: f})
}

// selecting is matching for the filter of a query, which it checks as a whole.
func (db *DB) selecting(ctx context.Context, c *store.Collection, q store.Query) (*driver.Collection, bson.D, error) {
	coll, err := db.collection(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	conds, err := shape.Query(q)
	if err != nil {
		return nil, nil, err
	}
	return coll, filter(conds), nil
}

func (db *DB) handle(c *store.Collection) *driver.Collection {
	return db.client.Database(db.prefix + c.Database).Collection(c.Name)
}
