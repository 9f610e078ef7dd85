// Package version says which release this is, and which FluxOS release it is
// compatible with.
package version

import (
	"runtime"
	"runtime/debug"
)

// FluxOS is the FluxOS release whose API and peer protocol this daemon speaks.
// Peers and the benchmark daemon compare it with the release that they expect.
const FluxOS = "8.17.0"

// Version is the release of fluxosd. The build sets it with
// -ldflags "-X github.com/fluxosd/fluxosd/internal/version.Version=1.2.3".
var Version = "0.1.0-dev"

// Commit returns the revision that the binary was built from, or "unknown".
func Commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return "unknown"
}

// Go returns the version of the Go release that built the binary.
func Go() string { return runtime.Version() }
