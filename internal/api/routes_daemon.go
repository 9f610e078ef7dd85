package api

import (
	"context"
	"fmt"
	"time"

	"github.com/fluxosd/fluxosd/internal/daemonrpc"
	"github.com/fluxosd/fluxosd/internal/permissions"
)

// daemonRoutes are the rows of /daemon: one for each row of the RPC table, and
// three that act on the daemon's process.
func (s *Server) daemonRoutes() []Route {
	table := daemonrpc.Table()
	rows := make([]Route, 0, len(table)+3)
	for _, e := range table {
		byCaller := e.Reply == daemonrpc.ReplyHidesBalance || e.Reply == daemonrpc.ReplyHidesOwnership
		cache := e.HTTPCache
		if byCaller {
			cache = halfMinute // for anonymous callers, who all see the same
		}
		rows = append(rows, Route{
			Method: e.Method, Path: e.Path, Level: e.Level, Summary: e.Summary, Result: e.Result,
			Params: rpcParams(e), Cache: cache, Alias: e.Alias, Deprecated: e.Alias != "",
			ByCaller: byCaller, Handle: s.callRPC(e),
		})
	}
	control := func(path string, level permissions.Level, summary, doing, done string, verb func(DaemonControl, context.Context) error) Route {
		return Route{Method: "GET", Path: path, Level: level, Summary: summary, Result: "message", Handle: s.daemonVerb(doing, done, verb)}
	}
	return append(rows,
		control("/daemon/start", permissions.AdminAndFluxTeam, "Start the chain daemon", "starting", "started", DaemonControl.Start),
		control("/daemon/restart", permissions.AdminAndFluxTeam, "Restart the chain daemon", "restarting", "restarted", DaemonControl.Restart),
		control("/daemon/reindex", permissions.Admin, "Restart the chain daemon and build its databases anew", "reindexing", "reindexing", DaemonControl.Reindex),
	)
}

// callRPC returns the handler of one row of the RPC table.
func (s *Server) callRPC(e daemonrpc.Endpoint) Handler {
	return func(ctx context.Context, r *Request) (any, error) {
		params, err := e.Params(ctx, r.lookup, s.daemon.Height)
		if err != nil {
			return nil, err
		}
		result, err := s.daemon.Call(ctx, e.RPC, params)
		if err != nil {
			return nil, err
		}
		return e.Finish(result, r.lookup, r.Admin)
	}
}

// lookup gives the RPC table a parameter of this request.
func (r *Request) lookup(in daemonrpc.Source, name string) (any, bool) {
	switch in {
	case daemonrpc.InBody:
		return r.Body(name)
	case daemonrpc.InPath:
		v := r.Path(name)
		return v, v != ""
	}
	v := r.Query(name)
	return v, v != ""
}

// rpcParams describes the parameters of a row of the RPC table.
func rpcParams(e daemonrpc.Endpoint) []Param {
	var ps []Param
	for _, a := range e.Parameters() {
		p := Param{Name: a.Name, Type: rpcType(a.Kind), Required: a.Required, In: InPath}
		switch {
		case e.Method == "POST":
			p.In = InBody
		case a.QueryOnly:
			p.In = InQuery
		}
		switch d := a.Default.(type) {
		case nil:
		case daemonrpc.BlocksAhead:
			p.Note = fmt.Sprintf("without it: the current height + %d", int64(d))
		default:
			p.Default = fmt.Sprint(d)
		}
		ps = append(ps, p)
	}
	return ps
}

func rpcType(k daemonrpc.Kind) string {
	switch k {
	case daemonrpc.Number:
		return "number"
	case daemonrpc.Bool:
		return "boolean"
	case daemonrpc.Object:
		return "object"
	case daemonrpc.Array:
		return "array"
	case daemonrpc.Any:
		return "any"
	}
	return "string"
}

// halfMinute is how long most public replies may be kept.
const halfMinute = 30 * time.Second
