// Package chaincopy hands the data of the chain daemon to a neighbour node, so
// that it needn't fetch the chain from the network.
//
// It promises that one copy runs at a time, in bounded memory, and that a chain
// daemon that was stopped for a copy is started again: after the copy, when none
// begins within 30 seconds, when the copy is too slow, when the service ends,
// and, by a record on disk, when fluxosd comes back after a crash. A copy of a
// stopped daemon ends with an end-of-archive mark only if nothing changed while
// it was made.
//
// It refuses callers outside the private networks of this host, a second copy,
// and to stop a daemon that is behind the network or that has to confirm the
// node soon. It writes nothing into the daemon's folder, follows no symbolic
// link, and reads only the three folders that hold the chain: keys and
// configuration lie elsewhere. A daemon that somebody else stopped stays down.
package chaincopy
