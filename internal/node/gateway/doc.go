// Package gateway asks the router in front of this node to map the ports the
// node needs, by UPnP (Internet Gateway Device, versions 1 and 2) or by NAT-PMP
// (RFC 6886).
//
// It promises that a mapping it reports was read back from the router, that
// calls go to the router one at a time, and that each of them ends in a bounded
// time with bounded memory whatever answers.
//
// It refuses to touch what isn't ours: a mapping is ours when it leads to this
// node and its description starts with "Flux_". Any other mapping is neither
// overwritten nor removed; the caller gets an *ErrTaken that names the holder.
// It refuses to talk to a device that isn't on a local network, to follow a
// redirect, and to fetch anything from another host than the one that announced
// itself.
package gateway
