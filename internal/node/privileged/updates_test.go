package privileged

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func newUpdates(t *testing.T, timeout time.Duration) *Updates {
	t.Helper()
	u, err := NewUpdates(UpdatesConfig{Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// fakeUpdate is an instance of fluxosd-update@.service.
func fakeUpdate(t *testing.T, script string) (Unit, func() string) {
	t.Helper()
	u, calls := fakeSystemctl(t, script)
	u.name = "fluxosd-update@stable.service"
	return u, calls
}

func TestAnUpdateEndsWithItsUnit(t *testing.T) {
	u, calls := fakeUpdate(t, "")
	if err := newUpdates(t, 0).StartAndWait(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	want := "show --property=ActiveState fluxosd-update@*.service\nstart fluxosd-update@stable.service\n"
	if got := calls(); got != want {
		t.Errorf("calls\n%s\nwant\n%s", got, want)
	}
}

func TestAFailedUpdateNamesItsJournal(t *testing.T) {
	for _, c := range []struct{ name, script, want string }{
		{"failed", `case "$*" in show*LoadState*) printf 'LoadState=loaded\nActiveState=failed\nResult=exit-code\n';; start*) echo 'Job failed' >&2; exit 1;; esac`,
			"unit fluxosd-update@stable.service failed (exit-code): journalctl -u fluxosd-update@stable.service shows why"},
		{"unknown", `case "$*" in show*LoadState*) printf 'LoadState=not-found\nActiveState=inactive\n';; start*) exit 5;; esac`,
			"fluxosd-update@stable.service: systemd knows no such unit"},
		{"refused", `case "$*" in show*LoadState*) printf 'LoadState=masked\nActiveState=inactive\n';; start*) echo 'Unit is masked.' >&2; exit 1;; esac`, "Unit is masked."},
	} {
		u, _ := fakeUpdate(t, c.script)
		if err := newUpdates(t, 0).StartAndWait(t.Context(), u); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	u, _ := fakeUpdate(t, "")
	u.runtimeDir = filepath.Join(u.runtimeDir, "none")
	if err := newUpdates(t, 0).StartAndWait(t.Context(), u); !errors.Is(err, ErrNoSystemd) {
		t.Errorf("without systemd: %v", err)
	}
}

func TestAnUpdateThatTakesTooLongGoesOnInSystemd(t *testing.T) {
	u, _ := fakeUpdate(t, `case "$*" in show*LoadState*) printf 'LoadState=loaded\nActiveState=activating\n';; start*) sleep 600;; esac`)
	err := newUpdates(t, 50*time.Millisecond).StartAndWait(t.Context(), u)
	if err == nil || !strings.Contains(err.Error(), "still runs") || !strings.Contains(err.Error(), "no end after 50ms") {
		t.Errorf("%v", err)
	}
}

func TestOneUpdateAtATime(t *testing.T) {
	gate := filepath.Join(t.TempDir(), "gate")
	slow, _ := fakeUpdate(t, `case "$1" in start) touch `+gate+`.reached; until [ -e `+gate+` ]; do sleep 0.01; done;; esac`)
	other, calls := fakeSystemctl(t, "")
	updates := newUpdates(t, 0)
	done := make(chan error, 1)
	go func() { done <- updates.StartAndWait(context.WithoutCancel(t.Context()), slow) }()
	eventually(t, func() bool { _, err := os.Stat(gate + ".reached"); return err == nil })
	if err := updates.StartAndWait(t.Context(), other); !errors.Is(err, ErrBusy) {
		t.Errorf("during another: %v", err)
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := updates.StartAndWait(t.Context(), other); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if got := calls(); strings.Count(got, "start") != 1 {
		t.Errorf("calls of the other unit:\n%s", got)
	}
}

// An update that restarts fluxosd is still under way when fluxosd is back.
func TestAnUpdateOfAnEarlierProcessIsInTheWay(t *testing.T) {
	for state, want := range map[string]error{"activating": ErrBusy, "deactivating": ErrBusy, "failed": nil, "inactive": nil} {
		u, calls := fakeUpdate(t, `case "$1" in show) printf 'ActiveState=inactive\n\nActiveState=`+state+`\n';; esac`)
		if err := newUpdates(t, 0).StartAndWait(t.Context(), u); !errors.Is(err, want) {
			t.Errorf("a sibling is %s: %v, want %v", state, err, want)
		}
		if started := strings.Contains(calls(), "start "); started != (want == nil) {
			t.Errorf("a sibling is %s: started %v", state, started)
		}
	}
}

func TestUpdateTimeoutIsPositive(t *testing.T) {
	if _, err := NewUpdates(UpdatesConfig{Timeout: -time.Second}); err == nil || !strings.Contains(err.Error(), "positive") {
		t.Errorf("%v", err)
	}
}
