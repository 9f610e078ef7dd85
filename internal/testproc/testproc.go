// Package testproc builds, starts and stops the servers that tests run against,
// each in a process of its own, and says how many rounds a random test does.
//
// It promises that a binary is built once per version of its source and of Go,
// however many tests want it, that waiting for a server ends with the server's
// own words when it fails, and that a stopped process is gone. It is for tests:
// the daemon does not import it, and it downloads nothing but what the go
// command needs for a build.
package testproc

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"
)

// Build compiles package pkg of the Go module in folder module and returns the
// path of the binary. Binaries are kept in the user's cache folder, by name and
// by a digest of the module's go.mod, go.sum and Go files at its root. A cold
// build takes a minute or so.
func Build(ctx context.Context, module, pkg, name string) (string, error) {
	version, err := digest(module)
	if err != nil {
		return "", fmt.Errorf("build %s: %w", name, err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir := filepath.Join(cache, "fluxosd-test")
	binary := filepath.Join(dir, name+"-"+version)
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("build %s: %w", name, err)
	}
	// Two test processes may build at once: each builds its own and renames it.
	own, err := os.MkdirTemp(dir, "build-")
	if err != nil {
		return "", fmt.Errorf("build %s: %w", name, err)
	}
	defer os.RemoveAll(own)
	built := filepath.Join(own, name)
	cmd := exec.CommandContext(ctx, "go", "build", "-o", built, pkg)
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", name, err, out)
	}
	return binary, os.Rename(built, binary)
}

// digest names a version of a module's source, for the Go that compiles it.
func digest(module string) (string, error) {
	files, err := filepath.Glob(filepath.Join(module, "*.go"))
	if err != nil {
		return "", err
	}
	slices.Sort(files)
	sum := sha256.New()
	for _, file := range append(files, filepath.Join(module, "go.mod"), filepath.Join(module, "go.sum")) {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%s %d\n%s", filepath.Base(file), len(text), text)
	}
	fmt.Fprint(sum, runtime.Version())
	return hex.EncodeToString(sum.Sum(nil)[:8]), nil
}

// FreeAddress returns a loopback address, host:port, where nobody listens.
// Somebody else may take it before its use.
func FreeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

// Process is a running server. Stop ends it.
type Process struct {
	cmd    *exec.Cmd
	output output
	exited chan struct{} // closed when the process is gone
}

// Start runs cmd; its output is kept for the errors of Await.
func Start(cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, exited: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.output, &p.output
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.exited)
		_ = cmd.Wait() // how it ended is told by its output
	}()
	return p, nil
}

// Await asks ready again and again until it gives nil. It gives up, and stops
// the process, when the process ends, after the limit, or with ctx.
func (p *Process) Await(ctx context.Context, limit time.Duration, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.exited:
			return fmt.Errorf("%s ended: %s", filepath.Base(p.cmd.Path), p.output.String())
		case <-ctx.Done():
			p.Stop(os.Kill)
			return fmt.Errorf("%s is not ready: %w\n%s", filepath.Base(p.cmd.Path), errors.Join(err, ctx.Err()), p.output.String())
		case <-tick.C:
		}
	}
}

// Signal sends a signal to the process.
func (p *Process) Signal(signal os.Signal) error { return p.cmd.Process.Signal(signal) }

// Stop sends the signal and waits for the end of the process; one that lives on
// for ten seconds is killed. Stopping twice is harmless.
func (p *Process) Stop(signal os.Signal) {
	_ = p.Signal(signal) // it may have ended already
	select {
	case <-p.exited:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
}

// Listening is a ready function for Await: something accepts connections there.
func Listening(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

// output collects what a process writes while others read it.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
