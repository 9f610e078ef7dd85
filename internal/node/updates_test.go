package node

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/fluxosd/fluxosd/internal/node/privileged"
	"github.com/fluxosd/fluxosd/internal/testproc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func runner(t *testing.T) *privileged.Updates {
	t.Helper()
	run, err := privileged.NewUpdates(privileged.UpdatesConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return run
}

func stable() string { return "stable" }

func TestUpdatesThatNobodyConfiguredSayWhoDoesThem(t *testing.T) {
	u, err := NewUpdates(UpdatesConfig{Channel: stable, Run: runner(t)})
	if err != nil {
		t.Fatal(err)
	}
	left := func(what, key string) string {
		return "updates of " + what + " are left to the package manager on this node: upgrade its package, or set " + key
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{u.Self(t.Context(), false), left("fluxosd", "node.update_unit")},
		{u.Self(t.Context(), true), left("fluxosd", "node.update_unit")},
		{u.Daemon(t.Context()), left("the chain daemon", "daemon.update_unit")},
		{u.Benchmark(t.Context()), left("the benchmark daemon", "benchmark.update_unit")},
	} {
		if c.err == nil || c.err.Error() != c.want {
			t.Errorf("got %v, want %s", c.err, c.want)
		}
	}
}

func TestUnitNamesAreCheckedAtTheStart(t *testing.T) {
	for name, cfg := range map[string]UpdatesConfig{
		"node.update_unit":      {Self: "../x.service"},
		"daemon.update_unit":    {Daemon: "fluxd"},
		"benchmark.update_unit": {Benchmark: "a b.service"},
	} {
		if _, err := NewUpdates(cfg); err == nil || !strings.HasPrefix(err.Error(), name+": ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, cfg := range []UpdatesConfig{{Self: "a b@.service"}, {Self: "@.service"}, {Daemon: "x@.service"}, {Benchmark: "x@.service"}} {
		if _, err := NewUpdates(cfg); err == nil {
			t.Errorf("%+v is taken", cfg)
		}
	}
}

// ownHost runs the calling test a second time, in a process with a mount
// namespace of its own, where systemctl is the given script and systemd seems
// to run. It reports whether this is that process; in the first one, the test is
// over.
func ownHost(t *testing.T, script string) bool {
	t.Helper()
	if !testproc.InNamespaces(t, unix.CLONE_NEWNS) {
		return false
	}
	var err error
	for _, dir := range []string{"/run", "/usr/local/sbin"} { // the first folder in which programs are looked for
		err = errors.Join(err, unix.Mount("test", dir, "tmpfs", 0, "mode=0755"))
	}
	err = errors.Join(err, os.MkdirAll("/run/systemd/system", 0o755), os.WriteFile("/usr/local/sbin/systemctl", []byte(script), 0o755))
	if err != nil {
		t.Fatal(err)
	}
	return true
}

// calls returns the units that systemctl was told to start, and forgets them.
func calls(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile("/run/calls")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if err := os.RemoveAll("/run/calls"); err != nil {
		t.Fatal(err)
	}
	var started []string
	for line := range strings.Lines(string(raw)) {
		if f := strings.Fields(line); f[0] == "start" {
			started = append(started, f[len(f)-1])
		}
	}
	return strings.Join(started, " ")
}

const recording = "#!/bin/sh\necho \"$@\" >> /run/calls\n"

func TestUpdatesStartTheirUnits(t *testing.T) {
	if !ownHost(t, recording) {
		return
	}
	channel := "stable"
	template, err := NewUpdates(UpdatesConfig{Self: "fluxosd-update@.service", Daemon: "fluxd-update.service", Benchmark: "bench-update@x.service",
		Channel: func() string { return channel }, Run: runner(t)})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := NewUpdates(UpdatesConfig{Self: "fluxosd-update.service", Channel: func() string { return channel }, Run: runner(t)})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		channel string
		update  func(context.Context) error
		want    string // the unit that is started
	}{
		{"stable", "stable", func(ctx context.Context) error { return template.Self(ctx, false) }, "fluxosd-update@stable.service"},
		{"development", "development", func(ctx context.Context) error { return template.Self(ctx, false) }, "fluxosd-update@development.service"},
		{"reinstall", "stable", func(ctx context.Context) error { return template.Self(ctx, true) }, "fluxosd-update@stable-reinstall.service"},
		{"reinstall of development", "development", func(ctx context.Context) error { return template.Self(ctx, true) }, "fluxosd-update@development-reinstall.service"},
		{"no template", "development", func(ctx context.Context) error { return plain.Self(ctx, true) }, "fluxosd-update.service"},
		{"chain daemon", "stable", template.Daemon, "fluxd-update.service"},
		{"benchmark daemon", "stable", template.Benchmark, "bench-update@x.service"},
	} {
		channel = c.channel
		if err := c.update(t.Context()); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if got := calls(t); got != c.want {
			t.Errorf("%s: started %q, want %q", c.name, got, c.want)
		}
	}
	channel = "no channel"
	if err := template.Self(t.Context(), false); err == nil || !strings.Contains(err.Error(), `instance "no channel"`) || calls(t) != "" {
		t.Errorf("a channel that is none: %v", err)
	}
}

// All updates of a node take turns, whatever they update.
func TestAnUpdateDuringAnotherIsBusy(t *testing.T) {
	if !ownHost(t, recording+`case "$*" in start*fluxd-update*) touch /run/reached; until [ -e /run/gate ]; do sleep 0.01; done;; esac`) {
		return
	}
	u, err := NewUpdates(UpdatesConfig{Self: "fluxosd-update@.service", Daemon: "fluxd-update.service", Benchmark: "bench-update.service", Channel: stable, Run: runner(t)})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- u.Daemon(context.WithoutCancel(t.Context())) }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(10 * time.Second); ; {
		if _, err := os.Stat("/run/reached"); err == nil {
			break
		}
		select {
		case err := <-done:
			t.Fatalf("the first update ended: %v", err)
		case <-late:
			t.Fatal("the first update didn't begin within ten seconds")
		case <-tick.C:
		}
	}
	for name, err := range map[string]error{"fluxosd": u.Self(t.Context(), false), "benchmark": u.Benchmark(t.Context()), "daemon": u.Daemon(t.Context())} {
		if !errors.Is(err, privileged.ErrBusy) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.WriteFile("/run/gate", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := calls(t); got != "fluxd-update.service" {
		t.Errorf("started %q", got)
	}
	if err := u.Self(t.Context(), false); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// A unit that fails, and a host without systemd, are errors that say what to do.
func TestFailuresOfAnUpdateAreTold(t *testing.T) {
	if !ownHost(t, recording+`case "$*" in show*LoadState*) printf 'LoadState=loaded\nActiveState=failed\nResult=exit-code\n';; start*) echo 'Job failed' >&2; exit 1;; esac`) {
		return
	}
	u, err := NewUpdates(UpdatesConfig{Self: "fluxosd-update@.service", Channel: stable, Run: runner(t)})
	if err != nil {
		t.Fatal(err)
	}
	if err := u.Self(t.Context(), true); err == nil || !strings.Contains(err.Error(), "journalctl -u fluxosd-update@stable-reinstall.service shows why") {
		t.Errorf("%v", err)
	}
	if err := os.RemoveAll("/run/systemd"); err != nil {
		t.Fatal(err)
	}
	if err := u.Self(t.Context(), false); !errors.Is(err, privileged.ErrNoSystemd) {
		t.Errorf("without systemd: %v", err)
	}
}
