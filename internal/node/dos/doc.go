// Package dos keeps the node's DOS score: how far the network may count on
// this node, and why not.
//
// It promises the rules of the network, exactly: Step is a pure function from
// a score and what was found to the next score, or to the fact that is still
// missing; Score is the service that finds the facts every minute and keeps
// the result. A finding counts only when it was found: a daemon that doesn't
// answer, or is behind, delays the next round and changes nothing.
//
// It removes no application and refuses no login: those who do so read State.
// The one thing it changes outside is to ask the chain daemon for a new
// confirmation, when the chain has this node's collateral at an address where
// nobody answers.
package dos
