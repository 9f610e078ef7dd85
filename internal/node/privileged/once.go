package privileged

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// dropIn is the file that changes a unit's command line for one start. systemd
// reads the drop-ins of all folders in the order of their names, and the last one
// decides.
const dropIn = "zzz-fluxosd-once.conf"

// onceArgument has nothing that systemd would read as a quote, a variable, a
// specifier, a second command or a second line.
var onceArgument = regexp.MustCompile(`^-{1,2}[A-Za-z0-9][A-Za-z0-9=.,:_/-]{0,100}$`)

// RestartOnceWith restarts the unit with one more option, for example
// "-reindex", at the end of its command line. The change is a drop-in that is
// removed again at once, so the start after this one is an ordinary one. A unit
// that starts a script passes the option to the script.
//
// Once the drop-in is written the work is finished whatever happens to ctx: a
// caller that goes away must not leave it there.
func (u Unit) RestartOnceWith(ctx context.Context, arg string) error {
	if !onceArgument.MatchString(arg) {
		return fmt.Errorf("option %q for %s: want one plain option such as -reindex", arg, u.name)
	}
	if err := u.take(ctx); err != nil {
		return err
	}
	defer u.give()
	if err := u.dropLeftover(ctx); err != nil {
		return err
	}
	command, err := u.command(ctx)
	if err != nil {
		return err
	}
	command += " " + arg
	if err := u.writeDropIn("[Service]\nExecStart=\nExecStart=" + command + "\n"); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx) // each step has a deadline of its own
	err = u.restartAs(ctx, command)
	_, removed := u.removeDropIn()
	return errors.Join(err, removed, u.reload(ctx))
}

// restartAs restarts the unit if its files, as they are now, make this its
// command line.
func (u Unit) restartAs(ctx context.Context, command string) error {
	if err := u.reload(ctx); err != nil {
		return err
	}
	got, err := u.command(ctx)
	if err != nil {
		return err
	}
	if got != command {
		return fmt.Errorf("unit %s: another drop-in decides about its command line: %s", u.name, got)
	}
	_, err = u.ask(ctx, jobTime, "restart", u.name)
	return err
}

// command returns the unit's command line.
func (u Unit) command(ctx context.Context) (string, error) {
	text, err := u.ask(ctx, askTime, "cat", u.name)
	if err != nil {
		return "", err
	}
	command, err := execStart(text)
	if err != nil {
		return "", fmt.Errorf("unit %s: %w", u.name, err)
	}
	return command, nil
}

func (u Unit) reload(ctx context.Context) error {
	_, err := u.ask(ctx, askTime, "daemon-reload")
	return err
}

// dropLeftover removes the drop-in of a RestartOnceWith that was killed in the
// middle: with it, every start would be one with the option.
func (u Unit) dropLeftover(ctx context.Context) error {
	removed, err := u.removeDropIn()
	if err != nil || !removed {
		return err
	}
	return u.reload(ctx)
}

func (u Unit) dropInDir() string { return filepath.Join(u.runtimeDir, u.name+".d") }

func (u Unit) writeDropIn(text string) error {
	if _, err := os.Stat(u.runtimeDir); err != nil {
		return ErrNoSystemd
	}
	if err := os.MkdirAll(u.dropInDir(), 0o755); err != nil {
		return fmt.Errorf("make drop-in folder: %w", err)
	}
	// The umask of the service would keep systemctl cat from showing it to others.
	file := filepath.Join(u.dropInDir(), dropIn)
	if err := errors.Join(os.WriteFile(file, []byte(text), 0o644), os.Chmod(file, 0o644)); err != nil {
		_, removed := u.removeDropIn()
		return fmt.Errorf("write drop-in: %w", errors.Join(err, removed))
	}
	return nil
}

// removeDropIn reports whether there was one.
func (u Unit) removeDropIn() (bool, error) {
	err := os.Remove(filepath.Join(u.dropInDir(), dropIn))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("remove drop-in, with which every start of %s is special: %w", u.name, err)
	}
	_ = os.Remove(u.dropInDir()) // fails, rightly, when others have drop-ins there
	return true, nil
}

// execStart returns the one command line of a service from its files, as
// systemctl cat prints them: the last that counts, prefixes and quotes as they
// are written (systemd.service(5), systemd.syntax(7)).
func execStart(text string) (string, error) {
	var commands []string
	section := ""
	for _, line := range logicalLines(text) {
		if strings.HasPrefix(line, "[") {
			section = line
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok || section != "[Service]" || strings.TrimSpace(key) != "ExecStart" {
			continue
		}
		if value = strings.TrimSpace(value); value == "" {
			commands = nil // an empty assignment forgets what came before
			continue
		}
		commands = append(commands, value)
	}
	if len(commands) != 1 || slices.Contains(strings.Fields(commands[0]), ";") {
		return "", errors.New("no single command line (ExecStart) to add an option to")
	}
	return commands[0], nil
}

// logicalLines returns the lines of a unit file without comments and empty
// lines, each continued line joined by a space.
func logicalLines(text string) []string {
	var lines []string
	open := false // the last line goes on
	for line := range strings.Lines(text) {
		line = strings.TrimLeft(strings.TrimRight(line, "\r\n"), " \t")
		if strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
			continue // also between the parts of a continued line
		}
		if line == "" {
			open = false
			continue
		}
		// An even number of backslashes at the end stands for half as many.
		part := line
		backslashes := len(line) - len(strings.TrimRight(line, `\`))
		if backslashes%2 == 1 {
			part = line[:len(line)-1]
		}
		if open {
			lines[len(lines)-1] = strings.TrimSpace(lines[len(lines)-1] + " " + strings.TrimSpace(part))
		} else {
			lines = append(lines, strings.TrimSpace(part))
		}
		open = backslashes%2 == 1
	}
	return lines
}
