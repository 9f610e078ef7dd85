// Package devnet simulates the two outside daemons of a Flux node, for demos
// and tests: the chain daemon (fluxd, with its address index and wallet) and
// the benchmark daemon (fluxbenchd).
//
// It promises a believable chain: blocks are linked and meet their target,
// transactions carry real signatures and the byte format of the Flux chain,
// and every figure a call reports is derived from those blocks. The same
// Config (Seed, Start, heights, nodes) always gives the same hashes. A chain
// grows on its own (Serve), by hand (Advance), is reorganised (Reorg), and
// misbehaves when told to (Stall, Fail, Slow, WarmUp, Garbage).
//
// It refuses to be a node: it opens no connection, reads and writes no file,
// moves no shielded funds and measures no hardware. Calls that would need one
// of these answer an error that says so; no call answers a made-up success.
// All blocks are kept in memory, about 7 MB for a day of 30-second blocks.
package devnet
