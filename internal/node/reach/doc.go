// Package reach is about nodes that probe nodes: who is on the network, can
// that node be reached from here, and can this one be reached from there?
//
// It promises:
//
//   - List: the deterministic node list of the chain daemon, kept at its last
//     good state, with look-ups by address, collateral and key.
//   - Prober: the checks that other nodes ask of this one. It dials routable
//     IPv4 addresses only, the address checked is the address dialled (nothing
//     is resolved, redirects are not followed, proxies are not used), and time,
//     size of answers and number of probes are bounded, in all and per target.
//   - Requests: the signed requests of other nodes. A signature is verified
//     over the text that was sent, and only a listed key may ask.
//   - Self: the question to other nodes whether they reach this one.
//
// It judges nobody: what an unreachable node deserves is decided by package
// dos. It opens no port, changes no firewall and no router, sends no payload
// beyond one byte, and resolves no names.
package reach
