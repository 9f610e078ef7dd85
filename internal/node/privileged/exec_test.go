package privileged

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// program writes an executable shell script and returns its path.
func program(t *testing.T, script string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestAProgramSeesOnlyItsArgumentsAndAFixedEnvironment(t *testing.T) {
	t.Setenv("FLUXOSD_TOKEN", "secret")
	got, err := Exec{}.Run(t.Context(), program(t, `printf '%s|' "$@"; env; cat`), "a b", "$HOME", "", "*")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(got, "a b|$HOME||*|") || !strings.Contains(got, "LC_ALL=C\n") || !strings.Contains(got, "TZ=UTC\n") || strings.Contains(got, "secret") {
		t.Errorf("%s", got)
	}
}

func TestAFailureQuotesTheProgram(t *testing.T) {
	_, err := Exec{}.Run(t.Context(), program(t, "echo 'ERROR: Bad port' >&2; exit 3"), "allow")
	if err == nil || err.Error() != "program allow: exit status 3: ERROR: Bad port" {
		t.Errorf("%v", err)
	}
	_, err = Exec{}.Run(t.Context(), program(t, "yes complaint | head -c 100000 >&2; exit 1"))
	if err == nil || len(err.Error()) > 2*maxComplaint {
		t.Errorf("an error of %d bytes", len(err.Error()))
	}
	if _, err := (Exec{}).Run(t.Context(), "no-such-program-here"); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("a program that isn't there: %v", err)
	}
}

func TestTooMuchOutputIsAnError(t *testing.T) {
	_, err := Exec{}.Run(t.Context(), program(t, "head -c 300000 /dev/zero"))
	if !errors.Is(err, ErrOutputTooLong) {
		t.Errorf("%v", err)
	}
}

// What a program started ends with it, even while it holds the output open.
func TestDeadlineAndCancelKillTheProgramAndItsChildren(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pids")
	script := "echo $$ >> " + pids + "\nsh -c 'echo $$ >> " + pids + "; exec sleep 600' &\nwait\n"
	started := func() []string {
		raw, _ := os.ReadFile(pids) // not there yet: none
		return strings.Fields(string(raw))
	}
	gone := func() bool {
		for _, pid := range started() {
			raw, err := os.ReadFile("/proc/" + pid + "/stat")
			if err == nil && !strings.Contains(string(raw), ") Z ") {
				return false
			}
		}
		return true
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := Exec{}.Run(ctx, program(t, script))
		done <- err
	}()
	eventually(t, func() bool { return len(started()) == 2 })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	eventually(t, gone)

	began := time.Now()
	_, err := Exec{Timeout: 100 * time.Millisecond}.Run(t.Context(), program(t, script))
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no end after 100ms") {
		t.Errorf("deadline: %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the deadline of 100 ms took %v", took)
	}
	eventually(t, gone)
}
