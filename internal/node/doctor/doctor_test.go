package doctor

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/fluxosd/fluxosd/internal/health"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patient is a check whose finding the test decides.
type patient struct{ finding atomic.Pointer[Finding] }

func (p *patient) set(f Finding) { p.finding.Store(&f) }

func (p *patient) look(context.Context) Finding { return *p.finding.Load() }

func newPatient() *patient {
	p := &patient{}
	p.set(Fine("well"))
	return p
}

func problem(code string, s health.Severity) health.Problem {
	return health.Problem{Code: code, Severity: s, Title: "Title of " + code, Advice: "Advice of " + code}
}

func newDoctor(t *testing.T, registry *health.Registry, checks ...Check) *Doctor {
	t.Helper()
	d, err := New(Config{Checks: checks, Health: registry})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func examine(t *testing.T, d *Doctor) Report {
	t.Helper()
	r, err := d.Examine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// rows are the lines of a report without times.
func rows(r Report) (out []string) {
	for _, l := range r.Lines {
		out = append(out, strings.Join([]string{l.Check, string(l.State), l.Code, l.BlockedBy}, " "))
	}
	return out
}

func TestReportNamesTheCauseFirst(t *testing.T) {
	registry := health.New(health.Config{})
	store, chain, sync, tier := newPatient(), newPatient(), newPatient(), newPatient()
	d := newDoctor(t, registry,
		Check{Name: "store", Title: "Store", Look: store.look, Problems: []health.Problem{problem("store-slow", health.Warning)}},
		Check{Name: "chain", Title: "Chain", Look: chain.look, Problems: []health.Problem{problem("chain-down", health.Critical)}},
		Check{Name: "sync", Title: "Sync", Needs: []string{"chain"}, Look: sync.look, Problems: []health.Problem{problem("chain-behind", health.Critical)}},
		Check{Name: "tier", Title: "Tier", Needs: []string{"sync"}, Look: tier.look, Problems: []health.Problem{problem("tier-low", health.Info)}})

	if r := d.Report(); r.State != NotKnown || r.Lines[0].State != NotKnown {
		t.Errorf("before the first look: %v", rows(r))
	}
	for _, c := range []struct {
		name                     string
		store, chain, sync, tier Finding
		state                    State
		want                     []string
		active                   string
	}{
		{"well", Fine("a"), Fine("b"), Fine("c"), Fine("d"), OK, []string{"store ok  ", "chain ok  ", "sync ok  ", "tier ok  "}, ""},
		{"effects of a cause are unknown", Bad("store-slow", "x"), Bad("chain-down", "x"), Bad("chain-behind", "x"), Bad("tier-low", "x"), Critical,
			[]string{"chain critical chain-down ", "store warning store-slow ", "sync unknown  chain", "tier unknown  chain"}, "chain-down store-slow"},
		{"the worst first, the cause before its equal", Bad("store-slow", "x"), Fine("b"), Bad("chain-behind", "x"), Fine("d"), Critical,
			[]string{"sync critical chain-behind ", "store warning store-slow ", "tier unknown  sync", "chain ok  "}, "chain-behind store-slow"},
		{"a warning blocks nothing", Bad("store-slow", "x"), Fine("b"), Fine("c"), Bad("tier-low", "x"), Warning,
			[]string{"store warning store-slow ", "tier info tier-low ", "chain ok  ", "sync ok  "}, "store-slow tier-low"},
		{"not known is no problem", Fine("a"), Unknown("no answer"), Fine("c"), Fine("d"), NotKnown,
			[]string{"chain unknown  ", "store ok  ", "sync ok  ", "tier ok  "}, ""},
		{"a code that wasn't declared", Fine("a"), Bad("what", "x"), Fine("c"), Fine("d"), NotKnown,
			[]string{"chain unknown  ", "store ok  ", "sync ok  ", "tier ok  "}, ""},
		{"well again", Fine("a"), Fine("b"), Fine("c"), Fine("d"), OK, []string{"store ok  ", "chain ok  ", "sync ok  ", "tier ok  "}, ""},
	} {
		store.set(c.store)
		chain.set(c.chain)
		sync.set(c.sync)
		tier.set(c.tier)
		r := examine(t, d)
		if diff := cmp.Diff(c.want, rows(r)); diff != "" || r.State != c.state {
			t.Errorf("%s: state %s\n%s", c.name, r.State, diff)
		}
		if r.Healthy() != (c.state != Critical && c.state != Warning) {
			t.Errorf("%s: healthy is %v", c.name, r.Healthy())
		}
		var active []string
		for _, st := range registry.List() {
			if st.Active {
				active = append(active, st.Code)
			}
		}
		if got := strings.Join(active, " "); got != c.active {
			t.Errorf("%s: health shows %q, want %q", c.name, got, c.active)
		}
	}
}

func TestReportShowsProblemsOfOthers(t *testing.T) {
	registry := health.New(health.Config{})
	other, err := registry.Register(problem("volume-lost", health.Critical))
	if err != nil {
		t.Fatal(err)
	}
	d := newDoctor(t, registry, Check{Name: "store", Title: "Store", Look: newPatient().look})
	other.Set("vol1")
	r := examine(t, d)
	first, ok := r.First()
	if !ok || first.Code != "volume-lost" || first.Fact != "vol1" || r.State != Critical {
		t.Errorf("%+v", first)
	}
	other.Clear()
	if _, ok := d.Report().First(); ok {
		t.Error("an ended problem is still in the report")
	}
}

func TestAdviceOfAFindingReplacesThatOfTheProblem(t *testing.T) {
	p := newPatient()
	d := newDoctor(t, health.New(health.Config{}), Check{Name: "a", Title: "A", Look: p.look, Problems: []health.Problem{problem("a-bad", health.Warning)}})
	p.set(Bad("a-bad", "5 of %d", 6))
	if l, _ := examine(t, d).First(); l.Advice != "Advice of a-bad" || l.Fact != "5 of 6" || l.Problem != "Title of a-bad" {
		t.Errorf("%+v", l)
	}
	p.set(Bad("a-bad", "x").Advising("Turn %s", "left"))
	if l, _ := examine(t, d).First(); l.Advice != "Turn left" {
		t.Errorf("%+v", l)
	}
}

func TestSickChecksHideNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		well := newPatient()
		d := newDoctor(t, health.New(health.Config{}),
			Check{Name: "panics", Title: "P", Look: func(context.Context) Finding { panic("x") }},
			Check{Name: "hangs", Title: "H", Timeout: 3 * time.Second, Look: func(ctx context.Context) Finding {
				<-ctx.Done()
				return Unknown("no answer within 3 s")
			}},
			Check{Name: "well", Title: "W", Look: well.look})
		start := time.Now()
		r := examine(t, d)
		if diff := cmp.Diff([]string{"panics unknown  ", "hangs unknown  ", "well ok  "}, rows(r)); diff != "" {
			t.Error(diff)
		}
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestServeLooksInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := health.New(health.Config{})
		cause, effect := newPatient(), newPatient()
		var looks atomic.Int32
		d := newDoctor(t, registry,
			Check{Name: "cause", Title: "Cause", Awaited: true, Every: 10 * time.Second, Look: cause.look, Problems: []health.Problem{problem("cause-bad", health.Critical)}},
			Check{Name: "effect", Title: "Effect", Needs: []string{"cause"}, Every: time.Hour, Look: func(ctx context.Context) Finding {
				looks.Add(1)
				return effect.look(ctx)
			}, Problems: []health.Problem{problem("effect-bad", health.Warning)}})
		if registry.Readiness().Ready {
			t.Error("ready before the first look at an awaited check")
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- d.Serve(ctx) }()
		synctest.Wait()
		if !registry.Readiness().Ready || looks.Load() != 1 {
			t.Errorf("after the start: ready %v, looks %d", registry.Readiness().Ready, looks.Load())
		}
		changed := d.Changed()
		cause.set(Bad("cause-bad", "x"))
		time.Sleep(11*time.Second + time.Millisecond)
		synctest.Wait()
		if first, _ := d.Report().First(); first.Code != "cause-bad" {
			t.Errorf("first %+v", first)
		}
		select {
		case <-changed:
		default:
			t.Error("nobody was told of the change")
		}
		effect.set(Bad("effect-bad", "x"))
		cause.set(Fine("well"))
		time.Sleep(11*time.Second + time.Millisecond)
		synctest.Wait()
		if first, _ := d.Report().First(); first.Code != "effect-bad" {
			t.Errorf("an effect isn't looked at when its cause has ended: %+v", first)
		}
		effect.set(Fine("well"))
		time.Sleep(34 * time.Second) // not an hour: there is a problem
		synctest.Wait()
		if _, bad := d.Report().First(); bad {
			t.Error("the end of a problem took longer than half a minute to be seen")
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestExamineEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	d := newDoctor(t, health.New(health.Config{}), Check{Name: "a", Title: "A", Look: func(ctx context.Context) Finding {
		cancel()
		<-ctx.Done()
		return Unknown("cut off")
	}})
	if _, err := d.Examine(ctx); err == nil {
		t.Error("a report of checks that were cut off")
	}
	if r := d.Report(); r.Lines[0].Fact != "not looked at yet" {
		t.Errorf("%+v", r.Lines[0])
	}
}

// Twenty callers at once cause two looks: the one that is under way, and one
// that began after all of them asked.
func TestExaminationsDoNotPileUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int32
		d := newDoctor(t, health.New(health.Config{}), Check{Name: "a", Title: "A", Look: func(context.Context) Finding {
			looks.Add(1)
			time.Sleep(time.Second) // of the bubble's clock
			return Fine("well")
		}})
		var wg sync.WaitGroup
		start := time.Now()
		for range 20 {
			wg.Go(func() {
				if _, err := d.Examine(t.Context()); err != nil {
					t.Error(err)
				}
			})
			time.Sleep(time.Millisecond)
		}
		wg.Wait()
		if looks.Load() != 2 || time.Since(start) != 2*time.Second {
			t.Errorf("%d looks in %v", looks.Load(), time.Since(start))
		}
		examine(t, d)
		if looks.Load() != 3 {
			t.Error("a later call didn't look again")
		}
	})
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	look := newPatient().look
	for name, checks := range map[string][]Check{
		"no name":            {{Title: "A", Look: look}},
		"bad name":           {{Name: "A b", Title: "A", Look: look}},
		"no title":           {{Name: "a", Look: look}},
		"no look":            {{Name: "a", Title: "A"}},
		"taken name":         {{Name: "a", Title: "A", Look: look}, {Name: "a", Title: "B", Look: look}},
		"unknown need":       {{Name: "a", Title: "A", Look: look, Needs: []string{"b"}}},
		"need declared late": {{Name: "a", Title: "A", Look: look, Needs: []string{"b"}}, {Name: "b", Title: "B", Look: look}},
		"taken code": {{Name: "a", Title: "A", Look: look, Problems: []health.Problem{problem("x", health.Info)}},
			{Name: "b", Title: "B", Look: look, Problems: []health.Problem{problem("x", health.Info)}}},
	} {
		if _, err := New(Config{Checks: checks, Health: health.New(health.Config{})}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := New(Config{}); err == nil {
		t.Error("accepted without a health registry")
	}
}

func TestPrint(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r := Report{State: Critical, Lines: []Line{
		{Title: "Chain daemon", State: Critical, Code: "daemon-unreachable", Problem: "The chain daemon doesn't answer", Fact: "connection\nrefused \x1b[2J", Advice: "Start it.", Since: now.Add(-90 * time.Minute)},
		{Title: "Clock", State: NotKnown, Fact: "nobody knows"},
		{Title: "Store", State: OK, Fact: "SQLite 3"},
	}}
	var b bytes.Buffer
	if err := r.Print(&b, false, now); err != nil {
		t.Fatal(err)
	}
	want := `critical  Chain daemon  The chain daemon doesn't answer: connection refused [2J
                        (daemon-unreachable, for 1 h)
                        → Start it.
unknown   Clock         nobody knows
ok        Store         SQLite 3

1 critical, 0 warnings, 1 could not be judged. Begin with: The chain daemon doesn't answer
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
	b.Reset()
	if err := r.Print(&b, true, now); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "\x1b[1;31mcritical\x1b[0m") || strings.Contains(b.String(), "\x1b[2J") {
		t.Errorf("%q", b.String())
	}
	for state, lines := range map[string][]Line{
		"All 1 checks passed.":                    {{State: OK}},
		"1 checks passed, 1 could not be judged.": {{State: OK}, {State: NotKnown}},
	} {
		if got := (Report{State: OK, Lines: lines}).summary(); got != state {
			t.Errorf("%s, want %s", got, state)
		}
	}
}
