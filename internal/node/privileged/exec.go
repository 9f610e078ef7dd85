package privileged

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// maxOutput is how many bytes of a program's output are kept, of each stream.
const maxOutput = 256 << 10

// killGrace is how long a killed program's children may hold its output open.
const killGrace = 2 * time.Second

// ErrOutputTooLong says that a program wrote more than is kept, so that its
// output can't be relied on.
var ErrOutputTooLong = errors.New("more output than expected")

// Runner runs a program of the host.
type Runner interface {
	// Run runs a program with these arguments and returns what it wrote to its
	// standard output. A status other than 0 is an error that quotes what the
	// program complained about. The program doesn't outlive ctx.
	Run(ctx context.Context, program string, args ...string) (string, error)
}

// systemFolders is where programs are looked for, whatever PATH says.
const systemFolders = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Exec is the Runner of a real host. A program is an absolute path, or a name
// that is looked for in the system's folders. It gets the C locale, UTC, these
// folders as PATH, no standard input, and nothing of fluxosd's environment,
// which may hold secrets.
type Exec struct {
	// Timeout ends a program that runs longer. 0 means 30 seconds.
	Timeout time.Duration
}

// Run implements Runner.
func (e Exec) Run(ctx context.Context, program string, args ...string) (string, error) {
	timeout := e.Timeout
	if timeout == 0 {
		timeout = 30 * time.Second
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no end after %v: %w", timeout, context.DeadlineExceeded))
	defer cancel()
	path, err := findProgram(program)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = []string{"LC_ALL=C", "TZ=UTC", "PATH=" + systemFolders}
	var stdout, stderr bounded
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// A group of its own, so that what the program started ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = killGrace
	what := filepath.Base(program)
	if len(args) > 0 {
		what += " " + args[0]
	}
	err = cmd.Run()
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return "", fmt.Errorf("%s: %w", what, cause)
	}
	if err != nil {
		if text := strings.TrimSpace(stderr.String() + stdout.String()); text != "" {
			return "", fmt.Errorf("%s: %w: %s", what, err, clip(text))
		}
		return "", fmt.Errorf("%s: %w", what, err)
	}
	if stdout.cut {
		return "", fmt.Errorf("%s: %w", what, ErrOutputTooLong)
	}
	return stdout.String(), nil
}

func findProgram(program string) (string, error) {
	if filepath.IsAbs(program) {
		return program, nil
	}
	for _, dir := range filepath.SplitList(systemFolders) {
		if path, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: %w in %s", program, exec.ErrNotFound, systemFolders)
}

// maxComplaint is how many bytes of a program's complaint an error quotes.
const maxComplaint = 500

func clip(text string) string {
	if len(text) <= maxComplaint {
		return text
	}
	return strings.ToValidUTF8(text[:maxComplaint], "") + "…"
}

// bounded keeps the first maxOutput bytes and takes the rest without keeping
// it, so that the program isn't stopped by a full pipe.
type bounded struct {
	buf bytes.Buffer // not embedded: io.Copy would go around Write
	cut bool
}

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	keep := p
	if room := maxOutput - b.buf.Len(); len(keep) > room {
		keep, b.cut = keep[:room], true
	}
	b.buf.Write(keep)
	return len(p), nil
}

// String returns what was kept.
func (b *bounded) String() string { return b.buf.String() }
