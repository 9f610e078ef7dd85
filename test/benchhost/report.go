package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/fluxosd/fluxosd/internal/benchmark/measure"
)

// report is everything that benchhost found.
type report struct {
	Host   measure.Host
	Volume measure.Disk
	Rounds int
	Time   string // of a processor measurement in each round
	Size   int64  // bytes of a disk write
	Dir    string
	Rows   []row
}

// has says whether a row has the verdict.
func (r report) has(verdict string) bool {
	return slices.ContainsFunc(r.Rows, func(row row) bool { return row.Verdict == verdict })
}

// status is the exit status that the report means.
func (r report) status() int {
	switch {
	case r.has(missed):
		return exitMissed
	case r.has(noisy):
		return exitFailed
	}
	return exitMet
}

// print writes the report as Markdown.
func (r report) print(to io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Host: %s, %d cores, %d MiB, %s %s, %s on %s (%v).\n\n", r.Host.CPUModel, r.Host.Cores, r.Host.RAM>>20,
		r.Host.OS, r.Host.Kernel, r.Volume.FileSystem, r.Volume.Name, r.Volume.Kind)
	fmt.Fprintf(&b, "Medians of %d rounds for processors and %d for disks, tool and fluxosd in turn; %s for each processor figure, %d MiB for each write in %s.\n",
		r.Rounds, r.Rounds*diskRepeat, r.Time, r.Size>>20, r.Dir)
	fmt.Fprintf(&b, "Spread: of the rounds without the outer quarters, the larger of both sides. Above %.0f %% the rounds are repeated, up to %d attempts; the one that spread least counts.\n\n", 100*maxSpread, attempts)
	b.WriteString("| figure | unit | tool | | fluxosd | ratio | spread | attempts | target | verdict | disturbed by |\n")
	b.WriteString("|---|---|---|---:|---:|---:|---:|---:|---:|---|---|\n")
	for _, row := range r.Rows {
		target := "none"
		if row.Target > 0 {
			target = fmt.Sprintf("±%.0f %%", 100*row.Target)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %.3f | %.1f %% | %d | %s | %s | %s |\n", row.Name, row.Unit, row.Tool,
			number(row.ToolMedian), number(row.OurMedian), row.Ratio, 100*row.Spread, row.Attempts, target, row.Verdict, disturbances(row.Disturbed))
	}
	switch r.status() {
	case exitMet:
		b.WriteString("\nAll targets met.\n")
	case exitMissed:
		b.WriteString("\nA target was missed.\n")
	default:
		b.WriteString("\nThe machine was too busy to judge every target: repeat at a quiet time.\n")
	}
	_, err := io.WriteString(to, b.String())
	return err
}

// number prints about four digits.
func number(v float64) string {
	if math.Abs(v) < 1000 {
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// disturbances prints each reason with its share.
func disturbances(list []measure.Disturbance) string {
	var texts []string
	for _, d := range list {
		texts = append(texts, fmt.Sprintf("%s %.0f %%", d.Reason, 100*d.Share))
	}
	return strings.Join(texts, ", ")
}
