package privileged

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// namespaceVariable tells the test binary that it runs in namespaces of its own.
const namespaceVariable = "FLUXOSD_TEST_NAMESPACE"

// inNamespace runs the calling test a second time, in a process with network
// and mount namespaces of its own, where it may do what it likes to the firewall.
// It reports whether this is that process; in the first one, the test is over.
func inNamespace(t *testing.T) bool {
	t.Helper()
	if os.Getenv(namespaceVariable) == "1" {
		// Mounts made here must not appear outside.
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			t.Fatalf("make mounts private: %v", err)
		}
		tool(t, "ip", "link", "set", "lo", "up")
		return true
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=5m")
	if *update {
		cmd.Args = append(cmd.Args, "-update")
	}
	cmd.Env = append(os.Environ(), namespaceVariable+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("in a namespace of its own: %v\n%s", err, out.String())
	}
	if !strings.Contains(out.String(), "--- PASS: "+t.Name()) {
		t.Fatalf("the test didn't run in its namespace:\n%s", out.String())
	}
	return false
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
