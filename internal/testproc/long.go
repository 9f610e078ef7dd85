package testproc

import (
	"flag"
	"os"
	"strconv"
	"testing"
)

// long reports whether tests should do all of their rounds rather than the few
// of an ordinary run: FLUXOSD_TEST_LONG is 1.
func long() bool { return os.Getenv("FLUXOSD_TEST_LONG") == "1" }

// FewChecks bounds the checks of a rapid property in this test to n, unless the
// run is long or -rapid.checks was given. Not for tests that run in parallel:
// the number belongs to the test binary.
func FewChecks(t *testing.T, n int) {
	t.Helper()
	checks := flag.Lookup("rapid.checks")
	if checks == nil {
		t.Fatal("rapid is not linked into this test")
	}
	if long() || checks.Value.String() != checks.DefValue {
		return
	}
	if err := checks.Value.Set(strconv.Itoa(n)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := checks.Value.Set(checks.DefValue); err != nil {
			t.Error(err)
		}
	})
}
