package api

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"strconv"
	"strings"

	"github.com/fluxosd/fluxosd/internal/health"
	"github.com/fluxosd/fluxosd/internal/node/doctor"
)

// Private serves what is for the operator of the machine only: probes, metrics
// and profiles. It answers requests whose Host is this machine, so that a page
// in a browser can't reach it through a name of its own.
func Private(registry *health.Registry, metrics http.Handler, examiner *doctor.Doctor) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Write([]byte("ok\n"))
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { writeReadiness(w, registry, examiner) })
	mux.HandleFunc("GET /doctor", func(w http.ResponseWriter, r *http.Request) { writeReport(w, r, examiner) })
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !localHost(r.Host) {
			http.Error(w, "this listener answers to localhost only", http.StatusForbidden)
			return
		}
		closeUnlessRead(r, w.Header())
		mux.ServeHTTP(w, r)
		stopReading(r, w)
	})
}

// localHost reports whether a Host header means this machine: localhost, a
// loopback address, or nothing (HTTP/1.0 and unix sockets).
func localHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if host == "" || strings.EqualFold(host, "localhost") || host == "unix" {
		return true
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && a.IsLoopback()
}

// writeReadiness answers 200 when nothing is missing, else 503, with what is
// missing, every active problem, and all checks of the doctor.
func writeReadiness(w http.ResponseWriter, registry *health.Registry, examiner *doctor.Doctor) {
	out := struct {
		health.Readiness
		Active []health.State `json:"active"`
		Checks []doctor.Line  `json:"checks"`
	}{Readiness: registry.Readiness(), Active: []health.State{}, Checks: examiner.Report().Lines}
	for _, st := range registry.List() {
		if st.Active {
			out.Active = append(out.Active, st)
		}
	}
	status := http.StatusOK
	if !out.Ready {
		status = http.StatusServiceUnavailable
	}
	writeIndented(w, status, out)
}

// writeReport looks at everything now, and answers what was found.
func writeReport(w http.ResponseWriter, r *http.Request, examiner *doctor.Doctor) {
	report, err := examiner.Examine(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	writeIndented(w, http.StatusOK, report)
}

// writeIndented answers JSON for people, with its length, so that the simplest
// probe can read it.
func writeIndented(w http.ResponseWriter, status int, v any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	w.Write(b.Bytes())
}
