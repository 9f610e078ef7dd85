package node

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxosd/fluxosd/internal/daemonrpc"
	"github.com/fluxosd/fluxosd/internal/health"
)

// scripted answers calls from a table.
type scripted map[string]string

func (s scripted) Call(_ context.Context, method string, _ []any) (json.RawMessage, error) {
	if raw, ok := s[method]; ok {
		return json.RawMessage(raw), nil
	}
	return nil, &daemonrpc.TransportError{Code: "ECONNREFUSED", Message: "connect ECONNREFUSED"}
}

func marshal(t *testing.T, v any) map[string]any {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// Explorers read single members: each is there, known or null.
func TestInfoHasTheMembersOfARealNode(t *testing.T) {
	raw, err := os.ReadFile("testdata/flux-info.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden map[string]any
	if err := json.Unmarshal(raw, &golden); err != nil {
		t.Fatal(err)
	}
	n := New(Config{FluxID: "1abc", PublicIP: "198.51.100.7", APIPort: 16137, Daemon: scripted{"getinfo": `{"balance":5,"blocks":7}`, "getzelnodestatus": `{"status":"CONFIRMED"}`},
		StoreVersion: func(context.Context) (string, error) { return "MongoDB 7.0.1", nil }})
	info, err := n.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := marshal(t, info)
	sameMembers(t, "", golden, got)
	flux := got["flux"].(map[string]any)
	if flux["ip"] != "198.51.100.7:16137" || flux["mongoDbVersion"] != "7.0.1" || flux["version"] != "8.17.0" || flux["zelid"] != "1abc" {
		t.Errorf("flux %v", flux)
	}
	if d := got["daemon"].(map[string]any)["info"].(map[string]any); d["blocks"] != 7.0 || d["balance"] != nil {
		t.Errorf("daemon %v", d)
	}
}

// sameMembers wants the objects that this package makes itself to have the
// golden members, and no others.
func sameMembers(t *testing.T, at string, want, got map[string]any) {
	t.Helper()
	for k, v := range want {
		g, ok := got[k]
		if !ok {
			t.Errorf("%s.%s is missing", at, k)
		}
		if sub, ok := v.(map[string]any); ok && at == "" {
			if gsub, ok := g.(map[string]any); ok {
				sameMembers(t, k, sub, gsub)
			}
		}
	}
	for k := range got {
		if _, ok := want[k]; !ok {
			t.Errorf("%s.%s isn't in the golden answer", at, k)
		}
	}
}

func TestInfoWithoutAnything(t *testing.T) {
	n := New(Config{Daemon: scripted{}})
	info, err := n.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := marshal(t, info)
	if got["daemon"].(map[string]any)["info"] != nil || got["geolocation"] != nil || got["flux"].(map[string]any)["ip"] != nil {
		t.Errorf("%v", got)
	}
}

func TestAddressLeavesTheUsualPortOut(t *testing.T) {
	for port, want := range map[int]string{0: "198.51.100.7", 16127: "198.51.100.7", 16197: "198.51.100.7:16197"} {
		if got := New(Config{PublicIP: "198.51.100.7", APIPort: port, Daemon: scripted{}}).address(); got != want {
			t.Errorf("port %d: %s, want %s", port, got, want)
		}
	}
}

func TestHostNames(t *testing.T) {
	r := parseOSRelease([]byte("# comment\nNAME=\"Debian GNU/Linux\"\nVERSION_ID='12'\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nbroken\n"))
	if *r.name != "Debian GNU/Linux" || *r.version != "12" || *r.pretty != "Debian GNU/Linux 12 (bookworm)" {
		t.Errorf("%s %s %s", *r.name, *r.version, *r.pretty)
	}
	if parseOSRelease(nil).name != nil {
		t.Error("no file, but a name")
	}
	none := func(string) (string, error) { return "", os.ErrNotExist }
	noFile := func(string) ([]byte, error) { return nil, os.ErrNotExist }
	for _, c := range []struct {
		env      string
		readlink func(string) (string, error)
		readFile func(string) ([]byte, error)
		want     string
	}{
		{"", none, noFile, "UTC"},
		{"UTC", none, noFile, "UTC"},
		{"no/zone", func(string) (string, error) { return "/usr/share/zoneinfo/Europe/Prague", nil }, noFile, "Europe/Prague"},
		{"", none, func(string) ([]byte, error) { return []byte("Asia/Tokyo\n"), nil }, "Asia/Tokyo"},
	} {
		if got := hostTimezone(c.env, c.readlink, c.readFile); got != c.want {
			t.Errorf("%q: %s, want %s", c.env, got, c.want)
		}
	}
}

// flaky answers with what the test says now.
type flaky struct {
	mu  sync.Mutex
	raw string
	err error
}

func (f *flaky) Call(context.Context, string, []any) (json.RawMessage, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return json.RawMessage(f.raw), f.err
}

func (f *flaky) answer(raw string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.raw, f.err = raw, err
}

func TestChainWatchNamesWhatIsWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := health.New(health.Config{})
		refused := &daemonrpc.TransportError{Code: "ECONNREFUSED", Message: "connect ECONNREFUSED"}
		daemon := &flaky{err: refused}
		w, err := NewChainWatch(daemon, registry, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if registry.Readiness().Ready {
			t.Error("ready before the first look")
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.Serve(ctx) }()
		for _, c := range []struct {
			raw  string
			err  error
			want string
		}{
			{"", refused, ProblemDaemonDown},
			{"", &daemonrpc.RPCError{Code: -28, Message: "Loading block index..."}, ProblemDaemonWarmingUp},
			{"", &daemonrpc.TransportError{Status: 401, Message: "no"}, ProblemDaemonUnauthorised},
			{"", &daemonrpc.TransportError{Status: 200, Message: "what"}, ProblemDaemonGarbage},
			{`{"blocks":100,"headers":200}`, nil, ProblemDaemonSyncing},
			{`{"blocks":195,"headers":200}`, nil, ProblemDaemonSyncing},
			{`{"blocks":196,"headers":200}`, nil, ""},
			{"", errors.New("of nobody's making"), ""},
		} {
			daemon.answer(c.raw, c.err)
			time.Sleep(2 * time.Minute) // of the bubble's clock
			synctest.Wait()
			var active []string
			for _, st := range registry.List() {
				if st.Active {
					active = append(active, st.Code)
				}
			}
			if got := strings.Join(active, " "); got != c.want {
				t.Errorf("%s %v: problems %q, want %q", c.raw, c.err, got, c.want)
			}
		}
		if !registry.Readiness().Ready {
			t.Error("not ready after the first look")
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
