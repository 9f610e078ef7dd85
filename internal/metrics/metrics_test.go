package metrics

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fluxosd/fluxosd/internal/health"
)

var update = flag.Bool("update", false, "write testdata/metrics.txt anew")

// sample returns a set in which every metric has a series.
func sample(t *testing.T) *Metrics {
	t.Helper()
	m := New()
	sampleNode(t, m, true)
	registry := health.New(health.Config{})
	p, err := registry.Register(health.Problem{Code: "a-problem", Severity: health.Warning, Title: "t", Advice: "a"})
	if err != nil {
		t.Fatal(err)
	}
	p.Set("now")
	m.ObserveProblems(registry)
	m.HTTP.Requests.WithLabelValues("/flux/version", "GET", "success").Inc()
	m.HTTP.Duration.WithLabelValues("/flux/version").Observe(1)
	m.Auth.Failures.WithLabelValues("expired").Inc()
	m.Auth.Logins.WithLabelValues("user").Inc()
	m.ObserveRPC("getinfo", time.Second, errors.New("x"))
	m.ObserveStore("loggedusers", "find", time.Second, fmt.Errorf("wrapped: %w", io.EOF), io.EOF)
	return m
}

// The golden file has name, type and help of each of our metrics: dashboards
// and alerts depend on them. Change it with go test ./internal/metrics -update.
func TestNamesTypesAndHelpAreTheGoldenOnes(t *testing.T) {
	got := described(t, sample(t))
	const file = "testdata/metrics.txt"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("metrics are\n%s\nwant\n%s", got, want)
	}
}

// described has a line for each of our metrics.
func described(t *testing.T, m *Metrics) string {
	t.Helper()
	families, err := m.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "go_") || strings.HasPrefix(f.GetName(), "process_") {
			continue // named by the library
		}
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		fmt.Fprintf(&b, "%s %s {%s} %s\n", f.GetName(), strings.ToLower(f.GetType().String()), strings.Join(labels, ","), f.GetHelp())
	}
	return b.String()
}

func TestScrape(t *testing.T) {
	rec := httptest.NewRecorder()
	sample(t).Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, line := range []string{
		`fluxosd_health_problem{code="a-problem",severity="warning"} 1`,
		`fluxosd_rpc_calls_total{method="getinfo",outcome="error"} 1`,
		`fluxosd_store_operations_total{collection="loggedusers",operation="find",outcome="success"} 1`,
		`go_goroutines `, `process_resident_memory_bytes `,
	} {
		if !strings.Contains(rec.Body.String(), line) {
			t.Errorf("the scrape lacks %s", line)
		}
	}
}
