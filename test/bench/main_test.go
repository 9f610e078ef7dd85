package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain makes the test binary do as the servers that a run starts, the
// baseline, which is this program itself, and a small fluxosd; and as a program
// that is killed while it has a child.
func TestMain(m *testing.M) {
	var err error
	switch {
	case len(os.Args) == 3 && os.Args[1] == baselineFlag:
		err = serveBaseline(os.Args[2])
	case len(os.Args) > 1 && os.Args[1] == "serve":
		err = serveFake(os.Args[2:])
	case len(os.Args) == 3 && os.Args[1] == orphanFlag:
		err = leaveOrphan(os.Args[2])
	default:
		goleak.VerifyTestMain(m)
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// smallPlan is a run of a second or two.
func smallPlan() plan {
	return plan{rounds: 2, coldStarts: 2, idle: 10 * time.Millisecond, mixed: 50, presigned: 10, loginTime: 50 * time.Millisecond}
}

// temporary points the folder for temporary files to a new one, and returns it.
func temporary(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	return dir
}

func wantEmpty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func self(t *testing.T) string {
	t.Helper()
	file, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func TestRunMeasuresEverything(t *testing.T) {
	tmp := temporary(t)
	file := filepath.Join(t.TempDir(), "figures.json")
	var out, progress bytes.Buffer
	status := run(t.Context(), []string{"-binary", self(t), "-seconds", "0.1", "-conns", "3", "-json", file}, smallPlan(), &out, &progress)
	// The fake is no fluxosd: whether its figures meet the targets is up to the machine.
	if status != exitMet && status != exitMissed {
		t.Fatalf("status %d\n%s", status, &progress)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var rep report
	if err := json.Unmarshal(b, &rep); err != nil {
		t.Fatal(err)
	}
	if want := map[bool]int{true: exitMissed, false: exitMet}[rep.missed() > 0]; status != want {
		t.Errorf("status %d with %d targets missed", status, rep.missed())
	}
	judged := 0
	for _, f := range rep.Figures {
		if f.Value.Median <= 0 || f.Value.Min > f.Value.Median || f.Value.Median > f.Value.Max {
			t.Errorf("%s: %+v", f.Name, f.Value)
		}
		if !strings.Contains(out.String(), f.Name) {
			t.Errorf("%s is not in the table", f.Name)
		}
		if f.Met != nil {
			judged++
		}
	}
	if len(rep.Figures) != 12 || judged != 8 {
		t.Errorf("%d figures, %d with a target; want 12 and 8\n%s", len(rep.Figures), judged, &out)
	}
	if rep.Machine.Cores < 1 || rep.Binary.Bytes == 0 || rep.Binary.Go == "" || rep.Connections != 3 {
		t.Errorf("facts are missing: %+v", rep)
	}
	wantEmpty(t, tmp)
}

func TestFiguresArePrintedThoughTheirFileCannotBeWritten(t *testing.T) {
	temporary(t)
	var out, progress bytes.Buffer
	status := run(t.Context(), []string{"-binary", self(t), "-seconds", "0.1", "-conns", "1", "-json", "/nowhere/figures.json"}, smallPlan(), &out, &progress)
	if status != exitFailed || !strings.Contains(progress.String(), "/nowhere/figures.json") || !strings.Contains(out.String(), "binary size") {
		t.Errorf("status %d\n%s%s", status, &out, &progress)
	}
}

func TestRunSaysWhyItCannotMeasure(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("text"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		args []string
		want string
	}{
		{"no such binary", []string{"-binary", "/nowhere/fluxosd"}, "/nowhere/fluxosd"},
		{"not a Go program", []string{"-binary", text}, "is not a Go program"},
		{"a folder", []string{"-binary", filepath.Dir(text)}, "is not a program"},
		{"too short", []string{"-seconds", "0"}, "-seconds: 0 is outside 0.1 to 7"},
		{"too long", []string{"-seconds", "60"}, "-seconds: 60 is outside 0.1 to 7"},
		{"no number", []string{"-seconds", "NaN"}, "-seconds: NaN is outside 0.1 to 7"},
		{"no connections", []string{"-conns", "0"}, "-conns: 0 is outside 1 to 1000"},
		{"too many connections", []string{"-conns", "1001"}, "-conns: 1001 is outside 1 to 1000"},
		{"argument", []string{"fast"}, `unexpected argument "fast"`},
		{"unknown flag", []string{"-quick"}, "flag provided but not defined: -quick"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tmp := temporary(t)
			var out, progress bytes.Buffer
			if status := run(t.Context(), tc.args, smallPlan(), &out, &progress); status != exitFailed {
				t.Errorf("status %d, want %d", status, exitFailed)
			}
			if !strings.Contains(progress.String(), tc.want) {
				t.Errorf("got %q, want it to say %q", &progress, tc.want)
			}
			wantEmpty(t, tmp)
		})
	}
}

func TestHelpIsNoFailure(t *testing.T) {
	var out, usage bytes.Buffer
	if status := run(t.Context(), []string{"-h"}, smallPlan(), &out, &usage); status != exitMet {
		t.Errorf("status %d, want %d", status, exitMet)
	}
	if !strings.Contains(usage.String(), "-binary") || strings.Contains(usage.String(), baselineFlag) {
		t.Errorf("usage:\n%s", &usage)
	}
}

// progressCancel cancels when a line of progress begins with its text.
type progressCancel struct {
	bytes.Buffer
	at     string
	cancel context.CancelCauseFunc
}

func (p *progressCancel) Write(b []byte) (int, error) {
	if strings.HasPrefix(string(b), p.at) {
		p.cancel(errors.New("interrupted"))
	}
	return p.Buffer.Write(b)
}

func TestInterruptLeavesNothingBehind(t *testing.T) {
	for _, at := range []string{"Starting fluxosd", "Leaving fluxosd alone", "Measuring routes, round 1"} {
		t.Run(at, func(t *testing.T) {
			tmp := temporary(t)
			ctx, cancel := context.WithCancelCause(t.Context())
			var out bytes.Buffer
			progress := progressCancel{at: at, cancel: cancel}
			status := run(ctx, []string{"-binary", self(t), "-seconds", "0.1", "-conns", "2"}, smallPlan(), &out, &progress)
			if status != exitFailed {
				t.Errorf("status %d, want %d", status, exitFailed)
			}
			if !strings.HasSuffix(progress.String(), "\nbench: interrupted\n") {
				t.Errorf("progress:\n%s", &progress)
			}
			if out.Len() > 0 {
				t.Errorf("figures of half a run:\n%s", &out)
			}
			wantEmpty(t, tmp)
		})
	}
}
