package testproc

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// What a test does to network and mounts in there isn't seen out here.
func TestInNamespaces(t *testing.T) {
	dir := os.TempDir()
	if InNamespaces(t, unix.CLONE_NEWNET|unix.CLONE_NEWNS) {
		all, err := net.Interfaces()
		if err != nil || len(all) == 0 || all[0].Flags&net.FlagUp != 0 {
			t.Errorf("interfaces %v, %v: want a loopback that is down", all, err)
		}
		if err := unix.Mount("test", dir, "tmpfs", 0, "mode=0777"); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "fluxosd-namespace-mark"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if _, err := os.Stat(filepath.Join(dir, "fluxosd-namespace-mark")); !os.IsNotExist(err) {
		t.Errorf("the mark is seen outside: %v", err)
	}
}
