// Package privileged does the work that needs root, as typed verbs: so far,
// the control of systemd units.
//
// It promises that nothing a caller says becomes part of a command line other
// than as one validated argument, and that no shell is involved. It refuses
// unit names that are not plain.
package privileged

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// ErrNoSystemd says that this machine isn't run by systemd.
var ErrNoSystemd = errors.New("systemd doesn't run on this machine: start and stop the process by hand")

// unitTime is how long systemd may take for one job.
const unitTime = 60 * time.Second

var unitName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9:_.@-]{0,120}\.service$`)

// Unit is one service of the host's systemd.
type Unit struct {
	name string
	// systemctl and runtimeDir are the program and the folder of drop-ins that
	// last until the next boot; tests replace them.
	systemctl, runtimeDir string
}

// NewUnit returns the unit of that name, for example "fluxd.service".
func NewUnit(name string) (Unit, error) {
	if !unitName.MatchString(name) {
		return Unit{}, fmt.Errorf("unit name %q: want a plain name such as fluxd.service", name)
	}
	return Unit{name: name, systemctl: "systemctl", runtimeDir: "/run/systemd/system"}, nil
}

// Start starts the unit and returns when it runs.
func (u Unit) Start(ctx context.Context) error { return u.run(ctx, "start", u.name) }

// Restart stops the unit if it runs, and starts it.
func (u Unit) Restart(ctx context.Context) error { return u.run(ctx, "restart", u.name) }

// RestartOnceWith restarts the unit with one more argument on its command line.
// The change is a drop-in that is removed again at once, so the start after
// this one is an ordinary one.
func (u Unit) RestartOnceWith(ctx context.Context, arg string) error {
	command, err := u.command(ctx)
	if err != nil {
		return err
	}
	dir := filepath.Join(u.runtimeDir, u.name+".d")
	file := filepath.Join(dir, "fluxosd-once.conf")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make drop-in folder: %w", err)
	}
	text := "[Service]\nExecStart=\nExecStart=" + command + " " + arg + "\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return fmt.Errorf("write drop-in: %w", err)
	}
	run := u.run(ctx, "daemon-reload")
	if run == nil {
		run = u.run(ctx, "restart", u.name)
	}
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), unitTime)
	defer cancel()
	os.Remove(dir + "/fluxosd-once.conf") // a file that stays is replaced next time
	os.Remove(dir)                        // fails, rightly, when others have drop-ins there
	return errors.Join(run, u.run(after, "daemon-reload"))
}

var argv = regexp.MustCompile(`argv\[\]=(.*?) ;`)

// command returns the unit's own command line.
func (u Unit) command(ctx context.Context) (string, error) {
	out, err := u.output(ctx, "show", "--property=ExecStart", "--value", u.name)
	if err != nil {
		return "", err
	}
	m := argv.FindStringSubmatch(out)
	if m == nil || strings.Contains(m[1], "\n") {
		return "", fmt.Errorf("unit %s: no command line to add an argument to", u.name)
	}
	return m[1], nil
}

func (u Unit) run(ctx context.Context, args ...string) error {
	_, err := u.output(ctx, args...)
	return err
}

func (u Unit) output(ctx context.Context, args ...string) (string, error) {
	if _, err := os.Stat(u.runtimeDir); err != nil {
		return "", ErrNoSystemd
	}
	ctx, cancel := context.WithTimeout(ctx, unitTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, u.systemctl, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		if text := strings.TrimSpace(stderr.String()); text != "" {
			return "", fmt.Errorf("systemctl %s: %s", args[0], text)
		}
		return "", fmt.Errorf("systemctl %s: %w", args[0], err)
	}
	return string(out), nil
}
