package privileged

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"slices"
	"strings"

	"github.com/fluxosd/fluxosd/internal/fault"
	"github.com/fluxosd/fluxosd/internal/logattr"
)

// maxRules is how many rules a firewall takes from fluxosd, far above the few
// dozen of a node with many applications, far below what slows a host down.
const maxRules = 512

// Firewall lets traffic through the firewall of a host. Only rules that it put
// there itself are listed or removed. Its methods may be called at the same
// time.
type Firewall interface {
	// Name is ufw, nftables or none.
	Name() string
	// Allow adds the rules that are missing. Doing it twice is harmless. With an
	// error, the report says what was done before it.
	Allow(ctx context.Context, rules []Rule) (Report, error)
	// Remove removes these rules where they are fluxosd's own. One that isn't
	// there is no error.
	Remove(ctx context.Context, rules []Rule) (Report, error)
	// List returns fluxosd's own rules.
	List(ctx context.Context) ([]Rule, error)
	// Clear removes all of fluxosd's own rules.
	Clear(ctx context.Context) (Report, error)
}

// Report is what a change came to.
type Report struct {
	Added    []Rule // new
	Existing []Rule // there before, or covered by a rule that was
	Removed  []Rule // gone
	Held     []Rule // not added: an operator's rule says the opposite; Advice says which
	// Commands is the change as an operator would type it, one command a line.
	Commands []string
	// Advice names what keeps a rule from having an effect, and what to do.
	Advice []string
}

// verb is a kind of change.
type verb uint8

const (
	allow verb = iota
	remove
	clearAll
)

// plan is a change that has been worked out and not been made: the report of
// its success, and how to make it.
type plan struct {
	report Report
	apply  func(context.Context) (Report, error)
}

// planner works out changes: what Dry needs of a Firewall.
type planner interface {
	Firewall
	plan(ctx context.Context, v verb, rules []Rule) (plan, error)
}

// validRules checks rules and leaves out the repeated ones.
func validRules(rules []Rule) ([]Rule, error) {
	if len(rules) > maxRules {
		return nil, fmt.Errorf("%d firewall rules: want at most %d", len(rules), maxRules)
	}
	seen := make(map[Rule]bool, len(rules))
	valid := make([]Rule, 0, len(rules))
	for _, r := range rules {
		if err := r.Validate(); err != nil {
			return nil, err
		}
		if key := r.key(); !seen[key] {
			seen[key] = true
			valid = append(valid, r)
		}
	}
	return valid, nil
}

// hasRule reports whether rules has r, whatever the notes say.
func hasRule(rules []Rule, r Rule) bool {
	return slices.ContainsFunc(rules, func(other Rule) bool { return other.key() == r.key() })
}

// None is the Firewall of a host whose firewall isn't fluxosd's business: there
// is nothing to do, and nothing is done.
type None struct{}

// Name implements Firewall.
func (None) Name() string { return "none" }

// Allow reports every rule as existing: nothing that fluxosd manages holds the
// traffic up.
func (None) Allow(_ context.Context, rules []Rule) (Report, error) {
	valid, err := validRules(rules)
	return Report{Existing: valid}, err
}

// Remove implements Firewall.
func (None) Remove(_ context.Context, rules []Rule) (Report, error) {
	_, err := validRules(rules)
	return Report{}, err
}

// List implements Firewall.
func (None) List(context.Context) ([]Rule, error) { return nil, nil }

// Clear implements Firewall.
func (None) Clear(context.Context) (Report, error) { return Report{}, nil }

func (n None) plan(ctx context.Context, v verb, rules []Rule) (plan, error) {
	var p plan
	var err error
	if v == allow {
		p.report, err = n.Allow(ctx, rules)
	}
	return p, err
}

// dry reports what its firewall would do.
type dry struct{ of planner }

// Dry returns a Firewall that reports what this one would do, and changes
// nothing. The firewall must be a None, a UFW or an NFT.
func Dry(of Firewall) (Firewall, error) {
	p, ok := of.(planner)
	if !ok {
		return nil, fmt.Errorf("firewall %T can't tell what it would do", of)
	}
	return dry{of: p}, nil
}

func (d dry) Name() string { return d.of.Name() }

// isDry reports whether a firewall only tells what it would do.
func isDry(fw Firewall) bool {
	_, ok := fw.(dry)
	return ok
}

func (d dry) Allow(ctx context.Context, rules []Rule) (Report, error) {
	p, err := d.of.plan(ctx, allow, rules)
	return p.report, err
}

func (d dry) Remove(ctx context.Context, rules []Rule) (Report, error) {
	p, err := d.of.plan(ctx, remove, rules)
	return p.report, err
}

func (d dry) List(ctx context.Context) ([]Rule, error) { return d.of.List(ctx) }

func (d dry) Clear(ctx context.Context) (Report, error) {
	p, err := d.of.plan(ctx, clearAll, nil)
	return p.report, err
}

// FirewallConfig says how the host's firewall is found.
type FirewallConfig struct {
	Mode   string       // auto, ufw, nftables or off
	DryRun bool         // report changes instead of making them
	Run    Runner       // runs ufw; nil runs it on this host
	Log    *slog.Logger // nil logs nothing
}

// Detect returns the firewall to use: with auto, ufw where it is active, else
// None; with ufw, ufw, and an error where it isn't active; with nftables, a
// table of our own; with off, None.
func Detect(ctx context.Context, c FirewallConfig) (Firewall, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Run == nil {
		c.Run = Exec{}
	}
	found, err := detect(ctx, c)
	if err != nil {
		return nil, err
	}
	c.Log.Info("Firewall found", slog.String("firewall", found.Name()), slog.String("mode", c.Mode), slog.Bool("dry_run", c.DryRun))
	if c.DryRun {
		return Dry(found)
	}
	return found, nil
}

func detect(ctx context.Context, c FirewallConfig) (Firewall, error) {
	switch c.Mode {
	case "off":
		return None{}, nil
	case "nftables":
		return NewNFT(), nil
	case "auto", "ufw":
	default:
		return nil, fmt.Errorf("firewall %q: want auto, ufw, nftables or off", c.Mode)
	}
	u := NewUFW(c.Run)
	err := u.active(ctx)
	if err == nil {
		return u, nil
	}
	if c.Mode == "ufw" || ctx.Err() != nil {
		return nil, err
	}
	if !errors.Is(err, ErrInactive) && !errors.Is(err, exec.ErrNotFound) {
		c.Log.Warn("Ufw doesn't say whether it is active", logattr.Err(err))
	}
	return None{}, nil
}

// Opened is the answer to an operator who opened one port.
type Opened struct {
	Port     uint16
	Message  string // "Rule added", "existing", what a dry run would do, or that there is no firewall
	Existing bool   // nothing had to be added
	// Advice names what may keep the port closed nevertheless.
	Advice []string
}

// AllowPort opens one port in and out, for TCP and UDP. A port that an
// operator's own rule closes stays closed, and the error, a fault.Conflict,
// names the rule.
func AllowPort(ctx context.Context, fw Firewall, port uint16) (Opened, error) {
	o := Opened{Port: port}
	report, err := fw.Allow(ctx, []Rule{
		{Port: port, Protocol: Both, Direction: In, Note: "opened by hand"},
		{Port: port, Protocol: Both, Direction: Out, Note: "opened by hand"},
	})
	switch {
	case err != nil:
		return o, err
	case len(report.Held) > 0:
		return o, fault.New(fault.Conflict, strings.Join(report.Advice, "; "))
	case len(report.Added) > 0 && isDry(fw):
		o.Message = "Dry run, nothing changed. It would be: " + strings.Join(report.Commands, "; ")
	case len(report.Added) > 0:
		o.Message = "Rule added"
	case fw.Name() == None{}.Name():
		o.Message, o.Existing = "No firewall manages this host: nothing to do", true
	default:
		o.Message, o.Existing = "existing", true
	}
	o.Advice = report.Advice
	return o, nil
}
