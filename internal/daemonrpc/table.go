package daemonrpc

import (
	"slices"
	"time"

	"github.com/fluxosd/fluxosd/internal/permissions"
)

// MissingRule says what is sent when a required argument is not given.
type MissingRule uint8

const (
	// MissingAsksUsage sends no arguments at all, so that the daemon answers
	// with its usage text (error -1).
	MissingAsksUsage MissingRule = iota
	// MissingIsNull sends null in its place.
	MissingIsNull
)

// ReplyRule names what becomes of the daemon's answer before the caller gets it.
type ReplyRule uint8

const (
	// ReplyWhole passes the answer on.
	ReplyWhole ReplyRule = iota
	// ReplyLimited cuts a list to the number of items the query parameter "limit" asks for.
	ReplyLimited
	// ReplyHidesBalance removes "balance" for everybody but the node owner.
	ReplyHidesBalance
	// ReplyHidesOwnership removes "ismine" and "iswatchonly" for everybody but the node owner.
	ReplyHidesOwnership
)

// Endpoint is one route of the HTTP API that calls one method of the chain daemon.
type Endpoint struct {
	Method  string // GET or POST
	Path    string // with :name? for path parameters, all of them optional
	Alias   string // path of the route this one is another name of; empty for most
	RPC     string // the daemon's method, in lower case
	Args    []Arg  // in the order of the call
	Missing MissingRule
	Level   permissions.Level

	// ReadOnly: the call changes nothing in the daemon, its wallet or the network.
	ReadOnly bool
	// HTTPCache is how long a whole HTTP reply may be kept by URL; 0 means not at all.
	HTTPCache time.Duration
	Reply     ReplyRule

	Summary string // one sentence for people
	Result  string // shape of a successful answer
}

const (
	get  = "GET"
	post = "POST"

	halfMinute = 30 * time.Second
)

// Table returns the rows of all /daemon routes that call an RPC, in a fixed order.
// The caller owns the slice; the arguments in it are shared and must not be changed.
func Table() []Endpoint {
	return slices.Concat(nodeRows(), networkRows(), chainRows(), transactionRows(), addressRows(), walletRows(), shieldedRows())
}

// unproxied are methods this program calls itself, without a route.
var unproxied = [...]string{"createconfirmationtransaction"}

// ChainMethods lists the methods of the chain daemon with how far their replies
// are shared: only calls that are public and change nothing are shared at all.
func ChainMethods() map[string]Sharing {
	methods := make(map[string]Sharing)
	for _, name := range unproxied {
		methods[name] = ShareNothing
	}
	for _, e := range Table() {
		methods[e.RPC] = e.sharing()
	}
	return methods
}

func (e Endpoint) sharing() Sharing {
	switch {
	case !e.ReadOnly || e.Level != permissions.Public:
		return ShareNothing
	case e.RPC == "getzelnodestatus": // decides over the node's own work, so always current
		return ShareFlight
	case e.RPC == "getblock":
		return ShareBlock
	case e.RPC == "getrawtransaction":
		return ShareTransaction
	}
	return ShareReply
}
