package privileged

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// ufwComment marks the rules of ufw that are fluxosd's.
const ufwComment = "fluxosd"

// ErrInactive says that ufw is installed and switched off.
var ErrInactive = errors.New("ufw is not active: switch it on with ufw enable, or set network.firewall to auto or off")

// UFW is the firewall of hosts whose operator uses ufw. Its rules carry the
// comment fluxosd, by which operators and fluxosd know them; notes aren't kept.
//
// ufw itself would give an operator's rule our comment, or turn a deny into an
// allow, when told to add a rule for the same traffic. So UFW looks first: what an
// operator's rule lets through already isn't added again, and where an operator's
// rule refuses the very same traffic nothing is changed and the rule is named.
type UFW struct {
	run Runner
	mu  sync.Mutex // held from reading the rules to the last change
}

// NewUFW returns the ufw that this runner runs.
func NewUFW(run Runner) *UFW { return &UFW{run: run} }

// Name implements Firewall.
func (*UFW) Name() string { return "ufw" }

// Allow implements Firewall. ErrInactive where ufw is switched off.
func (u *UFW) Allow(ctx context.Context, rules []Rule) (Report, error) {
	return u.change(ctx, allow, rules)
}

// Remove implements Firewall. It works while ufw is switched off, too.
func (u *UFW) Remove(ctx context.Context, rules []Rule) (Report, error) {
	return u.change(ctx, remove, rules)
}

// Clear implements Firewall. It works while ufw is switched off, too.
func (u *UFW) Clear(ctx context.Context) (Report, error) { return u.change(ctx, clearAll, nil) }

func (u *UFW) change(ctx context.Context, v verb, rules []Rule) (Report, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	p, err := u.plan(ctx, v, rules)
	if err != nil {
		return Report{}, err
	}
	return p.apply(ctx)
}

// List implements Firewall. A rule for both protocols and several ports is two
// rules in ufw.
func (u *UFW) List(ctx context.Context) ([]Rule, error) {
	all, err := u.added(ctx)
	if err != nil {
		return nil, err
	}
	var own []Rule
	for _, a := range all {
		if a.own() {
			own = append(own, a.Rule)
		}
	}
	return own, nil
}

// active is nil when ufw is switched on.
func (u *UFW) active(ctx context.Context) error {
	out, err := u.run.Run(ctx, "ufw", "status")
	if err != nil {
		return err
	}
	first, _, _ := strings.Cut(out, "\n")
	switch strings.TrimSpace(first) {
	case "Status: active":
		return nil
	case "Status: inactive":
		return ErrInactive
	}
	return fmt.Errorf("ufw status: unexpected answer %q", clip(first))
}

// added returns all rules that were added to ufw, in its order.
func (u *UFW) added(ctx context.Context) ([]ufwRule, error) {
	out, err := u.run.Run(ctx, "ufw", "show", "added")
	if err != nil {
		return nil, err
	}
	return parseAdded(out)
}

// step is one command and what it comes to.
type step struct {
	args []string
	rule Rule
}

// plan works out the commands. The caller holds mu, or doesn't apply it.
func (u *UFW) plan(ctx context.Context, v verb, rules []Rule) (plan, error) {
	rules, err := validRules(rules)
	if err != nil {
		return plan{}, err
	}
	if v == allow {
		if err := u.active(ctx); err != nil {
			return plan{}, err
		}
	}
	all, err := u.added(ctx)
	if err != nil {
		return plan{}, err
	}
	var steps []step
	var report Report
	switch v {
	case allow:
		steps, report = ufwAllow(all, rules)
	case remove, clearAll:
		for _, a := range all {
			if a.own() && (v == clearAll || asksFor(rules, a.Rule)) {
				steps = append(steps, step{args: append([]string{"delete"}, a.arguments()...), rule: a.Rule})
				report.Removed = append(report.Removed, a.Rule)
			}
		}
	}
	for _, s := range steps {
		report.Commands = append(report.Commands, "ufw "+strings.Join(s.args, " "))
	}
	return plan{report: report, apply: func(ctx context.Context) (Report, error) { return u.apply(ctx, v, steps, report) }}, nil
}

// ufwAllow returns the commands for the rules that are missing.
func ufwAllow(all []ufwRule, rules []Rule) ([]step, Report) {
	var steps []step
	var report Report
	for _, whole := range rules {
		for _, r := range ufwParts(whole) {
			if slices.ContainsFunc(all, func(a ufwRule) bool { return a.allows(r) }) {
				report.Existing = append(report.Existing, r)
				continue
			}
			if i := slices.IndexFunc(all, func(a ufwRule) bool { return a.replacedBy(r) }); i >= 0 {
				report.Held = append(report.Held, r)
				report.Advice = append(report.Advice, fmt.Sprintf("%v stays as it is because of the rule %q: remove that with ufw delete, if it isn't wanted", r.key(), all[i].line))
				continue
			}
			for _, a := range all {
				if a.refuses(r) {
					report.Advice = append(report.Advice, fmt.Sprintf("the rule %q comes first and refuses some of %v", a.line, r.key()))
				}
			}
			report.Added = append(report.Added, r)
			steps = append(steps, step{args: append(ufwRule{action: "allow", Rule: r}.arguments(), "comment", ufwComment), rule: r})
		}
	}
	return steps, report
}

// asksFor reports whether one of the rules, as ufw would hold it, is r.
func asksFor(rules []Rule, r Rule) bool {
	return slices.ContainsFunc(rules, func(whole Rule) bool { return hasRule(ufwParts(whole), r) })
}

// apply runs the commands. After a failure, the report has what was done.
func (u *UFW) apply(ctx context.Context, v verb, steps []step, report Report) (Report, error) {
	report.Added, report.Removed, report.Commands = nil, nil, nil
	for _, s := range steps {
		if _, err := u.run.Run(ctx, "ufw", s.args...); err != nil {
			return report, fmt.Errorf("%v: %w", s.rule, err)
		}
		report.Commands = append(report.Commands, "ufw "+strings.Join(s.args, " "))
		if v == allow {
			report.Added = append(report.Added, s.rule)
		} else {
			report.Removed = append(report.Removed, s.rule)
		}
	}
	return report, nil
}

// ufwParts returns the rules that ufw takes for one of ours: several ports go
// with one protocol only.
func ufwParts(r Rule) []Rule {
	if r.Protocol != Both || r.last() == r.Port {
		return []Rule{r}
	}
	tcp, udp := r, r
	tcp.Protocol, udp.Protocol = TCP, UDP
	return []Rule{tcp, udp}
}
