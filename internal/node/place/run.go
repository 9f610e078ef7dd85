package place

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

const (
	toolTimeout = 3 * time.Second
	toolLimit   = 64 << 10 // bytes of output
)

// Run runs a program of the host and returns what it wrote to its standard
// output. It ends when ctx does.
type Run func(ctx context.Context, name string, args ...string) ([]byte, error)

// runTool is the Run of real nodes. The program speaks English, whatever the
// host does.
func runTool(ctx context.Context, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	cmd.WaitDelay = time.Second // for a child that keeps the output open
	stdout, stderr := &bounded{left: toolLimit}, &bounded{left: textLimit}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%s: %w", name, ctx.Err())
	}
	if err != nil {
		// Some tools complain on their standard output.
		if said := clip(strings.TrimSpace(string(stderr.got) + " " + string(stdout.got))); said != "" {
			err = fmt.Errorf("%w: %q", err, said)
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return stdout.got, nil
}

// bounded keeps the beginning of what is written to it and swallows the rest.
type bounded struct {
	got  []byte
	left int // bytes that are still kept
}

// Write never fails, so that the program isn't stopped by its own chatter.
func (b *bounded) Write(p []byte) (int, error) {
	n := min(len(p), b.left)
	b.got = append(b.got, p[:n]...)
	b.left -= n
	return len(p), nil
}
