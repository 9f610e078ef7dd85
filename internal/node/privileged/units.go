package privileged

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ErrNoSystemd says that this machine isn't run by systemd.
var ErrNoSystemd = errors.New("systemd doesn't run on this machine: start and stop the process by hand")

// ErrNoUnit says that systemd knows no unit of that name.
var ErrNoUnit = errors.New("systemd knows no such unit")

// jobTime is how long a start, stop or restart may take. systemd itself gives
// a unit 90 seconds to stop and 90 to start, unless told otherwise.
const jobTime = 4 * time.Minute

// askTime is how long systemd may take to answer a question.
const askTime = 30 * time.Second

var (
	unitName     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9:_.@-]{0,120}\.service$`)
	templateName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9:_.-]{0,80}@\.service$`)
	instanceName = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)
)

// Unit is one service of the host's systemd. Copies are the same unit; its
// methods may be called at the same time.
type Unit struct {
	name string
	// systemctl and runtimeDir are the program and the folder of drop-ins that
	// last until the next boot; tests replace them.
	systemctl, runtimeDir string
	// turn holds a token while nobody writes the unit's drop-in or starts it.
	turn chan struct{}
}

// NewUnit returns the unit of that name, for example "fluxd.service".
func NewUnit(name string) (Unit, error) {
	if !unitName.MatchString(name) || templateName.MatchString(name) {
		return Unit{}, fmt.Errorf("unit name %q: want a plain name such as fluxd.service", name)
	}
	turn := make(chan struct{}, 1)
	turn <- struct{}{}
	return Unit{name: name, systemctl: "systemctl", runtimeDir: "/run/systemd/system", turn: turn}, nil
}

// Template is a unit of which systemd makes instances.
type Template struct{ prefix string }

// NewTemplate returns the template of that name, for example
// "fluxosd-update@.service".
func NewTemplate(name string) (Template, error) {
	if !templateName.MatchString(name) {
		return Template{}, fmt.Errorf("template name %q: want a name such as fluxosd-update@.service", name)
	}
	return Template{prefix: strings.TrimSuffix(name, ".service")}, nil
}

// Instance returns one unit of the template: Instance("stable") of
// "fluxosd-update@.service" is "fluxosd-update@stable.service". A name has 1 to
// 32 of the letters a to z, digits and hyphens.
func (t Template) Instance(name string) (Unit, error) {
	if !instanceName.MatchString(name) {
		return Unit{}, fmt.Errorf("instance %q of %s.service: want 1 to 32 of a-z, 0-9 and -", name, t.prefix)
	}
	return NewUnit(t.prefix + name + ".service")
}

// String returns the unit's name.
func (u Unit) String() string { return u.name }

// Start starts the unit and returns when it runs.
func (u Unit) Start(ctx context.Context) error { return u.job(ctx, "start") }

// Restart stops the unit if it runs, and starts it.
func (u Unit) Restart(ctx context.Context) error { return u.job(ctx, "restart") }

// Stop stops the unit and returns when it is down. Stopping a unit that doesn't
// run is no error.
func (u Unit) Stop(ctx context.Context) error {
	_, err := u.ask(ctx, jobTime, "stop", u.name)
	return err
}

// job starts or restarts the unit as its own file says, without what an
// interrupted RestartOnceWith may have left behind.
func (u Unit) job(ctx context.Context, verb string) error {
	if err := u.take(ctx); err != nil {
		return err
	}
	defer u.give()
	if err := u.dropLeftover(ctx); err != nil {
		return err
	}
	_, err := u.ask(ctx, jobTime, verb, u.name)
	return err
}

// take waits for the unit's turn until ctx ends; give passes it on.
func (u Unit) take(ctx context.Context) error {
	select {
	case <-u.turn:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for another job of %s: %w", u.name, context.Cause(ctx))
	}
}

func (u Unit) give() { u.turn <- struct{}{} }

// Status is what systemd knows of a unit.
type Status struct {
	ActiveState string    // active, reloading, inactive, failed, activating or deactivating
	SubState    string    // running, exited, dead, start, …: finer, by the kind of unit
	Result      string    // success, or why the last run failed: exit-code, signal, timeout, …
	MainPID     int       // 0 when it has none
	Since       time.Time // of the last change of state; zero when there was none since boot
}

// Running reports whether the unit is up, or on its way up.
func (s Status) Running() bool {
	return s.ActiveState == "active" || s.ActiveState == "reloading" || s.ActiveState == "activating"
}

// changing reports whether a job of the unit is under way.
func (s Status) changing() bool {
	return s.ActiveState == "activating" || s.ActiveState == "deactivating" || s.ActiveState == "reloading"
}

// Status asks systemd for the unit's state. A unit that systemd doesn't know is
// ErrNoUnit.
func (u Unit) Status(ctx context.Context) (Status, error) {
	out, err := u.ask(ctx, askTime, "show", "--property=LoadState,ActiveState,SubState,Result,MainPID,StateChangeTimestamp", u.name)
	if err != nil {
		return Status{}, err
	}
	all, err := parseShow(out)
	if err != nil || len(all) != 1 {
		return Status{}, fmt.Errorf("systemctl show %s: unexpected answer: %w", u.name, errors.Join(err, countError(len(all))))
	}
	if all[0].load == "not-found" {
		return Status{}, fmt.Errorf("%s: %w", u.name, ErrNoUnit)
	}
	return all[0].Status, nil
}

func countError(n int) error {
	if n == 1 {
		return nil
	}
	return fmt.Errorf("%d units", n)
}

// shown is one block of systemctl show.
type shown struct {
	Status
	load string // loaded, not-found, masked, …
}

// systemdTime is the layout of a time in the C locale; the zone is UTC because
// Exec says so.
const systemdTime = "Mon 2006-01-02 15:04:05 MST"

// parseShow reads the answer of systemctl show: blocks of Key=Value lines with
// an empty line between units. Keys it doesn't know are left out.
func parseShow(text string) ([]shown, error) {
	var all []shown
	fresh := true
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			fresh = true
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			return nil, fmt.Errorf("no = in %q", clip(line))
		}
		if fresh {
			all, fresh = append(all, shown{}), false
		}
		s := &all[len(all)-1]
		var err error
		switch key {
		case "LoadState":
			s.load = value
		case "ActiveState":
			s.ActiveState = value
		case "SubState":
			s.SubState = value
		case "Result":
			s.Result = value
		case "MainPID":
			s.MainPID, err = strconv.Atoi(value)
		case "StateChangeTimestamp":
			if value != "" && value != "n/a" {
				s.Since, err = time.Parse(systemdTime, value)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
	}
	for _, s := range all {
		if s.ActiveState == "" {
			return nil, errors.New("a unit without ActiveState")
		}
	}
	return all, nil
}

// ask runs a verb of systemctl. When it is ended early, a job that systemd has
// accepted goes on without it.
func (u Unit) ask(ctx context.Context, limit time.Duration, verb string, args ...string) (string, error) {
	if _, err := os.Stat(u.runtimeDir); err != nil {
		return "", ErrNoSystemd
	}
	out, err := Exec{Timeout: limit}.Run(ctx, u.systemctl, append([]string{verb, "--no-ask-password", "--no-pager"}, args...)...)
	if err != nil {
		return "", fmt.Errorf("unit %s: %w", u.name, err)
	}
	return out, nil
}
