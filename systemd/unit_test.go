// Package systemd_test checks the unit files of this folder with systemd's
// own tools.
package systemd_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

const unit = "fluxosd.service"

// readUnit returns the lines of the unit.
func readUnit(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}

// analyze runs systemd-analyze on a copy of the unit whose ExecStart names an
// executable that exists: the daemon needn't be installed here.
func analyze(t *testing.T, change func(string) string, args ...string) (string, error) {
	t.Helper()
	tool, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Fatalf("%v: install it with the package systemd (apt-get install systemd)", err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	lines := readUnit(t)
	for i, line := range lines {
		if strings.HasPrefix(line, "ExecStart=") {
			lines[i] = "ExecStart=" + self
		}
	}
	file := filepath.Join(t.TempDir(), unit)
	if err := os.WriteFile(file, []byte(change(strings.Join(lines, "\n")+"\n")), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, tool, append(args, file)...).CombinedOutput()
	return string(out), err
}

func asIs(text string) string { return text }

func TestUnitIsValid(t *testing.T) {
	if out, err := analyze(t, asIs, "verify", "--recursive-errors=no"); err != nil {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// TestVerifyFindsMistakes shows that the check above can fail.
func TestVerifyFindsMistakes(t *testing.T) {
	misspelt := func(text string) string { return strings.Replace(text, "WatchdogSec=", "WatchdogSeconds=", 1) }
	out, err := analyze(t, misspelt, "verify", "--recursive-errors=no")
	if err == nil || !strings.Contains(out, "WatchdogSeconds") {
		t.Errorf("a misspelt directive: got error %v and\n%s", err, out)
	}
}

// maxExposure is the highest exposure level that is accepted, in tenths:
// systemd 252 measures 5.1. Mounts that Docker must see rule out most of what
// would lower it.
const maxExposure = "52"

func TestUnitIsSandboxed(t *testing.T) {
	args := []string{"security", "--offline=true", "--no-pager", "--threshold=" + maxExposure}
	if out, err := analyze(t, asIs, args...); err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, out)
	}
	loose := func(text string) string { return strings.Replace(text, "CapabilityBoundingSet=", "#", 1) }
	if out, err := analyze(t, loose, args...); err == nil {
		t.Errorf("a unit with all capabilities passes the threshold of %s:\n%s", maxExposure, out)
	}
}

func TestEveryDirectiveHasItsReason(t *testing.T) {
	directive := regexp.MustCompile(`^[A-Z][A-Za-z]*=`)
	lines := readUnit(t)
	count := 0
	for i, line := range lines {
		if line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "[") {
			continue
		}
		count++
		if !directive.MatchString(line) {
			t.Errorf("line %d: %q isn't a directive on one line", i+1, line)
		}
		if i == 0 || !strings.HasPrefix(lines[i-1], "# ") {
			t.Errorf("line %d: %q has no comment above it", i+1, line)
		}
	}
	if count < 10 {
		t.Errorf("found %d directives, the unit must have more", count)
	}
}

// Mounts made by the daemon must reach Docker, so the unit may not have a
// mount namespace of its own. systemd makes one for any of these.
func TestUnitKeepsTheMountNamespace(t *testing.T) {
	forbidden := []string{
		"PrivateMounts", "PrivateTmp", "PrivateDevices", "PrivateUsers", "PrivateIPC", "PrivateNetwork", "MountFlags", "MountAPIVFS",
		"ProtectSystem", "ProtectHome", "ProtectProc", "ProcSubset", "ProtectKernelTunables", "ProtectKernelModules",
		"ProtectKernelLogs", "ProtectControlGroups", "ReadWritePaths", "ReadOnlyPaths", "InaccessiblePaths", "ExecPaths", "NoExecPaths",
		"BindPaths", "BindReadOnlyPaths", "TemporaryFileSystem", "RootDirectory", "RootImage", "DynamicUser",
	}
	for _, line := range readUnit(t) {
		name, _, ok := strings.Cut(line, "=")
		if ok && slices.Contains(forbidden, name) {
			t.Errorf("%s gives the service its own mount namespace", line)
		}
	}
}

func TestUnitFitsTheDaemon(t *testing.T) {
	lines := readUnit(t)
	for _, want := range []string{
		"Type=notify",
		"ExecStart=/usr/bin/fluxosd serve --config /etc/fluxosd/config.yaml",
		"Restart=on-failure",
		"StateDirectory=fluxosd",
		"KillMode=mixed",
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("the unit has no line %s", want)
		}
	}
}
