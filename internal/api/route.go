package api

import (
	"context"
	"strings"
	"time"

	"github.com/fluxosd/fluxosd/internal/permissions"
)

// Handler does the work of one route. It gets values, never headers, never
// checks a privilege, and returns what belongs into the data member of the
// envelope, or an error (package fault says what the caller may read of it).
type Handler func(ctx context.Context, r *Request) (any, error)

// Kind says what a route answers with.
type Kind uint8

const (
	// JSON is one envelope.
	JSON Kind = iota
	// Stream is a sequence of objects or lines, written as they happen.
	Stream
	// File is a download without an envelope.
	File
	// Socket is a WebSocket.
	Socket
)

// Route is one row of the table. The router, the permission check, the API
// description, metric labels and the tests of authorisation all read it.
type Route struct {
	Method string // GET (which serves HEAD as well) or POST
	// Path is the pattern of the contract: "/apps/appstart/:appname?/:global?".
	// Names after a colon are parameters, a trailing ? makes one optional.
	Path  string
	Level permissions.Level
	// Summary is one line for the API description and the command line.
	Summary string
	Params  []Param
	// Result says what the data member holds on success.
	Result string
	Kind   Kind
	// Cache is how long a reply to an anonymous caller is kept; 0 is never.
	// Only public rows without side effects have it.
	Cache time.Duration
	// ByCaller marks a public row whose answer depends on who asks: the caller
	// is identified, and replies to callers with credentials are not cached.
	ByCaller bool
	// AppParam is the parameter that names the application for the levels
	// AppOwner and AppOwnerAbove; "" means "appname".
	AppParam string
	// Cost is how many requests the rate limit counts a call as; 0 is one. Calls
	// that store something for anybody, or verify a signature, cost more.
	Cost int
	// BodyLimit is the largest body in bytes; 0 means the configured limit.
	BodyLimit int64
	// Time is how long the handler may take; 0 means a minute and a half.
	Time time.Duration
	// Changes are the paths of rows whose cached replies end when this call
	// succeeds.
	Changes []string
	// Alias is the path of the row that this one is another name of.
	Alias string
	// Deprecated marks rows that are kept for old clients.
	Deprecated bool
	// Own marks rows that only fluxosd has.
	Own bool

	// Handle is nil while the row is not built: it answers 501.
	Handle Handler
	// Attach serves a row of kind Socket, and is nil while it is not built.
	Attach SocketHandler
}

// Built reports whether the row does its work.
func (r *Route) Built() bool { return r.Handle != nil || r.Attach != nil }

// Module is the first segment of the path: the file routes_<module>.go has the row.
func (r *Route) Module() string {
	m, _, _ := strings.Cut(strings.TrimPrefix(r.Path, "/"), "/")
	return m
}

// Place is where a parameter is read.
type Place uint8

const (
	InPath Place = iota // the path segment, else the query of the same name
	InQuery
	InBody
	InHeader
)

var placeNames = [...]string{"path", "query", "body", "header"}

// String returns the word that the API description uses.
func (p Place) String() string { return placeNames[p] }

// Param describes one parameter of a route.
type Param struct {
	Name     string
	In       Place
	Type     string // string, number, integer, boolean, object, array, any, file
	Required bool
	Default  string // as text, "" for none
	Note     string
}

// Path declares a parameter that is taken from the path or, when that is empty,
// from the query.
func Path(name, typ string) Param { return Param{Name: name, In: InPath, Type: typ} }

// Query declares a parameter of the query alone.
func Query(name, typ string) Param { return Param{Name: name, In: InQuery, Type: typ} }

// Body declares a member of the body.
func Body(name, typ string) Param { return Param{Name: name, In: InBody, Type: typ} }

// Header declares a request header other than the credentials.
func Header(name, typ string) Param { return Param{Name: name, In: InHeader, Type: typ} }

// Need marks a parameter as required.
func (p Param) Need() Param { p.Required = true; return p }

// Or gives a parameter its default, as text.
func (p Param) Or(def string) Param { p.Default = def; return p }

// Says adds a note for the API description.
func (p Param) Says(note string) Param { p.Note = note; return p }
