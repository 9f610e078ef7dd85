package config

import (
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with the configuration.
type Problem struct {
	Key     string // the key, or "" when the problem has none (a file that can't be read)
	Source  string // where: "line 3 of /etc/…", "variable FLUXOSD_…", "--set"; "" when it was set nowhere
	Found   string // the offending value, quoted; "" for secrets
	Reason  string // what is wrong, and what is allowed
	Example string // a value that is allowed, as YAML; "" when none helps
}

// String says all of it in one line.
func (p Problem) String() string {
	var b strings.Builder
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	if p.Found != "" {
		b.WriteString(p.Found + ": ")
	}
	b.WriteString(p.Reason)
	if p.Example != "" {
		b.WriteString(", for example " + p.Example)
	}
	if p.Source != "" {
		b.WriteString(" (" + p.Source + ")")
	}
	return b.String()
}

// Error lists every problem of a configuration. It has at least one.
type Error struct {
	Problems []Problem
}

// Error returns one line for a single problem, else a list.
func (e *Error) Error() string {
	if len(e.Problems) == 1 {
		return "configuration: " + e.Problems[0].String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "configuration: %d problems:", len(e.Problems))
	for _, p := range e.Problems {
		b.WriteString("\n  - " + p.String())
	}
	return b.String()
}

// maxShown bounds how much of a value a problem repeats, in bytes.
const maxShown = 80

// shown quotes a value for a problem.
func shown(text string) string {
	if len(text) > maxShown {
		text = text[:maxShown] + "…"
	}
	return fmt.Sprintf("%q", text)
}

// unknownKey suggests the known key or section that is nearest to path.
func unknownKey(path, source string) Problem {
	var names []string
	for _, k := range keys {
		names = append(names, k.path)
	}
	for _, s := range sections {
		names = append(names, s.path)
	}
	return Problem{Key: path, Source: source, Reason: "unknown key" + suggestion(path, names)}
}

// suggestion returns ", did you mean x?" for the name nearest to the given one,
// or nothing when none is near. A name with the same last part is near.
func suggestion(given string, names []string) string {
	if len(given) > 2*maxShown {
		return ""
	}
	best, bestDistance := "", 0
	for _, n := range names {
		d := distance(given, n)
		near := d <= len(given)/3+1 || lastPart(n) == lastPart(given)
		if near && (best == "" || d < bestDistance) {
			best, bestDistance = n, d
		}
	}
	if best == "" {
		return ""
	}
	return ", did you mean " + best + "?"
}

func lastPart(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

// distance is the Levenshtein distance of two short texts, in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			above := row[j+1]
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(above+1, row[j]+1, diagonal+cost)
			diagonal = above
		}
	}
	return row[len(b)]
}

// isSection reports whether keys stand below path.
func isSection(path string) bool {
	return slices.ContainsFunc(sections, func(s sectionSpec) bool { return s.path == path })
}
