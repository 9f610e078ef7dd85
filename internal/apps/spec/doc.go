// Package spec knows application specifications of the network, versions 1 to
// 8: how a submitted one is formatted, what is accepted at which height, the
// exact text that is signed and hashed, and what it costs.
//
// It promises to decide as the rest of the network does, byte for byte and cent
// for cent, and to refuse with the texts that the network's clients know. It is
// pure: no clock, no store, no network, no container engine. Heights are
// arguments, and what only the caller can know is asked through a function.
//
// The way of a specification that came from outside is [Format], which coerces
// values and drops unknown members, then [Parse], which is strict about types,
// then [Spec.Verify], which applies the rules of a height. [Read] is the first
// two in one. The caller bounds the size of what it passes.
package spec
