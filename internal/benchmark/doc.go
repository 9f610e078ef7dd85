// Package benchmark says what this machine is worth to the network, by whose
// word, and since when.
//
// It promises:
//
//   - [Result] is one whole measurement of this machine, [Tiers] compares it with
//     what the network asks for, and [Reply] shows it as the benchmark daemon
//     (fluxbenchd) would.
//   - [Runner] measures on a schedule, one run at a time, never while an
//     application starts, and keeps the last good result across restarts.
//   - [Service] is the one authority: either fluxbenchd or the own measurement,
//     never a mixture of both, and every native answer says that it is one.
//
// It refuses to sign: the network accepts the signature of fluxbenchd only. It
// refuses to answer with own figures for a fluxbenchd that is configured and
// down, and to let anybody override a figure or a tier.
//
// How a figure is measured is the business of package measure.
package benchmark
