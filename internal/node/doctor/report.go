package doctor

import (
	"cmp"
	"slices"
	"time"

	"github.com/fluxosd/fluxosd/internal/health"
)

// State is the judgement of a check, or of the whole node.
type State string

// The states, from best to worst; Unknown says nothing either way.
const (
	OK       State = "ok"
	NotKnown State = "unknown"
	Info     State = "info"
	Warning  State = "warning"
	Critical State = "critical"
)

// rank orders states in a report: what is bad first.
var rank = map[State]int{Critical: 0, Warning: 1, Info: 2, NotKnown: 3, OK: 4}

func stateOf(s health.Severity) State {
	switch s {
	case health.Critical:
		return Critical
	case health.Warning:
		return Warning
	}
	return Info
}

// Line is one row of a report.
type Line struct {
	Check string `json:"check"`
	Title string `json:"title"`
	State State  `json:"state"`
	// Code and Problem name what is wrong; "" when nothing is.
	Code    string `json:"code,omitempty"`
	Problem string `json:"problem,omitempty"`
	// Fact is what was measured, Advice what to do about it.
	Fact   string `json:"fact"`
	Advice string `json:"advice,omitempty"`
	// BlockedBy is the check that has to pass before this one can be judged.
	BlockedBy string    `json:"blocked_by,omitempty"`
	Since     time.Time `json:"since"`
	// Checked is when this was last looked at; the zero time is never.
	Checked time.Time `json:"checked"`
	// Foreign marks a problem that another part of the daemon reports: Check is
	// its code then.
	Foreign bool `json:"-"`
}

// Report is what is known of the node.
type Report struct {
	// State is the worst of all lines: ok, unknown (nothing is known to be wrong,
	// but not everything could be judged), info, warning or critical.
	State State `json:"state"`
	// Lines hold what is wrong first, the most severe of it at the top, and of
	// equally severe problems the cause before its effect.
	Lines []Line `json:"checks"`
}

// Healthy reports whether there is nothing that needs somebody's attention.
func (r Report) Healthy() bool { return r.State != Warning && r.State != Critical }

// First returns the line of the problem to begin with, or false without any.
func (r Report) First() (Line, bool) {
	if len(r.Lines) == 0 || r.Lines[0].Code == "" {
		return Line{}, false
	}
	return r.Lines[0], true
}

// Report returns what the last looks found, and the active problems that other
// parts of the daemon report.
func (d *Doctor) Report() Report {
	out := Report{State: OK}
	d.mu.Lock()
	for _, k := range d.checks {
		out.Lines = append(out.Lines, k.line())
	}
	d.mu.Unlock()
	for _, st := range d.health.List() {
		if st.Active && !d.known[st.Code] {
			out.Lines = append(out.Lines, Line{Check: st.Code, Title: st.Title, State: stateOf(st.Severity), Code: st.Code,
				Problem: st.Title, Fact: st.Detail, Advice: st.Advice, Since: st.Since, Checked: st.Since, Foreign: true})
		}
	}
	for _, l := range out.Lines {
		if rank[l.State] < rank[out.State] {
			out.State = l.State
		}
	}
	slices.SortStableFunc(out.Lines, func(a, b Line) int { return cmp.Compare(rank[a.State], rank[b.State]) })
	return out
}

// line describes a check. Callers hold Doctor.mu.
func (k *check) line() Line {
	l := Line{Check: k.Name, Title: k.Title, State: OK, Fact: k.finding.Fact, Since: k.since, Checked: k.checked}
	switch {
	case !k.seen:
		l.State, l.Fact = NotKnown, "not looked at yet"
	case k.finding.Problem != "":
		p := k.problems[k.finding.Problem]
		l.State, l.Code, l.Problem, l.Advice = stateOf(p.Severity), p.Code, p.Title, cmp.Or(k.finding.Advice, p.Advice)
	case k.finding.Unknown:
		l.State, l.Advice = NotKnown, k.finding.Advice
		if k.blocker != nil {
			l.BlockedBy = k.blocker.Name
		}
	}
	return l
}
