// Package place finds out where this node is: its public addresses (Finder),
// its geolocation and whether its address is static (Locator), and how far its
// clock is off (Clock).
//
// It promises to believe an address only when two sources agree on it, to give
// up a known address only for another one that was found twice in a row, and
// to keep what it knew when the outside world is silent. Whatever answers from
// outside is bounded in time and size and is checked before it is kept.
//
// It tells outside services nothing but this node's own public address. It
// follows no redirect, uses no proxy, reads no name from an answer without
// checking it, and changes nothing on the host: it sets no clock.
package place
