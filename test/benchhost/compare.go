package main

import (
	"context"
	"math"
	"slices"

	"github.com/fluxosd/fluxosd/internal/benchmark/measure"
)

const (
	// maxSpread of the rounds of a figure, as a share of its median: above it
	// the machine was busy with other things.
	maxSpread = 0.10
	// attempts at a comparison that spreads further.
	attempts = 3
)

// side makes one round on one side of a comparison and returns its figures, in
// the order of the comparison's subjects, and what disturbed them.
type side func(ctx context.Context) ([]float64, []measure.Disturbance, error)

// comparison is a set of figures that are measured together.
type comparison struct {
	title      string
	subjects   []subject
	repeat     int // rounds made for each one asked for: more where a round is short
	tool, ours side
}

// subject is what one figure is about.
type subject struct {
	Name, Tool, Unit string
	Target           float64 `json:",omitempty"` // largest distance of the ratio from 1; 0: only told, not judged
}

// row is the outcome for one subject.
type row struct {
	subject
	ToolRounds, OurRounds []float64
	ToolMedian, OurMedian float64
	Ratio                 float64 // ours by the tool's
	Spread                float64 // the larger one of the two sides, see summary
	Attempts              int
	Verdict               string                // see below
	Disturbed             []measure.Disturbance `json:",omitempty"`
}

// Verdicts.
const (
	met    = "met"
	missed = "missed"
	noisy  = "noisy" // outside the target, but the rounds spread too far to say so
	told   = "told"  // no target
)

// judge makes the rounds, tool and ours in turn, again while they are noisy.
func (c comparison) judge(ctx context.Context, rounds int) ([]row, error) {
	var best []row
	var made int
	for made < attempts {
		made++
		rows, err := c.attempt(ctx, rounds)
		if err != nil {
			return nil, err
		}
		if best == nil || noise(rows) < noise(best) {
			best = rows
		}
		if noise(best) <= maxSpread {
			break
		}
	}
	for i := range best {
		best[i].Attempts = made
	}
	return best, nil
}

// attempt makes all rounds once.
func (c comparison) attempt(ctx context.Context, rounds int) ([]row, error) {
	rows := make([]row, len(c.subjects))
	for i := range rows {
		rows[i].subject = c.subjects[i]
	}
	for range rounds * c.repeat {
		theirs, _, err := c.tool(ctx)
		if err != nil {
			return nil, err
		}
		ours, disturbed, err := c.ours(ctx)
		if err != nil {
			return nil, err
		}
		for i := range rows {
			rows[i].ToolRounds = append(rows[i].ToolRounds, theirs[i])
			rows[i].OurRounds = append(rows[i].OurRounds, ours[i])
			rows[i].Disturbed = merge(rows[i].Disturbed, disturbed)
		}
	}
	for i := range rows {
		rows[i].conclude()
	}
	return rows, nil
}

// merge adds disturbances, keeping the largest share of each reason.
func merge(list, more []measure.Disturbance) []measure.Disturbance {
	for _, d := range more {
		i := slices.IndexFunc(list, func(e measure.Disturbance) bool { return e.Reason == d.Reason })
		switch {
		case i < 0:
			list = append(list, d)
		case list[i].Share < d.Share:
			list[i].Share = d.Share
		}
	}
	return list
}

// conclude fills in what follows from the rounds.
func (r *row) conclude() {
	var theirs, ours float64
	r.ToolMedian, theirs = summary(r.ToolRounds)
	r.OurMedian, ours = summary(r.OurRounds)
	r.Spread = max(theirs, ours)
	r.Ratio = r.OurMedian / r.ToolMedian
	switch {
	case r.Target == 0:
		r.Verdict = told
	case math.Abs(r.Ratio-1) <= r.Target:
		r.Verdict = met
	case r.Spread > maxSpread:
		r.Verdict = noisy
	default:
		r.Verdict = missed
	}
}

// summary returns the median, and the spread as a share of it: the distance of
// the extremes after a quarter of the rounds, rounded down, is left out at
// either end.
func summary(rounds []float64) (median, spread float64) {
	sorted := slices.Sorted(slices.Values(rounds))
	middle := len(sorted) / 2
	median = sorted[middle]
	if len(sorted)%2 == 0 {
		median = (sorted[middle-1] + median) / 2
	}
	outer := len(sorted) / 4
	return median, (sorted[len(sorted)-1-outer] - sorted[outer]) / median
}

// noise is the largest spread of the rows.
func noise(rows []row) float64 {
	most := 0.0
	for _, r := range rows {
		most = max(most, r.Spread)
	}
	return most
}
