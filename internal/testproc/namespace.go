package testproc

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// namespaceVariable names, to a test binary, the test that it runs in
// namespaces of its own.
const namespaceVariable = "FLUXOSD_TEST_NAMESPACE"

// InNamespaces runs the calling test a second time, in a process with
// namespaces of its own (unix.CLONE_NEWNET, CLONE_NEWNS), where it may do what
// it likes to network and mounts: nothing outlives the process. It reports
// whether this is that process; in the first one, the test is over. args are
// further arguments of the test binary. It needs root, or a kernel that lets
// users make namespaces.
func InNamespaces(t *testing.T, flags uintptr, args ...string) bool {
	t.Helper()
	if os.Getenv(namespaceVariable) == t.Name() {
		if flags&unix.CLONE_NEWNS != 0 { // mounts made here must not appear outside
			if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
				t.Fatalf("make mounts private: %v", err)
			}
		}
		return true
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], append([]string{"-test.run=^" + t.Name() + "$", "-test.v", "-test.timeout=5m"}, args...)...)
	cmd.Env = append(os.Environ(), namespaceVariable+"="+t.Name())
	cmd.SysProcAttr = Namespaces(flags)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("in namespaces of its own: %v\n%s", err, out.String())
	}
	if !strings.Contains(out.String(), "--- PASS: "+t.Name()) {
		t.Fatalf("the test didn't run in its namespaces:\n%s", out.String())
	}
	return false
}

// Namespaces are the attributes of a process with namespaces of its own; who
// isn't root is root in a user namespace.
func Namespaces(flags uintptr) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: flags}
	if os.Geteuid() != 0 {
		attr.Cloneflags |= unix.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	return attr
}
