// Package api serves the HTTP API of a node: the route table, and everything
// that stands between a request and a handler.
//
// It promises that a row of the table is all there is to say about a route:
// matching, limits, identity, level, the envelope, reply caching and the API
// description are made from it, and nothing else decides who gets in. Paths
// match as existing clients expect (letter case, one trailing slash, optional
// parameters, %2F inside a parameter, HEAD for every GET).
//
// It refuses to know how anything is done: handlers call domain packages, and
// no domain package imports this one.
package api
