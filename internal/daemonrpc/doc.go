// Package daemonrpc talks to the chain daemon, and to any other daemon with the
// same JSON-RPC dialect, and describes the daemon's methods as the HTTP API
// offers them.
//
// It promises:
//
//   - [Client]: one bounded, authenticated connection pool with a deadline on
//     every call. Replies reach the caller byte for byte as the daemon wrote them.
//     One method takes at most half of the turns, so that when it hangs the
//     others go on; two that hang at once can take them all.
//   - Identical read-only calls share one request and, for a short time, one
//     reply. A request that nobody waits for any more is cancelled. Whatever touches a wallet or changes anything is sent each time it
//     is asked for, exactly once.
//   - Typed errors ([RPCError], [TransportError], [InvalidMethodError]) that
//     [Envelope] turns into the code, name and message API clients know, and
//     [Classify] into a state of the daemon.
//   - [Table]: the rows the /daemon routes are made from, and [Endpoint.Params],
//     the conversion of a request's parameters into RPC arguments.
//   - [ParseConf]: the daemon's own configuration file, for address and credentials.
//
// It refuses to call a method that is not in its list, to follow redirects, to
// use an HTTP proxy, to read a reply beyond a size limit, and to retry a call
// that may have had an effect. It knows nothing of HTTP requests to the API, of
// identities, or of what a reply means.
package daemonrpc
