package measure

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// wantError fails unless err says all of parts.
func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("got error %v, want one that says %q", err, part)
		}
	}
}

// steps records progress and fails when a step goes back or does not end.
type steps struct {
	order []string
	last  map[string]float64
}

func (s *steps) watch(t *testing.T) Progress {
	s.last = make(map[string]float64)
	return func(step string, done float64) {
		last, seen := s.last[step]
		if !seen {
			s.order = append(s.order, step)
		}
		if done < last || done < 0 || done > 1 {
			t.Errorf("%s: progress went from %v to %v", step, last, done)
		}
		s.last[step] = done
	}
}

func (s *steps) complete(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, s.order); diff != "" {
		t.Errorf("steps: %s", diff)
	}
	for step, done := range s.last {
		if done != 1 {
			t.Errorf("%s ended at %v, want 1", step, done)
		}
	}
}

func TestFigure(t *testing.T) {
	for _, c := range []struct {
		name   string
		runs   []float64
		want   Figure
		spread float64
	}{
		{"not measured", nil, Figure{}, 0},
		{"one run", []float64{5}, Figure{Median: 5, Low: 5, High: 5, Runs: []float64{5}}, 0},
		{"odd", []float64{9, 1, 4}, Figure{Median: 4, Low: 1, High: 9, Runs: []float64{9, 1, 4}}, 2},
		{"even", []float64{8, 2, 4, 6}, Figure{Median: 5, Low: 2, High: 8, Runs: []float64{8, 2, 4, 6}}, 1.2},
		{"all zero", []float64{0, 0}, Figure{Runs: []float64{0, 0}}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := figure(c.runs)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if math.Abs(got.Spread()-c.spread) > 1e-12 {
				t.Errorf("got spread %v, want %v", got.Spread(), c.spread)
			}
		})
	}
}

func TestDisturbancesKeepTheirWorstShare(t *testing.T) {
	w := make(worst)
	w.note(Steal, 0.02, stealFloor)
	w.note(Steal, 0.005, stealFloor)
	w.note(OtherLoad, 0.5, loadFloor)
	w.note(OtherLoad, 0.1, loadFloor)
	w.note(OtherDisk, diskFloor, diskFloor)
	w.note(Throttled, 3, throttleFloor)
	want := []Disturbance{{Throttled, 1}, {OtherLoad, 0.5}, {Steal, 0.02}}
	if diff := cmp.Diff(want, w.list()); diff != "" {
		t.Error(diff)
	}
}

func TestKindAndModeAreTextsInJSON(t *testing.T) {
	type both struct {
		Kind Kind
		Mode Mode
	}
	for want, v := range map[string]both{
		`{"Kind":"unknown","Mode":"synced"}`: {},
		`{"Kind":"hdd","Mode":"direct"}`:     {HDD, Direct},
		`{"Kind":"ssd","Mode":"synced"}`:     {SSD, Synced},
		`{"Kind":"nvme","Mode":"direct"}`:    {NVMe, Direct},
	} {
		text, err := json.Marshal(v)
		if err != nil || string(text) != want {
			t.Errorf("got %s, %v; want %s", text, err, want)
		}
		var back both
		if err := json.Unmarshal([]byte(want), &back); err != nil || back != v {
			t.Errorf("got %v, %v from %s; want %v", back, err, want, v)
		}
	}
	var k Kind
	wantError(t, k.UnmarshalText([]byte("floppy")), "floppy", "hdd")
	var m Mode
	wantError(t, m.UnmarshalText([]byte("")), "synced")
	_, err := Kind(9).MarshalText()
	wantError(t, err, "want 0 to 3")
	if got := Mode(9).String(); got != "invalid(9)" {
		t.Errorf("got %q, want invalid(9)", got)
	}
}
