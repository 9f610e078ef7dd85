package privileged

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fakeSystemctl writes its arguments, without the two that are always there, to
// a file, and the drop-in that it finds.
func fakeSystemctl(t *testing.T, script string) (Unit, func() string) {
	t.Helper()
	dir := t.TempDir()
	calls := filepath.Join(dir, "calls")
	text := "#!/bin/sh\necho \"$@\" | sed 's/ --no-ask-password --no-pager//' >> " + calls + "\ncat " + dir + "/*.d/*.conf >> " + calls + " 2>/dev/null || true\n" + script
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

// unitFile is what systemctl cat prints: the file of a package, and a drop-in of
// the operator that changes the command line.
const unitFile = `# /lib/systemd/system/fluxd.service
[Unit]
Description=Flux daemon
ExecStart=not this one

[Service]
Type=forking
ExecStart=/usr/bin/fluxd -daemon

# /etc/systemd/system/fluxd.service.d/own.conf
[Service]
ExecStart=
ExecStart = -/usr/bin/fluxd -daemon \
# where the data is
  -datadir="/srv/flux data" -conf=%h/flux.conf
`

const catUnit = `case "$1" in cat) cat <<'END'
` + unitFile + `END
cat ${0%/*}/*.d/*.conf 2>/dev/null || true;; esac
`

func TestStartStopAndRestart(t *testing.T) {
	u, calls := fakeSystemctl(t, "")
	if err := errors.Join(u.Start(t.Context()), u.Restart(t.Context()), u.Stop(t.Context())); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("start fluxd.service\nrestart fluxd.service\nstop fluxd.service\n", calls()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// The additional option is there for one start and gone afterwards, and the rest
// of the command line is what the operator wrote.
func TestRestartOnceWithLeavesNothing(t *testing.T) {
	u, calls := fakeSystemctl(t, catUnit)
	if err := u.RestartOnceWith(t.Context(), "-reindex"); err != nil {
		t.Fatal(err)
	}
	once := "[Service]\nExecStart=\nExecStart=-/usr/bin/fluxd -daemon -datadir=\"/srv/flux data\" -conf=%h/flux.conf -reindex\n"
	want := "cat fluxd.service\ndaemon-reload\n" + once + "cat fluxd.service\n" + once + "restart fluxd.service\n" + once + "daemon-reload\n"
	if diff := cmp.Diff(want, calls()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if _, err := os.Stat(u.dropInDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the drop-in is still there: %v", err)
	}
}

// A drop-in whose name sorts after ours would win, and the restart would be an
// ordinary one.
func TestRestartOnceWithSeesThatAnotherDropInWins(t *testing.T) {
	u, calls := fakeSystemctl(t, catUnit)
	if err := os.Mkdir(u.dropInDir(), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(u.dropInDir(), "zzzz.conf"), []byte("[Service]\nExecStart=\nExecStart=/bin/other\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := u.RestartOnceWith(t.Context(), "-reindex"); err == nil || !strings.Contains(err.Error(), "another drop-in decides about its command line: /bin/other") {
		t.Errorf("%v", err)
	}
	if got := calls(); strings.Contains(got, "restart") {
		t.Errorf("calls:\n%s", got)
	}
}

func TestRestartOnceWithCleansUpAfterAFailure(t *testing.T) {
	for _, verb := range []string{"restart", "daemon-reload"} {
		u, _ := fakeSystemctl(t, catUnit+`case "$1" in `+verb+`) echo no >&2; exit 1;; esac`)
		if err := u.RestartOnceWith(t.Context(), "-reindex"); err == nil || !strings.Contains(err.Error(), "systemctl "+verb) {
			t.Errorf("%s failed: %v", verb, err)
		}
		if _, err := os.Stat(u.dropInDir()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s failed: the drop-in is still there: %v", verb, err)
		}
	}
}

// A caller that hangs up must not take the drop-in away from under systemd, nor
// leave it there.
func TestRestartOnceWithFinishesWithoutItsCaller(t *testing.T) {
	u, calls := fakeSystemctl(t, catUnit)
	// The fake hangs at its first daemon-reload until the test has hung up.
	gate := filepath.Join(u.runtimeDir, "gate")
	script, err := os.ReadFile(u.systemctl)
	if err != nil {
		t.Fatal(err)
	}
	wait := "\nif [ \"$1\" = daemon-reload ]; then touch " + gate + ".reached; until [ -e " + gate + " ]; do sleep 0.01; done; fi\n"
	if err := os.WriteFile(u.systemctl, append(script, wait...), 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, hangUp := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- u.RestartOnceWith(ctx, "-reindex") }()
	eventually(t, func() bool { _, err := os.Stat(gate + ".reached"); return err == nil })
	hangUp()
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("RestartOnceWith: %v", err)
	}
	if got := calls(); !strings.Contains(got, "restart fluxd.service\n") || !strings.HasSuffix(got, "daemon-reload\n") {
		t.Errorf("calls:\n%s", got)
	}
}

// What a killed RestartOnceWith left is gone before the next start, and isn't
// taken for the operator's command line.
func TestALeftDropInIsRemoved(t *testing.T) {
	for name, call := range map[string]func(Unit) error{
		"start":   func(u Unit) error { return u.Start(t.Context()) },
		"restart": func(u Unit) error { return u.Restart(t.Context()) },
		"once":    func(u Unit) error { return u.RestartOnceWith(t.Context(), "-reindex") },
	} {
		u, calls := fakeSystemctl(t, catUnit)
		if err := u.writeDropIn("[Service]\nExecStart=\nExecStart=/left/over\n"); err != nil {
			t.Fatal(err)
		}
		if err := call(u); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := calls(); !strings.HasPrefix(got, "daemon-reload\n") || strings.Contains(got, "/left/over") {
			t.Errorf("%s: calls:\n%s", name, got)
		}
	}
}

func TestOptionsThatSystemdWouldReadOtherwiseAreRefused(t *testing.T) {
	u, _ := fakeSystemctl(t, catUnit)
	for _, arg := range []string{"", "reindex", "-", "--", "-a b", "-a\nExecStartPre=/bin/evil", "-%h", "-$HOME", `-"`, "-a;", `-a\`, "-" + strings.Repeat("a", 200)} {
		if err := u.RestartOnceWith(t.Context(), arg); err == nil || !strings.Contains(err.Error(), "-reindex") {
			t.Errorf("%q: %v", arg, err)
		}
	}
}

func TestCommandLineOfAUnit(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"package and drop-in", unitFile, `-/usr/bin/fluxd -daemon -datadir="/srv/flux data" -conf=%h/flux.conf`},
		{"plain", "[Service]\nExecStart=/bin/a -b\n", "/bin/a -b"},
		{"semicolon inside a word", "[Service]\nExecStart=/bin/a -b;c\n", "/bin/a -b;c"},
		{"backslash at the end", "[Service]\nExecStart=/bin/a \\\\\nExecStop=/bin/b\n", `/bin/a \\`},
		{"none", "[Service]\nType=simple\n", ""},
		{"masked", "# /dev/null\n", ""},
		{"two", "[Service]\nExecStart=/bin/a\nExecStart=/bin/b\n", ""},
		{"two in one line", "[Service]\nExecStart=/bin/a ; /bin/b\n", ""},
		{"taken back", "[Service]\nExecStart=/bin/a\nExecStart=\n", ""},
		{"another section", "[Install]\nExecStart=/bin/a\n", ""},
		{"empty", "", ""},
	} {
		got, err := execStart(c.text)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %q, %v, want %q", c.name, got, err, c.want)
		}
	}
}

func TestStatus(t *testing.T) {
	for _, c := range []struct {
		name, answer string
		want         Status
		err          string
	}{
		{"running", "LoadState=loaded\nActiveState=active\nSubState=running\nResult=success\nMainPID=812\nStateChangeTimestamp=Sun 2026-11-22 13:08:21 UTC\n",
			Status{ActiveState: "active", SubState: "running", Result: "success", MainPID: 812, Since: time.Date(2026, 11, 22, 13, 8, 21, 0, time.UTC)}, ""},
		{"never started", "MainPID=0\nResult=success\nLoadState=loaded\nActiveState=inactive\nSubState=dead\nStateChangeTimestamp=\n",
			Status{ActiveState: "inactive", SubState: "dead", Result: "success"}, ""},
		{"old systemd", "LoadState=loaded\nActiveState=failed\nSubState=failed\nResult=exit-code\nStateChangeTimestamp=n/a\n",
			Status{ActiveState: "failed", SubState: "failed", Result: "exit-code"}, ""},
		{"unknown", "LoadState=not-found\nActiveState=inactive\nSubState=dead\n", Status{}, "knows no such unit"},
		{"empty", "", Status{}, "0 units"},
		{"nonsense", "hello\n", Status{}, "no ="},
		{"no state", "MainPID=0\n", Status{}, "without ActiveState"},
		{"bad process", "ActiveState=active\nMainPID=many\n", Status{}, "MainPID"},
		{"bad time", "ActiveState=active\nStateChangeTimestamp=yesterday\n", Status{}, "StateChangeTimestamp"},
	} {
		u, calls := fakeSystemctl(t, "cat <<'END'\n"+c.answer+"END\n")
		got, err := u.Status(t.Context())
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.err)
		}
		if got := calls(); got != "show --property=LoadState,ActiveState,SubState,Result,MainPID,StateChangeTimestamp fluxd.service\n" {
			t.Errorf("%s: %s", c.name, got)
		}
	}
}

func TestRunningStates(t *testing.T) {
	for state, want := range map[string]bool{"active": true, "reloading": true, "activating": true, "inactive": false, "failed": false, "deactivating": false, "": false} {
		if got := (Status{ActiveState: state}).Running(); got != want {
			t.Errorf("%q: %v", state, got)
		}
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

// Two callers must not write the same drop-in; who waits can give up.
func TestJobsOfAUnitTakeTurns(t *testing.T) {
	u, _ := fakeSystemctl(t, catUnit)
	if err := u.take(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, err := range map[string]error{"start": u.Start(ctx), "restart": u.Restart(ctx), "once": u.RestartOnceWith(ctx, "-reindex")} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s during another job: %v", name, err)
		}
	}
	u.give()
	if err := u.Start(t.Context()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestUnitNames(t *testing.T) {
	for name, ok := range map[string]bool{
		"fluxd.service": true, "zelcash.service": true, "a@b.service": true, "": false, "fluxd": false, "-x.service": false, "a@.service": false,
		"a b.service": false, "../x.service": false, "x;reboot.service": false, "x.timer": false, strings.Repeat("a", 200) + ".service": false,
	} {
		if _, err := NewUnit(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestTemplateAndInstanceNames(t *testing.T) {
	for name, ok := range map[string]bool{
		"fluxosd-update@.service": true, "fluxosd-update.service": false, "fluxosd-update@x.service": false, "@.service": false, "": false, "a/b@.service": false, "a@b@.service": false,
	} {
		if _, err := NewTemplate(name); (err == nil) != ok {
			t.Errorf("template %q: %v", name, err)
		}
	}
	template, err := NewTemplate("fluxosd-update@.service")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"stable": "fluxosd-update@stable.service", "stable-reinstall": "fluxosd-update@stable-reinstall.service",
		"": "", "Stable": "", "a b": "", "a@b": "", "../x": "", "a.service": "", "a*": "", strings.Repeat("a", 33): "",
	} {
		u, err := template.Instance(name)
		if (err == nil) != (want != "") || err == nil && u.String() != want {
			t.Errorf("instance %q: %v, %v", name, u, err)
		}
	}
}

func FuzzShow(f *testing.F) {
	f.Add("LoadState=loaded\nActiveState=active\nMainPID=3\nStateChangeTimestamp=Sun 2026-11-22 13:08:21 UTC\n\nActiveState=failed\n")
	f.Add("x")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := parseShow(text)
		for _, s := range all {
			if err == nil && s.ActiveState == "" {
				t.Errorf("%q: a unit without state", text)
			}
		}
	})
}

func FuzzUnitFile(f *testing.F) {
	f.Add(unitFile)
	f.Add("[Service]\nExecStart=/bin/a \\\n")
	f.Fuzz(func(t *testing.T, text string) {
		command, err := execStart(text)
		if err == nil && (command == "" || strings.Contains(command, "\n")) {
			t.Errorf("%q: command line %q", text, command)
		}
	})
}

// eventually waits until ok, and fails the test after ten seconds.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("it didn't happen within ten seconds")
		}
	}
}
