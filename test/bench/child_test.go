package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestChildEndsAtStop(t *testing.T) {
	c, err := startBaseline(t.Context(), self(t), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	took, err := c.ready(t.Context())
	if err != nil {
		c.stop()
		t.Fatal(err)
	}
	if took <= 0 {
		t.Errorf("ready after %v", took)
	}
	if n, err := c.memory(); err != nil || n < 1<<20 {
		t.Errorf("memory: %d, %v", n, err)
	}
	c.stop()
	if err := syscall.Kill(c.pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the process is still there: %v", err)
	}
}

// orphanFlag, followed by a folder, makes the test binary start a baseline.
const orphanFlag = "-leave-orphan"

// leaveOrphan tells the address of its child on standard output and waits to be killed.
func leaveOrphan(dir string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c, err := startBaseline(context.Background(), self, dir)
	if err != nil {
		return err
	}
	defer c.stop()
	if _, err := c.ready(context.Background()); err != nil {
		return err
	}
	fmt.Println(c.api)
	_, err = io.Copy(io.Discard, os.Stdin) // ends with the test, should that die first
	return err
}

func TestChildEndsWhenThisProgramIsKilled(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), readyTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, self(t), orphanFlag, t.TempDir())
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Errorf("no address: %v", err)
	}
	cmd.Process.Kill()
	cmd.Wait() // "signal: killed" is what was asked for
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for ; ; <-tick.C {
		c, err := dial(ctx, strings.TrimSpace(addr))
		if errors.Is(err, syscall.ECONNREFUSED) {
			return
		}
		if ctx.Err() != nil {
			t.Fatal("the child still listens")
		}
		if err == nil {
			c.Close()
		}
	}
}

func TestChildThatEndsEarlySaysWhy(t *testing.T) {
	dir := t.TempDir()
	c, err := startChild(t.Context(), child{api: "127.0.0.1:1", private: "127.0.0.1:1", probe: "/", log: filepath.Join(dir, "log")}, self(t), "serve", "--demo")
	if err != nil {
		t.Fatal(err)
	}
	defer c.stop()
	_, err = c.ready(t.Context())
	for _, want := range []string{"ended before it was ready", "exit status 1", "last lines of log:\nunexpected arguments"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %q", err, want)
		}
	}
}

func TestStartChildWithoutProgram(t *testing.T) {
	dir := t.TempDir()
	if _, err := startFluxosd(t.Context(), filepath.Join(dir, "nothing"), dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestLastBytesAreWholeLines(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(file, []byte("first line\nsecond\nthird\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int64]string{1000: "first line\nsecond\nthird", 24: "first line\nsecond\nthird", 15: "second\nthird", 13: "third", 2: ""} {
		if got := string(lastBytes(file, n)); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
	if got := lastBytes(file+"x", 10); got != nil {
		t.Errorf("no file: got %q", got)
	}
}

func TestResidentMemory(t *testing.T) {
	for _, tc := range []struct {
		name, status string
		want         int64
		err          string
	}{
		{"kernel", "Name:\tfluxosd\nVmHWM:\t   99999 kB\nVmRSS:\t   51234 kB\nRssAnon:\t 1 kB\n", 51234 << 10, ""},
		{"none", "Name:\tkthreadd\n", 0, "there is none"},
		{"other unit", "VmRSS:\t 5 MB\n", 0, "is not a size in kB"},
		{"no number", "VmRSS:\t five kB\n", 0, "is not a size in kB"},
		{"negative", "VmRSS:\t -5 kB\n", 0, "is not a size in kB"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := residentMemory([]byte(tc.status))
			if got != tc.want || (err == nil) != (tc.err == "") || (err != nil && !strings.Contains(err.Error(), tc.err)) {
				t.Errorf("got %d, %v; want %d, %q", got, err, tc.want, tc.err)
			}
		})
	}
}

func TestProcessorTime(t *testing.T) {
	const head, times = "1234 (odd ) name) S 1 2 3 4 5 6 7 8 9 10 ", "700 25 8 9 20 0"
	for _, tc := range []struct {
		name, stat string
		want       time.Duration
		err        string
	}{
		{"kernel", head + times, 7250 * time.Millisecond, ""},
		{"cut short", head + "700", 0, "fields are missing"},
		{"empty", "", 0, "fields are missing"},
		{"no number", head + "700 many 8", 0, "is no number of ticks"},
		{"negative", head + "-1 5 8", 0, "is no number of ticks"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := processorTime([]byte(tc.stat))
			if got != tc.want || (err == nil) != (tc.err == "") || (err != nil && !strings.Contains(err.Error(), tc.err)) {
				t.Errorf("got %v, %v; want %v, %q", got, err, tc.want, tc.err)
			}
		})
	}
}

func TestCPUModel(t *testing.T) {
	for name, tc := range map[string]struct{ cpuinfo, want string }{
		"first of two": {"processor\t: 0\nmodel name\t: Some CPU @ 2.00GHz\nflags\t\t: fpu\n\nprocessor\t: 1\nmodel name\t: Other\n", "Some CPU @ 2.00GHz"},
		"not told":     {"processor\t: 0\nBogoMIPS\t: 50.00\n", ""},
	} {
		if got := cpuModel([]byte(tc.cpuinfo)); got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}
