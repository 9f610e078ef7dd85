package privileged

import (
	"context"
	"strings"
	"testing"
)

// planned is a firewall that would add what it is asked for.
type planned struct{ None }

func (planned) Name() string { return "planned" }

func (planned) plan(_ context.Context, _ verb, rules []Rule) (plan, error) {
	var p plan
	for _, r := range rules {
		p.report.Added = append(p.report.Added, r)
		p.report.Commands = append(p.report.Commands, "allow "+r.String())
	}
	return p, nil
}

// Nobody may take a dry run for an open port.
func TestOpeningAPortDrySaysSo(t *testing.T) {
	wall, err := Dry(planned{})
	if err != nil {
		t.Fatal(err)
	}
	o, err := AllowPort(t.Context(), wall, 8080)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(o.Message, "Dry run, nothing changed.") || !strings.Contains(o.Message, "8080") {
		t.Errorf("%+v", o)
	}
}
