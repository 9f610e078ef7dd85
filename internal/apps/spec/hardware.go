package spec

import "math"

// limits are the most that an application may ask of a node of a tier, by the
// words of the network.
var (
	limitAny     = Hardware{CPU: 15, RAM: 59000, HDD: 820}
	limitCumulus = Hardware{CPU: 3, RAM: 5000, HDD: 160}
	limitNimbus  = Hardware{CPU: 7, RAM: 28000, HDD: 380}
)

// tiers names the tier values of a component, with their limits.
func (c *Component) tiers() [3]struct {
	name  string
	value Hardware
	limit Hardware
} {
	return [3]struct {
		name  string
		value Hardware
		limit Hardware
	}{
		{" for Cumulus", c.Cumulus, limitCumulus},
		{" for Nimbus", c.Nimbus, limitNimbus},
		{" for Stratus", c.Stratus, limitAny},
	}
}

// Total is what all components ask together. With a tiered component it is the
// plain value, which no node of a tier reserves.
func (s *Spec) Total() Hardware {
	var sum Hardware
	for i := range s.Components {
		sum.add(s.Components[i].Hardware)
	}
	return sum
}

func (h *Hardware) add(o Hardware) {
	h.CPU += o.CPU
	h.RAM += o.RAM
	h.HDD += o.HDD
}

func (s *Spec) checkHardware(Context) error {
	if s.Version <= 3 {
		return s.checkSteps()
	}
	tiered := false
	var sums [3]Hardware
	for i := range s.Components {
		c := &s.Components[i]
		tiered = tiered || c.Tiered
		for j, t := range c.tiers() {
			sums[j].add(t.value.or(c.Hardware))
		}
	}
	if !tiered {
		return tooMuch(s.Total(), limitAny, "", s.Name)
	}
	for i, t := range (&Component{}).tiers() {
		if err := tooMuch(sums[i], t.limit, t.name, s.Name); err != nil {
			return err
		}
	}
	return nil
}

// or takes the value of o where h has none.
func (h Hardware) or(o Hardware) Hardware {
	if h.CPU == 0 {
		h.CPU = o.CPU
	}
	if h.RAM == 0 {
		h.RAM = o.RAM
	}
	if h.HDD == 0 {
		h.HDD = o.HDD
	}
	return h
}

func tooMuch(h, limit Hardware, tier, app string) error {
	switch {
	case h.CPU*10 > limit.CPU*10:
		return invalid("Too much CPU%s resources assigned for %s", tier, app)
	case h.RAM > limit.RAM:
		return invalid("Too much RAM%s resources assigned for %s", tier, app)
	case h.HDD > limit.HDD:
		return invalid("Too much SSD%s resources assigned for %s", tier, app)
	}
	return nil
}

// checkSteps applies the steps and limits of versions 1 to 3.
func (s *Spec) checkSteps() error {
	c := &s.Components[0]
	if err := badSteps(c.Hardware, limitAny, "", s.Name); err != nil || !c.Tiered {
		return err
	}
	for _, t := range c.tiers() {
		if err := badSteps(t.value, t.limit, t.name, s.Name); err != nil {
			return err
		}
	}
	return nil
}

func badSteps(h, limit Hardware, tier, app string) error {
	const minCPU, minRAM, minHDD, stepRAM = 0.1, 100, 1, 100
	switch {
	case math.Mod(h.CPU*10, 1) != 0 || h.CPU > limit.CPU || h.CPU < minCPU:
		return invalid("CPU%s badly assigned for %s", tier, app)
	case math.Mod(h.RAM, stepRAM) != 0 || h.RAM > limit.RAM || h.RAM < minRAM:
		return invalid("RAM%s badly assigned for %s", tier, app)
	case math.Mod(h.HDD, 1) != 0 || h.HDD > limit.HDD || h.HDD < minHDD:
		return invalid("SSD%s badly assigned for %s", tier, app)
	}
	return nil
}
