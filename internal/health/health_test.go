package health

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// clock is a time that tests move by hand.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func newClock() *clock { return &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func problem(code string, s Severity) Problem {
	return Problem{Code: code, Severity: s, Title: "Title of " + code, Advice: "Advice for " + code}
}

func mustRegister(t *testing.T, r *Registry, p Problem) *Reporter {
	t.Helper()
	rep, err := r.Register(p)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func TestRegisterRefuses(t *testing.T) {
	r := New(Config{})
	mustRegister(t, r, problem("taken", Info))
	untitled, unadvised := problem("a", Info), problem("a", Info)
	untitled.Title, unadvised.Advice = "", ""
	for name, p := range map[string]Problem{
		"a taken code": problem("taken", Critical), "no code": problem("", Info), "capitals": problem("Store", Info),
		"spaces": problem("a b", Info), "hyphen at the end": problem("a-", Info), "two hyphens": problem("a--b", Info),
		"no severity": problem("a", 0), "an unknown severity": problem("a", Critical+1), "no title": untitled, "no advice": unadvised,
	} {
		if rep, err := r.Register(p); err == nil || rep != nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if got := len(r.List()); got != 1 {
		t.Errorf("%d problems are registered, want 1", got)
	}
}

func TestListOrder(t *testing.T) {
	r := New(Config{})
	for _, p := range []Problem{problem("d-off", Critical), problem("c-info", Info), problem("b-critical", Critical),
		problem("a-off", Info), problem("a-warning", Warning), problem("a-critical", Critical)} {
		rep := mustRegister(t, r, p)
		if !strings.HasSuffix(p.Code, "off") {
			rep.Set("")
		}
	}
	var got []string
	for _, s := range r.List() {
		got = append(got, s.Code)
	}
	want := []string{"a-critical", "b-critical", "a-warning", "c-info", "a-off", "d-off"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestStateFollowsItsReporter(t *testing.T) {
	c := newClock()
	start := c.t
	r := New(Config{Now: c.now})
	p := problem("x", Warning)
	rep := mustRegister(t, r, p)
	check := func(step string, want State) {
		t.Helper()
		want.Problem = p
		if diff := cmp.Diff([]State{want}, r.List()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step, diff)
		}
	}
	check("registered", State{Since: start})
	c.t = start.Add(1 * time.Second)
	rep.Clear()
	check("cleared while inactive", State{Since: start})
	rep.Set("first")
	check("set", State{Active: true, Since: start.Add(time.Second), Detail: "first"})
	c.t = start.Add(2 * time.Second)
	rep.Set("second")
	check("set again", State{Active: true, Since: start.Add(time.Second), Detail: "second"})
	c.t = start.Add(3 * time.Second)
	rep.Clear()
	check("cleared", State{Since: start.Add(3 * time.Second)})
}

func TestOnlyChangesAreLogged(t *testing.T) {
	var log bytes.Buffer
	c := newClock()
	r := New(Config{Now: c.now, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	rep := mustRegister(t, r, problem("x", Critical))
	rep.Clear()
	rep.Set("one")
	rep.Set("one")
	rep.Set("two")
	c.t = c.t.Add(time.Minute)
	rep.Clear()
	rep.Clear()
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 2 ||
		!strings.Contains(lines[0], `level=ERROR msg="Problem began" code=x`) || !strings.Contains(lines[0], "detail=one") || !strings.Contains(lines[0], `advice="Advice for x"`) ||
		!strings.Contains(lines[1], `level=INFO msg="Problem ended" code=x`) || !strings.Contains(lines[1], "lasted=1m0s") {
		t.Errorf("got\n%s", log.String())
	}
}

func TestSeverityDecidesTheLogLevel(t *testing.T) {
	for s, want := range map[Severity]string{Info: "INFO", Warning: "WARN", Critical: "ERROR"} {
		var log bytes.Buffer
		r := New(Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		mustRegister(t, r, problem("x", s)).Set("")
		if !strings.Contains(log.String(), "level="+want+" ") {
			t.Errorf("%v: got %s", s, log.String())
		}
	}
}

func TestChangedWakesWhoWaits(t *testing.T) {
	r := New(Config{})
	closed := func(ch <-chan struct{}) bool {
		select {
		case <-ch:
			return true
		default:
			return false
		}
	}
	var rep *Reporter
	var cond *Condition
	steps := []struct {
		name string
		do   func()
		want bool
	}{
		{"register", func() { rep = mustRegister(t, r, problem("x", Info)) }, true},
		{"clear nothing", func() { rep.Clear() }, false},
		{"set", func() { rep.Set("a") }, true},
		{"set the same", func() { rep.Set("a") }, false},
		{"set another detail", func() { rep.Set("b") }, true},
		{"clear", func() { rep.Clear() }, true},
		{"await", func() { cond, _ = r.Await("c") }, true},
		{"met", func() { cond.Met() }, true},
		{"met again", func() { cond.Met() }, false},
	}
	for _, s := range steps {
		ch := r.Changed()
		s.do()
		if got := closed(ch); got != s.want {
			t.Errorf("%s: changed = %v, want %v", s.name, got, s.want)
		}
	}
}

func TestReadiness(t *testing.T) {
	r := New(Config{})
	check := func(step string, want Readiness) {
		t.Helper()
		if diff := cmp.Diff(want, r.Readiness()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step, diff)
		}
	}
	none := []string{}
	check("empty", Readiness{true, none, none})
	var conditions []*Condition
	for _, name := range []string{"listeners", "store", "first state"} {
		c, err := r.Await(name)
		if err != nil {
			t.Fatal(err)
		}
		conditions = append(conditions, c)
	}
	blocking := problem("store-unreachable", Critical)
	blocking.BlocksReady = true
	blocker := mustRegister(t, r, blocking)
	critical := mustRegister(t, r, problem("docker-unreachable", Critical))

	check("started", Readiness{false, []string{"listeners", "store", "first state"}, none})
	conditions[1].Met()
	check("store is there", Readiness{false, []string{"listeners", "first state"}, none})
	conditions[0].Met()
	conditions[2].Met()
	critical.Set("")
	check("critical alone doesn't block", Readiness{true, none, none})
	blocker.Set("")
	check("blocked", Readiness{false, none, []string{"store-unreachable"}})
	blocker.Clear()
	check("cleared", Readiness{true, none, none})

	for _, name := range []string{"", "store"} {
		if c, err := r.Await(name); err == nil || c != nil {
			t.Errorf("Await(%q) was accepted", name)
		}
	}
}

func TestLoginChecksRunInOrderUntilOneFails(t *testing.T) {
	now := time.Unix(1, 0)
	r := New(Config{Now: func() time.Time { return now }})
	var ran []string
	broken := errors.New("broken")
	fail := true
	for _, name := range []string{"store", "docker", "state"} {
		err := r.AddLoginCheck(name, time.Second, func(context.Context) error {
			ran = append(ran, name)
			if name == "docker" && fail {
				return broken
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	err := r.CheckLogin(t.Context())
	if e, ok := errors.AsType[*LoginError](err); !ok || e.Check != "docker" || !errors.Is(err, broken) || err.Error() != "login check docker: broken" {
		t.Errorf("got %v", err)
	}
	fail = false
	if err := r.CheckLogin(t.Context()); err != nil { // what passed isn't asked again at once
		t.Errorf("got %v, want nil", err)
	}
	if diff := cmp.Diff([]string{"store", "docker", "docker", "state"}, ran); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	ran = []string{"store", "docker"}
	now = now.Add(passedFor)
	if err := r.CheckLogin(t.Context()); err != nil {
		t.Errorf("got %v, want nil", err)
	}
	if diff := cmp.Diff([]string{"store", "docker", "store", "docker", "state"}, ran); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ran = nil
	if err := r.CheckLogin(ctx); !errors.Is(err, context.Canceled) || len(ran) != 0 {
		t.Errorf("with an ended context: got %v after running %v", err, ran)
	}
}

func TestLoginCheckHasADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Config{})
		if err := r.AddLoginCheck("slow", 3*time.Second, func(ctx context.Context) error {
			<-ctx.Done()
			return fmt.Errorf("ask Docker: %w", ctx.Err())
		}); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		err := r.CheckLogin(t.Context())
		if waited := time.Since(start); waited != 3*time.Second {
			t.Errorf("gave up after %v, want 3s", waited)
		}
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "login check slow: no answer within 3s") {
			t.Errorf("got %v", err)
		}
	})
}

func TestAddLoginCheckRefuses(t *testing.T) {
	r := New(Config{})
	ok := func(context.Context) error { return nil }
	if err := r.AddLoginCheck("taken", time.Second, ok); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"a taken name": r.AddLoginCheck("taken", time.Second, ok), "no name": r.AddLoginCheck("", time.Second, ok),
		"no function": r.AddLoginCheck("a", time.Second, nil), "no timeout": r.AddLoginCheck("b", 0, ok),
	} {
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestStateAsJSON(t *testing.T) {
	c := newClock()
	r := New(Config{Now: c.now})
	p := problem("x", Critical)
	p.BlocksReady = true
	mustRegister(t, r, p).Set("why")
	got, err := json.Marshal(r.List()[0])
	want := `{"code":"x","severity":"critical","title":"Title of x","advice":"Advice for x","blocks_ready":true,"active":true,"since":"2026-01-02T03:04:05Z","detail":"why"}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v\nwant %s", got, err, want)
	}
	if got := Severity(9).String(); got != "severity(9)" {
		t.Errorf("an unknown severity is shown as %s", got)
	}
}

// TestConcurrentUse is for the race detector; it also wants the last word of
// every reporter to count.
func TestConcurrentUse(t *testing.T) {
	r := New(Config{})
	const reporters, rounds = 8, 200
	var wg sync.WaitGroup
	for i := range reporters {
		wg.Go(func() {
			rep, err := r.Register(problem(fmt.Sprintf("p-%d", i), Warning))
			if err != nil {
				t.Error(err)
				return
			}
			cond, err := r.Await(fmt.Sprint("c", i))
			if err != nil {
				t.Error(err)
				return
			}
			for n := range rounds {
				rep.Set(fmt.Sprint(n))
				r.List()
				r.Readiness()
				r.Changed()
				rep.Clear()
			}
			if i%2 == 0 {
				rep.Set("last")
			}
			cond.Met()
		})
	}
	wg.Wait()
	active := 0
	for _, s := range r.List() {
		if s.Active {
			active++
		}
	}
	if active != reporters/2 || !r.Readiness().Ready {
		t.Errorf("%d problems are active, want %d; readiness %+v", active, reporters/2, r.Readiness())
	}
}
