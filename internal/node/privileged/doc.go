// Package privileged does the work that needs root, as typed verbs: it starts
// and stops systemd units, waits for the units that update programs, and lets
// traffic through the firewall of the host.
//
// It promises that nothing a caller says becomes part of a command line other
// than as one validated argument, that no shell is involved, and that every
// program it runs has a deadline, bounded output, and dies with its context. Of
// a firewall it changes only what it put there itself: the rules of ufw that
// carry its comment, or its own nftables table.
//
// It refuses unit names that aren't plain, ports outside 1 to 65535, and any
// rule that would deny something: a node must never lock its operator out. It
// doesn't overwrite an operator's deny rule, enable a firewall, change a default
// policy, or install a package.
package privileged
