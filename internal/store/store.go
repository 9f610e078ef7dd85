// Package store declares the document store that every module keeps its state
// in, and the collections of a node.
//
// A document is anything that the bson package can marshal to a document: a
// struct with bson tags, or a bson.D where member order matters. Order and
// types of members survive a round trip: string, int32, int64, double, bool,
// null, date, ObjectID, binary, decimal128, embedded documents and arrays.
// Times are kept with millisecond precision in UTC. Other BSON types, text
// that is not UTF-8, member names that start with "$" or contain ".", more
// than 100 levels and more than 16 MiB are refused with ErrInvalid.
//
// Two adapters implement Store, store/sqlite (the default) and store/mongo,
// and both pass the suite in store/storetest. A write that returned nil
// survives the death of the process. The package refuses queries that it
// can't answer from declared shapes: there are no server-side scripts, no
// regular expressions and no operators inside values, so a value that came
// from a request can only ever be compared, and only with members of its own
// type: the string "1" never equals the number 1.
//
// A document may bring its own "_id", a string or an integer, unique in its
// collection; it becomes the first member and never changes. Without one the
// engine may number the document with an ObjectID, which is never shown.
//
// Conditions, sorting and Distinct are defined for scalar members reached
// through embedded documents. Arrays are kept faithfully, but whether a
// condition looks into an array is left to the engine.
package store

import (
	"context"
	"errors"
	"time"
)

var (
	// ErrNotFound says that no document matches.
	ErrNotFound = errors.New("document not found")
	// ErrDuplicate says that a document with the same unique key exists.
	ErrDuplicate = errors.New("duplicate key")
	// ErrInvalid says that the call itself is wrong, whatever the store holds:
	// a field name, a value or a document that is refused, an empty filter
	// where one is required, a collection that was not declared.
	ErrInvalid = errors.New("invalid store call")
	// ErrUnavailable wraps every failure to reach the store itself: a lost
	// connection, a closed handle, a full or read-only disk.
	ErrUnavailable = errors.New("store unavailable")
)

// Type is the type of a declared field. It decides how values are compared and
// sorted, and how the SQLite adapter extracts them from a document.
type Type uint8

const (
	String Type = iota
	Int
	Time
	Bool
)

// Field is one member of an index. Name may be dotted to reach into embedded
// documents ("appSpecifications.name"); each part is a letter or "_" followed by
// letters, digits, "_" and "-".
type Field struct {
	Name string
	Type Type
	Desc bool
	// Fold compares strings without regard to ASCII letter case (EqFold).
	Fold bool
}

// Index is a declared key of a collection. Every document of the collection must
// have all fields of a unique index, of the declared type (ErrInvalid otherwise).
// Unique and Fold exclude each other.
type Index struct {
	Name   string
	Fields []Field
	Unique bool
}

// Expiry says when documents of a collection end: at the time in Field plus After.
// Documents without the field, or with another type in it, never expire.
type Expiry struct {
	Field string
	After time.Duration
}

// Collection declares one collection: where it lives, its keys and its life time.
// Database and Name are FluxOS's own, so that a node can change between the two.
type Collection struct {
	Database string
	Name     string
	Indexes  []Index
	Expiry   *Expiry
	// Volatile collections hold what is worth little after a power cut: the
	// last inserts of some moments may be lost by one. They survive the death
	// of the process like all others.
	Volatile bool
}

// Op compares a field with a value.
type Op uint8

const (
	Eq     Op = iota
	EqFold    // strings of at most MaxFold bytes, ASCII letter case ignored
	In        // Value is a slice of at most MaxIn values
	Gt
	Gte
	Lt
	Lte
	Exists // Value is a bool
)

const (
	// MaxFold is the longest value of EqFold, in bytes.
	MaxFold = 1024
	// MaxIn is the largest number of values of In.
	MaxIn = 10_000
)

// Cond is one condition. Value is a string, an integer, a bool, a time.Time,
// or a slice of these for In; any other type is refused with an error.
type Cond struct {
	Field string
	Op    Op
	Value any
}

// Filter is a conjunction of conditions. An empty Filter matches every document.
type Filter []Cond

// Where returns the Filter field = value; add more conditions with And.
func Where(field string, value any) Filter { return Filter{{field, Eq, value}} }

// And returns f with one more condition.
func (f Filter) And(field string, op Op, value any) Filter {
	return append(f[:len(f):len(f)], Cond{field, op, value})
}

// Sort orders results by one declared or undeclared field.
type Sort struct {
	Field string
	Type  Type
	Desc  bool
}

// Query selects documents. Limit 0 means no limit.
type Query struct {
	Filter Filter
	Sort   []Sort
	Skip   int
	Limit  int
}

// Set lists the members that Update assigns. Values are whatever bson marshals.
type Set map[string]any

// Write is one operation of a Bulk: exactly one of the fields is set.
type Write struct {
	Insert any     // a document
	Upsert *Upsert // replace or insert
	Update *Update
	Delete Filter // non-nil and not empty
}

// Upsert replaces the one document that matches Key, or inserts Doc.
type Upsert struct {
	Key Filter // equality conditions only
	Doc any
}

// Update assigns members of every document that matches.
type Update struct {
	Filter Filter
	Set    Set
}

// BulkResult counts what an ordered Bulk did. Updated counts the documents that
// an Update matched or an Upsert replaced.
type BulkResult struct {
	Inserted, Updated, Deleted int64
}

// Store keeps documents. All methods are safe for concurrent use and honour ctx.
// Methods answer ErrNotFound, ErrDuplicate, ErrUnavailable (all wrapped) or an
// error that says what was wrong with the call.
type Store interface {
	// Declare creates the collections and their indexes where they are missing.
	// It never removes documents or indexes that others made. A TTL index that
	// the server refuses is not an error.
	Declare(ctx context.Context, cs ...*Collection) error

	// Insert adds the documents in order and stops at the first that fails. In
	// SQLite it is all or nothing.
	Insert(ctx context.Context, c *Collection, docs ...any) error
	// Upsert replaces the one document that matches key, or inserts doc.
	// Of several matches it replaces the oldest. The document keeps its _id;
	// an inserted one takes it from key if doc has none. Without a unique index
	// on key, concurrent Upserts may insert twice in MongoDB.
	Upsert(ctx context.Context, c *Collection, key Filter, doc any) error
	// Update assigns members and returns how many documents matched. Missing
	// members are added at the end in order of name; "a.b" reaches into the
	// embedded document a and creates it if need be.
	Update(ctx context.Context, c *Collection, f Filter, set Set) (int64, error)
	// Find decodes the matches into the slice that into points to, in insertion
	// order unless sorted. No match leaves an empty, non-nil slice.
	Find(ctx context.Context, c *Collection, q Query, into any) error
	// FindOne decodes the first match into into, or answers ErrNotFound.
	FindOne(ctx context.Context, c *Collection, q Query, into any) error
	// Take removes the first match and decodes it into into (nil to discard),
	// atomically: of several concurrent callers one gets it, the others ErrNotFound.
	Take(ctx context.Context, c *Collection, f Filter, into any) error
	Count(ctx context.Context, c *Collection, f Filter) (int64, error)
	// Distinct returns the different scalar values of a field as bool, int64,
	// float64 (only what is no whole number), time.Time and string, sorted in
	// this order of types (the two number types as one) and by value.
	Distinct(ctx context.Context, c *Collection, field string, f Filter) ([]any, error)
	// Delete removes the matches and returns their number. An empty filter is
	// refused: use Clear.
	Delete(ctx context.Context, c *Collection, f Filter) (int64, error)
	// Clear removes every document and keeps the indexes.
	Clear(ctx context.Context, c *Collection) (int64, error)
	// Bulk carries out the writes in order and stops at the first that fails;
	// the result counts what was done before it. In SQLite a Bulk is one
	// transaction: all or nothing. In MongoDB the server numbers what an Upsert
	// of a Bulk inserts: its place in the order of insertion is off by up to a
	// second, and of several matches it replaces any.
	Bulk(ctx context.Context, c *Collection, ws []Write) (BulkResult, error)
	// DeleteExpired removes what has ended by now, and counts it. Without Expiry it does nothing.
	DeleteExpired(ctx context.Context, c *Collection, now time.Time) (int64, error)

	// Ping says whether the store answers. Version names engine and version.
	Ping(ctx context.Context) error
	Version(ctx context.Context) (string, error)
	Close() error
}
