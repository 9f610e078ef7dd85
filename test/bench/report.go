package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// report is everything that a run found out.
type report struct {
	Time        time.Time   `json:"time"`
	Machine     machine     `json:"machine"`
	Binary      binaryFacts `json:"binary"`
	Seconds     float64     `json:"seconds"` // of one measurement
	Connections int         `json:"connections"`
	Rounds      int         `json:"rounds"`
	Figures     []figure    `json:"figures"`
}

func (r *report) add(f figure) { r.Figures = append(r.Figures, f) }

// missed counts the figures that miss their target.
func (r *report) missed() int {
	n := 0
	for _, f := range r.Figures {
		if f.Met != nil && !*f.Met {
			n++
		}
	}
	return n
}

// writeJSON writes the report to a file.
func (r *report) writeJSON(file string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the figures: %w", err)
	}
	return os.WriteFile(file, append(b, '\n'), 0o644)
}

// print writes the report for people.
func (r *report) print(w io.Writer) error {
	var b strings.Builder
	m := r.Machine
	fmt.Fprintf(&b, "%s, %d cores, Linux %s, load average %s; client %s, fluxosd %s\n", m.CPU, m.Cores, m.Kernel, m.Load, m.Go, r.Binary.Go)
	fmt.Fprintf(&b, "%d connections, %d rounds of %v s. Medians, with the lowest and highest of the rounds.\n", r.Connections, r.Rounds, r.Seconds)
	fmt.Fprint(&b, "The ratio is to the bare net/http server measured right before and after;\ncpu is what one request costs the server.\n\n")
	rows := [][]string{{"figure", "median", "", "low – high", "ratio", "low – high", "p50 ms", "p99 ms", "cpu µs", "target", ""}}
	for _, f := range r.Figures {
		rows = append(rows, f.cells())
	}
	b.WriteString(table(rows))
	if n := r.missed(); n > 0 {
		fmt.Fprintf(&b, "\n%d missed\n", n)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// cells are the columns of a figure; empty where there is nothing to say.
func (f figure) cells() []string {
	c := make([]string, 11)
	c[0], c[1], c[2], c[3] = f.Name, number(f.Value.Median), f.Unit, f.Value.extremes()
	if f.Ratio != nil {
		c[4], c[5] = number(f.Ratio.Median), f.Ratio.extremes()
	}
	if f.P99 > 0 {
		c[6], c[7] = number(f.P50), number(f.P99)
	}
	if f.CPU > 0 {
		c[8] = number(f.CPU)
	}
	if f.Target != nil {
		c[9], c[10] = f.Target.String(), "met"
		if !*f.Met {
			c[10] = "MISSED"
		}
	}
	return c
}

func (t target) String() string {
	if t.AtLeast > 0 {
		return "≥ " + strconv.FormatFloat(t.AtLeast, 'f', -1, 64)
	}
	return "≤ " + strconv.FormatFloat(t.AtMost, 'f', -1, 64)
}

func (s spread) extremes() string {
	if len(s.Rounds) < 2 {
		return ""
	}
	return number(s.Min) + " – " + number(s.Max)
}

// number writes three or more significant digits, and no more decimals than
// such a measurement is worth.
func number(v float64) string {
	decimals := 2
	switch {
	case v >= 100:
		decimals = 0
	case v >= 10:
		decimals = 1
	case v < 1:
		decimals = 3
	}
	return strconv.FormatFloat(v, 'f', decimals, 64)
}

// table aligns rows of equal length, two spaces between columns: the first and
// the last column at their left, the others at their right.
func table(rows [][]string) string {
	var width []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			switch i {
			case 0:
				line.WriteString(cell + pad)
			case len(row) - 1:
				line.WriteString("  " + cell)
			default:
				line.WriteString("  " + pad + cell)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " "))
		b.WriteByte('\n')
	}
	return b.String()
}
