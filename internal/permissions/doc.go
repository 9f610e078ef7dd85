// Package permissions decides who may do what on this node.
//
// It promises that every doubt means no: a level nobody chose admits nobody, a
// credential that doesn't parse in full is no credential, and a store that
// can't be asked refuses the call. A login phrase is issued here, used once,
// and turned into a session by a wallet signature over it; each later call
// carries phrase, identity and signature and is verified again.
//
// It refuses to know HTTP or a database: it is given records to keep, a
// function that verifies signatures and a function that knows who owns an
// application, and it never sees a request.
package permissions
