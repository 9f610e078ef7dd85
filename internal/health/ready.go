package health

import (
	"errors"
	"fmt"
	"slices"
)

// Condition is something that must have happened once before the node is
// ready, such as open listeners.
type Condition struct {
	registry *Registry
	name     string
	met      bool // guarded by registry.mu
}

// Await declares a start condition, open until Met is called. An empty name
// and one that is taken are errors.
func (r *Registry) Await(name string) (*Condition, error) {
	if name == "" {
		return nil, errors.New("declare a start condition: want a name")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if slices.ContainsFunc(r.conditions, func(c *Condition) bool { return c.name == name }) {
		return nil, fmt.Errorf("declare the start condition %q: the name is taken", name)
	}
	c := &Condition{registry: r, name: name}
	r.conditions = append(r.conditions, c)
	r.announce()
	return c, nil
}

// Met closes the condition for good. Calling it again changes nothing.
func (c *Condition) Met() {
	r := c.registry
	r.mu.Lock()
	if c.met {
		r.mu.Unlock()
		return
	}
	c.met = true
	ready := !slices.ContainsFunc(r.conditions, func(c *Condition) bool { return !c.met })
	r.announce()
	r.mu.Unlock()

	r.log.Debug("Start condition met", "condition", c.name)
	if ready {
		r.log.Info("Every start condition is met")
	}
}

// Readiness says whether the node may be sent work, and if not, why.
type Readiness struct {
	Ready bool `json:"ready"`
	// Missing are the names of open start conditions, in the order of declaration.
	Missing []string `json:"missing"`
	// Problems are the codes of active problems that block readiness, sorted.
	Problems []string `json:"problems"`
}

// Readiness looks at start conditions and at problems with BlocksReady. Its
// lists are never nil.
func (r *Registry) Readiness() Readiness {
	out := Readiness{Missing: []string{}, Problems: []string{}}
	r.mu.Lock()
	for _, c := range r.conditions {
		if !c.met {
			out.Missing = append(out.Missing, c.name)
		}
	}
	for code, s := range r.states {
		if s.Active && s.BlocksReady {
			out.Problems = append(out.Problems, code)
		}
	}
	r.mu.Unlock()
	slices.Sort(out.Problems)
	out.Ready = len(out.Missing) == 0 && len(out.Problems) == 0
	return out
}
