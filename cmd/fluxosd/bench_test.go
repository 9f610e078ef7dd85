package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// benchProcess is fluxosd bench in a process of its own.
func benchProcess(t *testing.T, env []string, args ...string) *running {
	t.Helper()
	return launch(t, append(append(os.Environ(), "FLUXOSD_CONFIG="), env...), append([]string{"bench"}, args...)...)
}

// ended waits for the end of a process and returns its status.
func (r *running) ended() int {
	r.t.Helper()
	select {
	case <-r.done:
	case <-time.After(2 * time.Minute):
		r.t.Fatalf("still running:\n%s%s", r.out, r.err)
	}
	return r.cmd.ProcessState.ExitCode()
}

func empty(t *testing.T, dir string) {
	t.Helper()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left in %s: %v, %v", dir, left, err)
	}
}

// types describes the JSON types of a value, members of objects in their order
// of names; of lists it describes the first item.
func types(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "bool"
	case float64:
		return "number"
	case string:
		return "text"
	case []any:
		if len(v) == 0 {
			return "[]"
		}
		return "[" + types(v[0]) + "]"
	}
	o := v.(map[string]any)
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(o)) {
		parts = append(parts, k+":"+types(o[k]))
	}
	return "{" + strings.Join(parts, " ") + "}"
}

// The members of fluxbenchd's getbenchmarks keep their names and types; ours
// follow.
func TestBenchPrintsJSONForPrograms(t *testing.T) {
	dir, tmp := t.TempDir(), t.TempDir()
	r := benchProcess(t, []string{"TMPDIR=" + tmp}, "--quick", "--json", "--dir", dir)
	if code := r.ended(); code != 0 {
		t.Fatalf("status %d: %s", code, r.err)
	}
	if text := r.err.String(); text != "" {
		t.Errorf("on standard error, which is no terminal: %q", text)
	}
	empty(t, dir)
	empty(t, tmp)
	var got map[string]any
	if err := json.Unmarshal([]byte(r.out.String()), &got); err != nil {
		t.Fatalf("%v: %s", err, r.out)
	}
	const figure = "{high:number low:number median:number runs:[number]}"
	want := map[string]string{
		"ipaddress": "text", "architecture": "text", "armboard": "text", "status": "text", "time": "number", "real_cores": "number", "cores": "number",
		"ram": "number", "ssd": "number", "hdd": "number", "ddwrite": "number", "totalstorage": "number", "disksinfo": "[{disk:text size:number writespeed:number}]",
		"eps": "number", "eps_singlethread": "number", "eps_multithread": "number", "ping": "number", "download_speed": "number", "upload_speed": "number",
		"bench_version": "text", "speed_version": "text", "systemsecure": "bool", "thunder": "bool", "error": "text", "source": "text",
		"host":    "{architecture:text board:text boot_time:text cores:number cpu_mhz:number cpu_model:text cpu_vendor:text hostname:text kernel:text os:text ram_bytes:number real_cores:number swap_bytes:number virtualisation:text}",
		"volumes": "[{file_system:text free_bytes:number kind:text mount:text name:text read_only:bool size_bytes:number usable_bytes:number write:" + figure + "}]", "usable_for_apps_bytes": "number",
		"took": "number", "memory_copy": figure, "events_single": figure, "events_multi": figure,
		"tiers": "[{passed:bool requirements:[{advisory:bool measured:number name:text needed:number passed:bool recommended:number text:text unit:text}] tier:text}]",
	}
	shape := map[string]string{}
	for k, v := range got {
		shape[k] = types(v)
	}
	// What disturbed the measurement, and what it could not measure, depends on the machine.
	for member, full := range map[string]string{"notes": "[text]", "disturbed": "[{reason:text share:number}]"} {
		if shape[member] != "[]" && shape[member] != full {
			t.Errorf("%s: %s", member, shape[member])
		}
		delete(shape, member)
	}
	if diff := cmp.Diff(want, shape); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	if got["source"] != "native" || got["eps_singlethread"].(float64) <= 0 || got["ddwrite"].(float64) < 0 || got["took"].(float64) < 4 {
		t.Errorf("figures %s", r.out)
	}
	if at := int64(got["time"].(float64)); at < time.Now().Add(-time.Minute).Unix() || at > time.Now().Unix() {
		t.Errorf("time %d", at)
	}
	var tiers []string
	for _, v := range got["tiers"].([]any) {
		tiers = append(tiers, v.(map[string]any)["tier"].(string))
	}
	if diff := cmp.Diff([]string{"CUMULUS", "NIMBUS", "STRATUS"}, tiers); diff != "" {
		t.Errorf("tiers (-want +got):\n%s", diff)
	}
}

// terminalPair returns both ends of a terminal; what is written to the second
// appears at the first.
func terminalPair(t *testing.T) (screen, tty *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { screen.Close() })
	number, err := unix.IoctlGetInt(int(screen.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(screen.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	if tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tty.Close() })
	return screen, tty
}

func TestBenchShowsItsProgressOnATerminal(t *testing.T) {
	screen, tty := terminalPair(t)
	shown := new(output)
	read := make(chan struct{})
	go func() {
		defer close(read)
		io.Copy(shown, screen) // ends with an error when the last writer is gone
	}()
	dir := t.TempDir()
	var out bytes.Buffer
	p := process{args: []string{"bench", "--quick", "--dir", dir}, out: &out, err: tty}
	if err := p.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	tty.Close()
	<-read
	text := shown.String()
	if !strings.Contains(text, "cpu single") || !strings.Contains(text, "disk ") || !strings.Contains(text, "%") || !strings.Contains(text, "\r") {
		t.Errorf("the terminal shows %q", text)
	}
	for _, row := range []string{"Processor ", "Memory ", "Events, one thread ", "Memory copy ", "not measured: benchmark.speed_servers is empty", "\nCUMULUS: ", "\nNIMBUS: ", "\nSTRATUS: "} {
		if !strings.Contains(out.String(), row) {
			t.Errorf("the report lacks %q:\n%s", row, out.String())
		}
	}
	if strings.ContainsAny(out.String(), "\r\x1b") {
		t.Errorf("the bar is in the report:\n%q", out.String())
	}
	empty(t, dir)
}

func TestBenchRefusesAFolderThatItCannotWriteTo(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, folder := range map[string]string{
		"missing":      filepath.Join(dir, "none"),
		"a file":       file,
		"not writable": "/proc", // not even by root
	} {
		begun := time.Now()
		r := benchProcess(t, nil, "--quick", "--json", "--dir", folder)
		if code := r.ended(); code != 2 || !strings.Contains(r.err.String(), folder) || r.out.String() != "" {
			t.Errorf("%s: status %d, %q, %q", name, code, r.out, r.err)
		}
		if took := time.Since(begun); took > 2*quickCPU {
			t.Errorf("%s: refused after %v", name, took)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v", left, err)
	}
	if raw, err := os.ReadFile(file); err != nil || string(raw) != "mine" {
		t.Errorf("the file holds %q, %v", raw, err)
	}
}

func TestBenchRefusesWhatItDoesNotKnow(t *testing.T) {
	for name, args := range map[string][]string{
		"operand": {"now"}, "flag": {"--fast"}, "no file": {"--config", filepath.Join(t.TempDir(), "none.yaml")}, "bad value": {"--set", "benchmark.cpu_time=1h"},
	} {
		if r := benchProcess(t, nil, args...); r.ended() != 2 || r.out.String() != "" || r.err.String() == "" {
			t.Errorf("%s: status %d, %q, %q", name, r.cmd.ProcessState.ExitCode(), r.out, r.err)
		}
	}
}

func TestAnInterruptedBenchLeavesNoFile(t *testing.T) {
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGKILL} {
		dir := t.TempDir()
		// Three runs of this size take long enough to be caught writing.
		r := benchProcess(t, nil, "--dir", dir, "--set", "benchmark.cpu_time=1s", "--set", "benchmark.disk_size=1GiB")
		r.until("a file being written", func() bool { return writesIn(r.cmd.Process.Pid, dir) })
		r.cmd.Process.Signal(sig)
		begun := time.Now()
		code := r.ended()
		if empty(t, dir); sig == syscall.SIGKILL {
			continue
		}
		if code != 2 || r.out.String() != "" {
			t.Errorf("%v: status %d, %q, %q", sig, code, r.out, r.err)
		}
		if took := time.Since(begun); took > 20*time.Second {
			t.Errorf("%v: it ended after %v", sig, took)
		}
		if n := strings.Count(r.err.String(), "\n"); n != 1 {
			t.Errorf("%v: %d lines: %s", sig, n, r.err)
		}
	}
}

// writesIn reports whether a process has a file of a folder open, which need not
// have a name any more.
func writesIn(pid int, dir string) bool {
	fds := filepath.Join("/proc", strconv.Itoa(pid), "fd")
	open, err := os.ReadDir(fds)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(open, func(e os.DirEntry) bool {
		target, err := os.Readlink(filepath.Join(fds, e.Name()))
		info, statErr := os.Stat(filepath.Join(fds, e.Name()))
		return err == nil && statErr == nil && strings.HasPrefix(target, dir+"/") && info.Size() > 1<<20
	})
}

func TestWritableLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := writable(dir); err != nil {
		t.Error(err)
	}
	empty(t, dir)
	if err := writable(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
