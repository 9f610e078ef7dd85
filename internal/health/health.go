// Package health answers three questions: what is wrong with this node, may
// it be sent work, and may an owner sign in?
//
// Every bad state that a module can recognise is registered before it happens,
// with a code, a severity, a title and advice, so that status, command line,
// metrics and logs show the same list. Only the module that registered a
// problem can raise or clear it. A problem is logged when it begins and when
// it ends, not while it lasts.
//
// The package finds out nothing by itself, repairs nothing, and starts no
// goroutine. A problem makes a node unready only if its registration says so: a
// node with a sick Docker should still answer who asks it why.
package health

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"sync"
	"time"
)

// Severity says how bad a problem is. The zero Severity is refused at
// registration.
type Severity uint8

const (
	_ Severity = iota
	// Info is worth knowing and needs no action.
	Info
	// Warning should be looked at; the node does its work.
	Warning
	// Critical stops a part of the node's work.
	Critical
)

var severityNames = [...]string{"", "info", "warning", "critical"}

// String returns info, warning or critical.
func (s Severity) String() string {
	if s >= Info && s <= Critical {
		return severityNames[s]
	}
	return fmt.Sprintf("severity(%d)", uint8(s))
}

// MarshalText returns the same as String.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// level is the level at which the beginning of a problem is logged.
func (s Severity) level() slog.Level {
	switch s {
	case Info:
		return slog.LevelInfo
	case Warning:
		return slog.LevelWarn
	}
	return slog.LevelError
}

// Problem is a bad state that may occur.
type Problem struct {
	// Code names the problem for programs: lower-case words with hyphens, such
	// as store-unreachable. It is unique in a registry.
	Code     string   `json:"code"`
	Severity Severity `json:"severity"`
	// Title says what is wrong, Advice what the operator can do about it.
	Title  string `json:"title"`
	Advice string `json:"advice"`
	// BlocksReady makes the node unready while the problem is active.
	BlocksReady bool `json:"blocks_ready"`
}

// State is a problem and whether it is there.
type State struct {
	Problem
	Active bool `json:"active"`
	// Since is when Active last changed; the time of registration at first.
	Since time.Time `json:"since"`
	// Detail says what is special about this occurrence; "" when inactive.
	Detail string `json:"detail,omitempty"`
}

// Config configures a Registry. The zero Config is usable.
type Config struct {
	Logger *slog.Logger     // nil discards
	Now    func() time.Time // nil is time.Now
}

// Registry holds the problems, the start conditions and the login checks of
// one node. All methods are safe for concurrent use.
type Registry struct {
	log *slog.Logger
	now func() time.Time

	mu         sync.Mutex
	states     map[string]*State
	conditions []*Condition // in the order of declaration
	checks     []loginCheck // in the order of registration
	changed    chan struct{}
}

// New returns an empty Registry: no problem, nothing to wait for, ready.
func New(c Config) *Registry {
	r := &Registry{log: c.Logger, now: c.Now, states: map[string]*State{}, changed: make(chan struct{})}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.now == nil {
		r.now = time.Now
	}
	return r
}

var codeForm = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// Register makes a problem known, inactive at first. The Reporter belongs to
// the module that can recognise it. A code that is taken or not well-formed,
// an unknown severity, and a missing title or advice are errors.
func (r *Registry) Register(p Problem) (*Reporter, error) {
	switch {
	case !codeForm.MatchString(p.Code):
		return nil, fmt.Errorf("register problem %q: want a code of lower-case words with hyphens, such as store-unreachable", p.Code)
	case p.Severity < Info || p.Severity > Critical:
		return nil, fmt.Errorf("register problem %s: want the severity Info, Warning or Critical, not %v", p.Code, p.Severity)
	case p.Title == "" || p.Advice == "":
		return nil, fmt.Errorf("register problem %s: want a title and advice", p.Code)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, taken := r.states[p.Code]; taken {
		return nil, fmt.Errorf("register problem %s: the code is taken", p.Code)
	}
	r.states[p.Code] = &State{Problem: p, Since: r.now()}
	r.announce()
	return &Reporter{registry: r, code: p.Code}, nil
}

// List returns every registered problem: active ones first, of these the most
// severe first, then by code.
func (r *Registry) List() []State {
	r.mu.Lock()
	out := make([]State, 0, len(r.states))
	for _, s := range r.states {
		out = append(out, *s)
	}
	r.mu.Unlock()
	slices.SortFunc(out, func(a, b State) int {
		if a.Active != b.Active {
			if a.Active {
				return -1
			}
			return 1
		}
		if a.Active && a.Severity != b.Severity {
			return cmp.Compare(b.Severity, a.Severity)
		}
		return cmp.Compare(a.Code, b.Code)
	})
	return out
}

// Changed returns a channel that is closed at the next change of anything that
// List or Readiness shows. Take the channel first, then look, then wait.
func (r *Registry) Changed() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}

// announce wakes who waits for a change. Callers hold mu.
func (r *Registry) announce() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// Reporter raises and clears one problem.
type Reporter struct {
	registry *Registry
	code     string
}

// Set says that the problem is there. Setting it again only changes the
// detail, neither Since nor the log. The detail must not hold secrets.
func (p *Reporter) Set(detail string) { p.change(true, detail) }

// Clear says that the problem is not there.
func (p *Reporter) Clear() { p.change(false, "") }

func (p *Reporter) change(active bool, detail string) {
	r := p.registry
	r.mu.Lock()
	s := r.states[p.code]
	if s.Active == active && s.Detail == detail {
		r.mu.Unlock()
		return
	}
	began, was, now := s.Since, s.Active, r.now()
	if was != active {
		s.Active, s.Since = active, now
	}
	s.Detail = detail
	problem := s.Problem
	r.announce()
	r.mu.Unlock()

	switch { // outside the lock: a handler may block
	case active && !was:
		r.log.Log(context.Background(), problem.Severity.level(), "Problem began",
			"code", problem.Code, "severity", problem.Severity.String(), "title", problem.Title, "detail", detail, "advice", problem.Advice)
	case was && !active:
		r.log.Info("Problem ended", "code", problem.Code, "title", problem.Title, "lasted", now.Sub(began))
	}
}
