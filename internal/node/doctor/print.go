package doctor

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// colours of the states on a terminal (ECMA-48, SGR).
var colours = map[State]string{OK: "\x1b[32m", NotKnown: "\x1b[90m", Info: "\x1b[36m", Warning: "\x1b[33m", Critical: "\x1b[1;31m"}

const plain = "\x1b[0m"

// Print writes the report as a table for people: a line for each check, and
// below a problem what to do about it. now is the time that "since" is told from.
func (r Report) Print(w io.Writer, colour bool, now time.Time) error {
	width := 0
	for _, l := range r.Lines {
		width = max(width, utf8.RuneCountInString(l.Title))
	}
	paint := func(s State, text string) string {
		if !colour {
			return text
		}
		return colours[s] + text + plain
	}
	var b strings.Builder
	for _, l := range r.Lines {
		title := l.Title + strings.Repeat(" ", width-utf8.RuneCountInString(l.Title))
		b.WriteString(paint(l.State, fmt.Sprintf("%-8s", l.State)) + "  " + title + "  " + oneLine(l.headline()) + "\n")
		if l.Code != "" {
			fmt.Fprintf(&b, "          %s  (%s, for %s)\n", strings.Repeat(" ", width), l.Code, age(now.Sub(l.Since)))
		}
		if l.Advice != "" {
			fmt.Fprintf(&b, "          %s  → %s\n", strings.Repeat(" ", width), oneLine(l.Advice))
		}
	}
	b.WriteString("\n" + paint(r.State, r.summary()) + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// headline is what is wrong and what was measured.
func (l Line) headline() string {
	switch {
	case l.Problem == "":
		return l.Fact
	case l.Fact == "":
		return l.Problem
	}
	return l.Problem + ": " + l.Fact
}

func (r Report) summary() string {
	n := map[State]int{}
	for _, l := range r.Lines {
		n[l.State]++
	}
	first, bad := r.First()
	switch {
	case !bad && n[NotKnown] == 0:
		return fmt.Sprintf("All %d checks passed.", len(r.Lines))
	case !bad:
		return fmt.Sprintf("%d checks passed, %d could not be judged.", n[OK], n[NotKnown])
	}
	return fmt.Sprintf("%d critical, %d warnings, %d could not be judged. Begin with: %s", n[Critical], n[Warning], n[NotKnown], oneLine(first.Problem))
}

// oneLine keeps text of other programs from painting or breaking the table.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case r < ' ' || r >= 0x7f && r < 0xa0:
			return -1
		}
		return r
	}, s)
}

func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(max(d, 0).Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}
