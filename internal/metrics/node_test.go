package metrics

import (
	"context"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/fluxosd/fluxosd/internal/health"
	"github.com/fluxosd/fluxosd/internal/node/doctor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sampleNode registers the metrics of a node, with a series for each, and a
// doctor with one check for each state. The doctor was not asked yet.
func sampleNode(t *testing.T, m *Metrics, balance bool) (Node, *doctor.Doctor) {
	t.Helper()
	n := m.ObserveNode(balance)
	n.Benchmark.WithLabelValues("native", "NIMBUS").Set(1)
	n.Tier.WithLabelValues("NIMBUS", "measured").Set(1)
	n.Tier.WithLabelValues("cumulus", "collateral").Set(1)
	check := func(name string, severity health.Severity, f doctor.Finding) doctor.Check {
		return doctor.Check{Name: name, Title: name, Problems: []health.Problem{{Code: name + "-bad", Severity: severity, Title: "t", Advice: "a"}},
			Look: func(context.Context) doctor.Finding { return f }}
	}
	d, err := doctor.New(doctor.Config{Health: health.New(health.Config{}), Checks: []doctor.Check{
		check("disk", health.Warning, doctor.Fine("empty")),
		check("clock", health.Warning, doctor.Bad("clock-bad", "slow")),
		check("chain", health.Critical, doctor.Bad("chain-bad", "down")),
		check("memory", health.Info, doctor.Bad("memory-bad", "little")),
		check("docker", health.Warning, doctor.Unknown("not asked")),
	}})
	if err != nil {
		t.Fatal(err)
	}
	m.ObserveDoctor(d)
	return n, d
}

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	rec := httptest.NewRecorder()
	m.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if rec.Code != http.StatusOK {
		t.Fatalf("status %d: %s", rec.Code, rec.Body)
	}
	return rec.Body.String()
}

// series returns the lines of a scrape that are series of a metric.
func series(text, name string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, name+"{") || strings.HasPrefix(line, name+" ") {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}

// Nobody who didn't ask for it should publish what the wallet holds.
func TestTheWalletsBalanceIsExportedOnlyOnDemand(t *testing.T) {
	with, without := New(), New()
	sampleNode(t, with, true)
	n, _ := sampleNode(t, without, false)
	if n.Balance != nil {
		t.Error("there is a gauge for a balance that isn't wanted")
	}
	a, b := described(t, with), described(t, without)
	var rest []string
	for line := range strings.Lines(a) {
		if !strings.HasPrefix(line, "fluxosd_wallet_balance_flux gauge {} ") {
			rest = append(rest, line)
		}
	}
	if diff := cmp.Diff(b, strings.Join(rest, "")); diff != "" || a == b {
		t.Errorf("apart from the balance, metrics differ (-without +with):\n%s", diff)
	}
}

// 0 is a height, a temperature, a debt; what nobody looked at is none of these.
func TestWhatNobodyLookedAtIsNotANumber(t *testing.T) {
	m := New()
	n := m.ObserveNode(true)
	text := scrape(t, m)
	count := 0
	for i := range reflect.TypeFor[Node]().NumField() {
		field := reflect.ValueOf(n).Field(i)
		if g, ok := field.Interface().(prometheus.Gauge); ok && g != nil {
			count++
		}
	}
	var got []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "fluxosd_") && !strings.HasPrefix(line, "fluxosd_http_") && strings.HasSuffix(line, " NaN\n") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	if len(got) != count || count < 15 {
		t.Errorf("%d of %d gauges are NaN: %q", len(got), count, got)
	}
	n.Height.Set(2_200_000)
	if got := series(scrape(t, m), "fluxosd_chain_height"); len(got) != 1 || got[0] != "fluxosd_chain_height 2.2e+06" {
		t.Errorf("%q", got)
	}
}

func TestEveryCheckIsExportedWithItsStateOnly(t *testing.T) {
	m := New()
	_, d := sampleNode(t, m, false)
	const name = "fluxosd_doctor_check"
	want := func(when string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, series(scrape(t, m), name)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	want("before the first look",
		name+`{check="chain",state="unknown"} 1`, name+`{check="clock",state="unknown"} 1`, name+`{check="disk",state="unknown"} 1`,
		name+`{check="docker",state="unknown"} 1`, name+`{check="memory",state="unknown"} 1`)
	if _, err := d.Examine(t.Context()); err != nil {
		t.Fatal(err)
	}
	want("after it",
		name+`{check="chain",state="critical"} 1`, name+`{check="clock",state="warning"} 1`, name+`{check="disk",state="ok"} 1`,
		name+`{check="docker",state="unknown"} 1`, name+`{check="memory",state="info"} 1`)
}

// Problems that no check found stand in the doctor's report as lines of their
// own. They have a metric already, and two with one name would spoil the scrape.
func TestAProblemOfAnotherPartIsExportedOnce(t *testing.T) {
	m := New()
	registry := health.New(health.Config{})
	other, err := registry.Register(health.Problem{Code: "store-full", Severity: health.Critical, Title: "t", Advice: "a"})
	if err != nil {
		t.Fatal(err)
	}
	d, err := doctor.New(doctor.Config{Health: registry, Checks: []doctor.Check{{Name: "store-full", Title: "Store",
		Look: func(context.Context) doctor.Finding { return doctor.Fine("fine") }}}})
	if err != nil {
		t.Fatal(err)
	}
	m.ObserveProblems(registry)
	m.ObserveDoctor(d)
	other.Set("now")
	text := scrape(t, m)
	if got := series(text, "fluxosd_doctor_check"); len(got) != 1 || got[0] != `fluxosd_doctor_check{check="store-full",state="unknown"} 1` {
		t.Errorf("checks %q", got)
	}
	if got := series(text, "fluxosd_health_problem"); len(got) != 1 || got[0] != `fluxosd_health_problem{code="store-full",severity="critical"} 1` {
		t.Errorf("problems %q", got)
	}
}
