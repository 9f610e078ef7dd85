// Package node is this node: what it is, what its chain daemon is doing, and
// what is wrong with it.
//
// It promises to fill in what it knows and to leave null what it doesn't, and
// to treat an outside system that is down as a state to report. It changes
// nothing on the host; package privileged does that.
package node
