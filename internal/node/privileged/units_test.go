package privileged

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fakeSystemctl writes its arguments to a file, and the drop-in that it finds.
func fakeSystemctl(t *testing.T, script string) (Unit, func() string) {
	t.Helper()
	dir := t.TempDir()
	calls := filepath.Join(dir, "calls")
	text := "#!/bin/sh\necho \"$@\" >> " + calls + "\ncat " + dir + "/*.d/*.conf >> " + calls + " 2>/dev/null || true\n" + script
	if err := os.WriteFile(filepath.Join(dir, "systemctl"), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	u, err := NewUnit("fluxd.service")
	if err != nil {
		t.Fatal(err)
	}
	u.systemctl, u.runtimeDir = filepath.Join(dir, "systemctl"), dir
	return u, func() string {
		raw, err := os.ReadFile(calls)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
}

const showCommand = `case "$1" in show) echo '{ path=/usr/bin/fluxd ; argv[]=/usr/bin/fluxd -daemon -conf=/x ; ignore_errors=no ; }';; esac
`

func TestStartAndRestart(t *testing.T) {
	u, calls := fakeSystemctl(t, "")
	if err := errors.Join(u.Start(t.Context()), u.Restart(t.Context())); err != nil {
		t.Fatal(err)
	}
	if got := calls(); got != "start fluxd.service\nrestart fluxd.service\n" {
		t.Errorf("%s", got)
	}
}

// The additional argument is there for one start and gone afterwards.
func TestRestartOnceWithLeavesNothing(t *testing.T) {
	u, calls := fakeSystemctl(t, showCommand)
	if err := u.RestartOnceWith(t.Context(), "-reindex"); err != nil {
		t.Fatal(err)
	}
	want := "show --property=ExecStart --value fluxd.service\n" +
		"daemon-reload\n[Service]\nExecStart=\nExecStart=/usr/bin/fluxd -daemon -conf=/x -reindex\n" +
		"restart fluxd.service\n[Service]\nExecStart=\nExecStart=/usr/bin/fluxd -daemon -conf=/x -reindex\n" +
		"daemon-reload\n"
	if got := calls(); got != want {
		t.Errorf("calls\n%s\nwant\n%s", got, want)
	}
	if _, err := os.Stat(filepath.Join(u.runtimeDir, "fluxd.service.d")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the drop-in is still there: %v", err)
	}
}

func TestFailuresSayWhatSystemdSaid(t *testing.T) {
	u, _ := fakeSystemctl(t, "echo 'Unit fluxd.service not found.' >&2; exit 5\n")
	if err := u.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "Unit fluxd.service not found.") {
		t.Errorf("%v", err)
	}
	u, _ = fakeSystemctl(t, "exit 0\n")
	if err := u.RestartOnceWith(t.Context(), "-reindex"); err == nil {
		t.Error("a unit without a command line was restarted")
	}
	u.runtimeDir = filepath.Join(u.runtimeDir, "none")
	if err := u.Start(t.Context()); !errors.Is(err, ErrNoSystemd) {
		t.Errorf("without systemd: %v", err)
	}
}

func TestUnitNames(t *testing.T) {
	for name, ok := range map[string]bool{
		"fluxd.service": true, "zelcash.service": true, "a@b.service": true, "": false, "fluxd": false, "-x.service": false,
		"a b.service": false, "../x.service": false, "x;reboot.service": false, "x.timer": false, strings.Repeat("a", 200) + ".service": false,
	} {
		if _, err := NewUnit(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}
