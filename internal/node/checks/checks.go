// Package checks has everything that decides whether a node can be confirmed
// and earn, as checks for package doctor: from the store and the clock over the
// chain daemon, collateral and key to the port that others must reach.
//
// Each check measures one thing, says what it measured, and changes nothing.
// What it looks at is given to it, so that the same checks run in the daemon and
// on the command line of a node whose daemon doesn't start.
package checks

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/fluxosd/fluxosd/internal/health"
)

// Names of the checks, for those that need one another.
const (
	configuration = "configuration"
	storeCheck    = "store"
	diskSpace     = "disk-space"
	clock         = "clock"
	openFiles     = "open-files"
	dockerEngine  = "docker"
	dockerRelease = "docker-version"
	syncthing     = "syncthing"
	chainDaemon   = "chain-daemon"
	chainNetwork  = "chain-network"
	chainPeers    = "chain-peers"
	chainSync     = "chain-sync"
	chainCopy     = "chain-copy"
	nodeKey       = "node-key"
	collateral    = "collateral"
	keyMatch      = "node-key-listed"
	confirmation  = "confirmation"
	benchmarkRun  = "benchmark"
	tier          = "tier"
	apiPort       = "api-port"
	restrictions  = "restrictions"
	gatewayCheck  = "port-mapping"
	address       = "public-address"
	listedAddress = "listed-address"
	reachable     = "reachable"
	dosScore      = "standing"
)

// Caller calls a JSON-RPC daemon. An answer that was kept would show a problem
// that has ended, or hide one that has begun.
type Caller interface {
	CallFresh(ctx context.Context, method string, params []any) (json.RawMessage, error)
}

// ask calls the daemon and decodes its answer.
func ask(ctx context.Context, from Caller, into any, method string, params ...any) error {
	raw, err := from.CallFresh(ctx, method, params)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

func problem(code string, s health.Severity, title, advice string) health.Problem {
	return health.Problem{Code: code, Severity: s, Title: title, Advice: advice}
}

// late reports whether an error is the end of a deadline.
func late(err error) bool { return errors.Is(err, context.DeadlineExceeded) }
