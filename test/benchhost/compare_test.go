package main

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxosd/fluxosd/internal/benchmark/measure"
)

// scripted is a side that returns the given figures one after the other.
func scripted(order *string, name string, figures ...float64) side {
	return func(context.Context) ([]float64, []measure.Disturbance, error) {
		*order += name
		if len(figures) == 0 {
			return nil, nil, errors.New("ran out of figures")
		}
		v := figures[0]
		figures = figures[1:]
		return []float64{v}, []measure.Disturbance{{Reason: measure.Steal, Share: v / 1000}}, nil
	}
}

func compareOf(order *string, target float64, tool, ours []float64) comparison {
	return comparison{
		title: "x", subjects: []subject{{"x", "fio", "MB/s", target}}, repeat: 1,
		tool: scripted(order, "A", tool...), ours: scripted(order, "B", ours...),
	}
}

func TestSidesTakeTurnsAndMediansCount(t *testing.T) {
	var order string
	rows, err := compareOf(&order, 0.15, []float64{100, 104, 102}, []float64{90, 92, 91}).judge(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	if order != "ABABAB" {
		t.Errorf("got order %s, want ABABAB", order)
	}
	got := rows[0]
	if got.ToolMedian != 102 || got.OurMedian != 91 || got.Verdict != met || got.Attempts != 1 {
		t.Errorf("got %+v, want medians 102 and 91, met at the first attempt", got)
	}
	if diff := cmp.Diff([]measure.Disturbance{{Reason: measure.Steal, Share: 0.092}}, got.Disturbed); diff != "" {
		t.Error(diff)
	}
}

func TestNoisyComparisonIsRepeatedAndTheQuietestCounts(t *testing.T) {
	for _, c := range []struct {
		name         string
		tool, ours   []float64
		wantAttempts int
		wantVerdict  string
		wantRatio    float64
	}{
		{"quiet at the second attempt", []float64{100, 150, 100, 100}, []float64{100, 100, 80, 80}, 2, missed, 0.8},
		{"noisy to the end", []float64{100, 150, 100, 120, 100, 200}, []float64{100, 100, 110, 110, 1, 1}, 3, met, 1},
		{"a quiet miss is final", []float64{100, 100, 100, 100}, []float64{50, 50, 100, 100}, 1, missed, 0.5},
	} {
		t.Run(c.name, func(t *testing.T) {
			var order string
			rows, err := compareOf(&order, 0.15, c.tool, c.ours).judge(t.Context(), 2)
			if err != nil {
				t.Fatal(err)
			}
			got := rows[0]
			if got.Attempts != c.wantAttempts || got.Verdict != c.wantVerdict || math.Abs(got.Ratio-c.wantRatio) > 1e-9 {
				t.Errorf("got %d attempts, %s, ratio %v; want %d, %s, %v", got.Attempts, got.Verdict, got.Ratio, c.wantAttempts, c.wantVerdict, c.wantRatio)
			}
		})
	}
}

func TestFigureWithoutTargetIsOnlyTold(t *testing.T) {
	var order string
	rows, err := compareOf(&order, 0, []float64{100}, []float64{10}).judge(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if r := (report{Rows: rows}); r.status() != exitMet || rows[0].Verdict != told {
		t.Errorf("got verdict %s, status %d; want told and %d", rows[0].Verdict, r.status(), exitMet)
	}
}

func TestSideThatFailsEndsTheComparison(t *testing.T) {
	var order string
	_, err := compareOf(&order, 0.15, []float64{100}, nil).judge(t.Context(), 1)
	wantError(t, err, "ran out of figures")
}

func TestSpreadLeavesOutTheOuterQuarters(t *testing.T) {
	for _, c := range []struct {
		rounds         []float64
		median, spread float64
	}{
		{[]float64{100}, 100, 0},
		{[]float64{90, 110, 100}, 100, 0.2},
		{[]float64{1, 100, 110, 1000}, 105, 10.0 / 105},
	} {
		median, spread := summary(c.rounds)
		if median != c.median || math.Abs(spread-c.spread) > 1e-9 {
			t.Errorf("%v: got median %v and spread %v, want %v and %v", c.rounds, median, spread, c.median, c.spread)
		}
	}
}
