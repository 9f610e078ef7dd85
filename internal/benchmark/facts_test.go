package benchmark

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFactsOfPublishedAnswers(t *testing.T) {
	answers := readPublished(t).GetBenchmarks
	for _, a := range answers {
		if f, err := parseFacts(a.Data); err != nil || f.SSD <= 0 || f.Cores <= 0 || f.RealCores <= 0 || f.EPS <= 0 || f.Address == "" {
			t.Errorf("%s: %+v, %v", a.Source, f, err)
		}
	}
	got, err := parseFacts(answers[0].Data)
	want := Facts{Address: "203.0.113.10", Architecture: "amd64", Status: "STRATUS", Tier: Stratus, SSD: 880, DiskWrite: 830.878984375,
		EPS: 3449.12, RAM: 62, Cores: 16, RealCores: 8, Download: 1370.830928, Upload: 4973.01136, Time: time.Unix(1692898160, 0)}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("facts %v (-want +got):\n%s", err, diff)
	}
}

func TestFactsOfOddAnswers(t *testing.T) {
	for text, want := range map[string]Facts{
		`{}`: {},
		` {"real_cores":"8","cores":16.0,"ram":"","ssd":null,"systemsecure":true}`: {RealCores: 8, Cores: 16, SystemSecure: true},
		`{"status":"toaster","error":"too slow"}`:                                  {Status: "toaster", Error: "too slow"},
		`{"status":"cumulus"}`: {Status: "cumulus"}, // no tier: fluxbenchd writes capitals
	} {
		if got, err := parseFacts([]byte(text)); err != nil || cmp.Diff(want, got) != "" {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		`"Benchmark not running"`: "want an object",
		``:                        "want an object",
		`null`:                    "want an object",
		`{"ssd":-1}`:              "want a number from 0",
		`{"ssd":1e300}`:           "want a number from 0",
		`{"ssd":"NaN"}`:           "want a number from 0",
		`{"cores":"many"}`:        "want a number from 0",
		`{"cores":{}}`:            "want a number from 0",
		`{"status":7}`:            "cannot unmarshal",
		`{"ssd":1`:                "unexpected end",
	} {
		if got, err := parseFacts([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v, want %q", text, got, err, want)
		}
	}
}

// Whatever fluxbenchd answers, facts are figures that can be computed with.
func FuzzParseFacts(f *testing.F) {
	for _, seed := range []string{`{}`, `{"ipaddress":"203.0.113.10","status":"STRATUS","time":1692898160,"cores":"16","ssd":880.5,"systemsecure":true}`,
		`"Benchmark not running"`, `{"time":1e12}`, `{"ssd":"Inf"}`, `{"cores":-0}`, `{"ram":"0x1p-2"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		facts, err := parseFacts(raw)
		if err != nil {
			return
		}
		for name, x := range map[string]float64{"ssd": facts.SSD, "write": facts.DiskWrite, "eps": facts.EPS, "ram": facts.RAM,
			"cores": float64(facts.Cores), "real cores": float64(facts.RealCores)} {
			if !(x >= 0 && x <= maxNumber) {
				t.Errorf("%s is %v", name, x)
			}
		}
		if (facts.Tier != None) != IsTier(facts.Status) {
			t.Errorf("tier %q of status %q", facts.Tier, facts.Status)
		}
	})
}
