package privileged

import (
	"fmt"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/fluxosd/fluxosd/internal/testproc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inNamespace runs the calling test a second time, in a process with network
// and mount namespaces of its own, where it may do what it likes to the firewall.
// It reports whether this is that process; in the first one, the test is over.
func inNamespace(t *testing.T) bool {
	t.Helper()
	var args []string
	if *update {
		args = append(args, "-update")
	}
	if !testproc.InNamespaces(t, unix.CLONE_NEWNET|unix.CLONE_NEWNS, args...) {
		return false
	}
	tool(t, "ip", "link", "set", "lo", "up")
	return true
}

// tool runs a program of the packages that test/deps.sh installs, and returns
// its output.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := Exec{}.Run(t.Context(), name, args...)
	if err != nil {
		t.Fatal(fmt.Errorf("%w (the tests need the packages nftables, ufw and iproute2)", err))
	}
	return out
}
