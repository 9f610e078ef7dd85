package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/fluxosd/fluxosd/internal/logs"
	"github.com/fluxosd/fluxosd/internal/permissions"
)

func TestDaemonVerbs(t *testing.T) {
	for _, c := range []struct {
		err      error
		status   string
		messages map[string]string
	}{
		{nil, "success", map[string]string{"/flux/startdaemon": "Daemon successfully started", "/flux/restartdaemon": "Daemon successfully restarted", "/flux/reindexdaemon": "Daemon successfully reindexing"}},
		{errors.New("unit fluxd.service isn't there"), "error", map[string]string{"/flux/startdaemon": "Error starting Daemon: unit fluxd.service isn't there",
			"/flux/restartdaemon": "Error restarting Daemon: unit fluxd.service isn't there", "/flux/reindexdaemon": "Error reindexing Daemon: unit fluxd.service isn't there"}},
	} {
		w := newWorld(t, func(cfg *Config, _ *permissions.Config) { cfg.Control = controlFake{c.err} })
		for path, want := range c.messages {
			w.says(w.request("GET", path, "", w.as(admin)...), c.status, want)
		}
	}
}

// What can't be done here says what to do instead.
func TestUpdatesThatAreNotConfigured(t *testing.T) {
	w := newWorld(t, nil)
	self := "updates of fluxosd are left to the package manager on this node: upgrade its package, or set node.update_unit"
	for path, want := range map[string]string{
		"/flux/updateflux":            "Error updating Flux: " + self,
		"/flux/softupdateflux":        "Error soft updating Flux: " + self,
		"/flux/hardupdateflux":        "Error hard updating Flux: " + self,
		"/flux/softupdatefluxinstall": "Error soft updating Flux with installation: fluxosd is one program and has nothing else to install. Use /flux/updateflux.",
		"/flux/rebuildhome":           "Error rebuilding Flux UI: the web interface is a part of fluxosd and can't be built here. Use /flux/updateflux to get a newer one.",
		"/flux/updatedaemon":          "Error updating Daemon: updates of the chain daemon are left to the package manager on this node: upgrade its package, or set daemon.update_unit",
		"/flux/updatebenchmark":       "Error updating Benchmark: updates of the benchmark daemon are left to the package manager on this node: upgrade its package, or set benchmark.update_unit",
	} {
		a := w.request("GET", path, "", w.as(fluxTeam)...)
		if w.says(a, "error", want); a.code != 200 || a.header.Get("Cache-Control") != "" {
			t.Errorf("%s: %d, Cache-Control %q", path, a.code, a.header.Get("Cache-Control"))
		}
	}
}

func TestRestartIsAskedForOnce(t *testing.T) {
	asked := 0
	w := newWorld(t, func(c *Config, _ *permissions.Config) { c.Host.Restart = func() error { asked++; return nil } })
	for _, n := range []who{anonymous, user, fluxTeam} {
		if a := w.request("GET", "/flux/restart", "", w.as(n)...); a.code != 401 || asked != 0 {
			t.Errorf("%s: %d %s, asked %d times", n, a.code, a.raw, asked)
		}
	}
	for i := range 2 { // each is one: the answer isn't cached
		a := w.request("GET", "/flux/restart", "", w.as(admin)...)
		if string(a.raw) != `{"status":"success","data":"Restarting FluxOS"}` || asked != i+1 || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s, asked %d times", a.raw, asked)
		}
	}
	w = newWorld(t, nil)
	w.says(w.request("GET", "/flux/restart", "", w.as(admin)...), "error", "This node can't restart itself: a test doesn't end")
}

// logged is a world with 150 lines of each level.
func logged(t *testing.T) *world {
	t.Helper()
	buffer := must(logs.NewBuffer(logs.BufferConfig{}))
	log := logs.New(logs.Config{Out: io.Discard, Level: slog.LevelDebug, Buffer: buffer})
	for i := range 150 {
		for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
			log.Log(context.Background(), level, "Line of "+level.String(), slog.Int("n", i))
		}
	}
	return newWorld(t, func(c *Config, _ *permissions.Config) { c.Host.Logs = buffer })
}

func TestOwnLogs(t *testing.T) {
	w := logged(t)
	for name, level := range map[string]string{"error": "ERROR", "warn": "WARN", "info": "INFO", "debug": ""} {
		a := w.request("GET", "/flux/"+name+"log", "", w.as(fluxTeam)...)
		lines := strings.Split(strings.TrimSuffix(string(a.raw), "\n"), "\n")
		want := map[bool]int{true: 600, false: 150}[name == "debug"]
		if a.code != 200 || len(lines) != want || !strings.Contains(lines[want-1], "Line of "+level) || !strings.HasSuffix(lines[want-1], " n=149") {
			t.Errorf("%slog: %d, %d lines, the last %q", name, a.code, len(lines), lines[len(lines)-1])
		}
		if got := a.header.Get("Content-Disposition"); got != "attachment; filename="+name+".log" || a.header.Get("Cache-Control") != "no-store" || !strings.HasPrefix(a.header.Get("Content-Type"), "text/") {
			t.Errorf("%slog: %v", name, a.header)
		}
		a = w.request("GET", "/flux/tail"+name+"log", "", w.as(admin)...)
		tail := strings.Split(strings.TrimSuffix(a.message(), "\n"), "\n")
		if a.Status != "success" || !strings.HasSuffix(a.message(), "\n") || !slices.Equal(tail, lines[len(lines)-tailLines:]) {
			t.Errorf("tail%slog: %d lines, %.300s", name, len(tail), a.raw)
		}
	}
	part := w.request("GET", "/flux/errorlog", "", append([]string{"Range: bytes=0-9"}, w.as(admin)...)...)
	if part.code != 206 || len(part.raw) != 10 {
		t.Errorf("a range: %d %q", part.code, part.raw)
	}
	w = newWorld(t, nil)
	if a := w.request("GET", "/flux/tailerrorlog", "", w.as(admin)...); string(a.raw) != `{"status":"success","data":{"message":""}}` {
		t.Errorf("tail of nothing: %s", a.raw)
	}
	if a := w.request("GET", "/flux/errorlog", "", w.as(admin)...); a.code != 200 || len(a.raw) != 0 {
		t.Errorf("download of nothing: %d %s", a.code, a.raw)
	}
}

// The logs of other programs are files, or else nothing that a call could hang in.
func TestLogsOfOtherPrograms(t *testing.T) {
	path := filepath.Join(t.TempDir(), "debug.log")
	w := newWorld(t, func(c *Config, _ *permissions.Config) {
		c.Host.DaemonLog = func() string { return path }
		c.Host.BenchmarkLog = c.Host.DaemonLog
	})
	var all []string
	for i := range 120 {
		all = append(all, fmt.Sprintf("2026-03-01 line %d\n", i))
	}
	for _, state := range []struct {
		name    string
		make    func() error
		code    int // of the download
		problem string
	}{
		{"absent", func() error { return nil }, 404, "no such file or directory"},
		{"file", func() error { return os.WriteFile(path, []byte(strings.Join(all, "")), 0o600) }, 200, ""},
		{"pipe", func() error { return errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o600)) }, 503, "isn't a regular file"},
		{"folder", func() error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) }, 503, "isn't a regular file"},
	} {
		if err := state.make(); err != nil {
			t.Fatal(err)
		}
		for row, of := range map[string]string{"daemondebug": "Daemon", "benchmarkdebug": "Benchmark"} {
			down := w.request("GET", "/flux/"+row, "", w.as(fluxTeam)...)
			tail := w.request("GET", "/flux/tail"+row, "", w.as(fluxTeam)...)
			if down.code != state.code || tail.code != 200 {
				t.Errorf("%s, %s: %d and %d, want %d and 200: %s", row, state.name, down.code, tail.code, state.code, down.raw)
			}
			if state.problem == "" {
				if string(down.raw) != strings.Join(all, "") || down.header.Get("Content-Disposition") != "attachment; filename=debug.log" {
					t.Errorf("%s: %d bytes, %v", row, len(down.raw), down.header)
				}
				w.says(tail, "success", strings.Join(all[20:], ""))
				continue
			}
			if down.Status != "error" || !strings.HasPrefix(down.message(), "The log can't be read: ") || !strings.HasSuffix(down.message(), state.problem) || down.header.Get("Content-Disposition") != "" {
				t.Errorf("%s, %s: %s", row, state.name, down.raw)
			}
			if !strings.HasPrefix(string(tail.raw), `{"status":"error","data":{"code":1,"name":"Error","message":"Error obtaining `+of+` debug file: `) || !strings.HasSuffix(tail.message(), state.problem) {
				t.Errorf("tail%s, %s: %s", row, state.name, tail.raw)
			}
		}
	}
}

// events reads n events of the node's stream, from after a number on.
func (w *world) events(n int, last string) []string {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", w.base+"/flux/eventstream", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	res, err := w.client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" || res.Header.Get("Cache-Control") != "no-store" {
		w.t.Fatalf("%d %v", res.StatusCode, res.Header)
	}
	var out []string
	lines := bufio.NewScanner(res.Body)
	for event := ""; len(out) < n && lines.Scan(); {
		if lines.Text() != "" {
			event += lines.Text() + "\n"
			continue
		}
		out, event = append(out, event), ""
	}
	return out
}

func TestEventStream(t *testing.T) {
	w := newWorld(t, nil)
	if a := w.request("GET", "/flux/eventstream", ""); string(a.raw) != `{"status":"error","data":{"message":"Event stream not enabled"}}` || a.code != 404 {
		t.Errorf("without test controls: %d %s", a.code, a.raw)
	}
	w = newWorld(t, func(c *Config, _ *permissions.Config) { c.Host.TestControls = true })
	publish := func(i int) {
		if err := w.server.host.Events.Publish("tick", map[string]int{"n": i}); err != nil {
			t.Error(err)
		}
	}
	want := func(from, to int) (out []string) {
		for i := from; i <= to; i++ {
			out = append(out, fmt.Sprintf("event: tick\ndata: {\"n\":%d}\nid: %d\n", i, i))
		}
		return out
	}
	for i := 1; i <= 5; i++ {
		publish(i)
	}
	for last, first := range map[string]int{"": 1, "0": 1, "3": 4, "4": 5, "1000": 1} {
		if got := w.events(6-first, last); !slices.Equal(got, want(first, 5)) {
			t.Errorf("after %q: %q, want from %d on", last, got, first)
		}
	}
	got := make(chan []string)
	go func() { got <- w.events(2, "4") }()
	publish(6) // before or after the stream has begun: it is sent either way
	if events := <-got; !slices.Equal(events, want(5, 6)) {
		t.Errorf("what comes later: %q", events)
	}
	for _, last := range []string{"-1", "x", "1.5", "99999999999999999999999"} {
		w.says(w.request("GET", "/flux/eventstream", "", "Last-Event-ID: "+last), "error", "Last-Event-ID must be the number of an event")
	}
}
