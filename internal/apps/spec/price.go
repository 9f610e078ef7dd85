package spec

import (
	"math"
	"slices"
	"strings"
)

// Heights from which prices are computed in another way.
const (
	minUSDPriceHeight    = 1691000
	extraInstancesHeight = 1890000
)

// PriceRow is what things cost for one period, in FLUX, or in USD. It holds from
// heights greater than its own.
type PriceRow struct {
	Height   int
	CPU      float64 // 0.1 core
	RAM      float64 // 100 MB
	HDD      float64 // GB
	MinPrice float64
	Port     float64 // an enterprise port
	Scope    float64 // chosen nodes or enterprise
	StaticIP float64

	// Only in the USD table.
	MinUSDPrice    float64 // 0 for none
	FluxMultiplier float64 // of the price when paid in FLUX
	Multiplier     float64
}

// PriceTable is the history of prices, sorted by height.
type PriceTable []PriceRow

// Prices returns the rows that every node knows from the start, in FLUX, with
// the rows that the chain has published since.
func Prices(published ...PriceRow) PriceTable {
	table := append(PriceTable{
		{Height: -1, CPU: 3, RAM: 1, HDD: 0.5, MinPrice: 1, Port: 2, Scope: 6, StaticIP: 3},
		{Height: 983000, CPU: 0.3, RAM: 0.1, HDD: 0.05, MinPrice: 0.1, Port: 2, Scope: 6, StaticIP: 3},
		{Height: 1004000, CPU: 0.06, RAM: 0.02, HDD: 0.01, MinPrice: 0.01, Port: 2, Scope: 6, StaticIP: 3},
		{Height: 1288000, CPU: 0.15, RAM: 0.05, HDD: 0.02, MinPrice: 0.01, Port: 2, Scope: 6, StaticIP: 3},
		{Height: 1594832, CPU: 0.15, RAM: 0.05, HDD: 0.02, MinPrice: 0.01, Port: 1.5, Scope: 6, StaticIP: 3},
		{Height: 1597156, CPU: 0.03, RAM: 0.01, HDD: 0.004, MinPrice: 0.01, Port: 0.4, Scope: 0.8, StaticIP: 0.4},
	}, published...)
	slices.SortStableFunc(table, func(a, b PriceRow) int { return a.Height - b.Height })
	return table
}

// USDPrices is the fiat table to use while the network's statistics don't answer.
func USDPrices() PriceRow {
	return PriceRow{
		Height: -1, CPU: 0.15, RAM: 0.05, HDD: 0.02, MinPrice: 0.01, Port: 2, Scope: 4, StaticIP: 2,
		FluxMultiplier: 0.95, Multiplier: 1, MinUSDPrice: 0.99,
	}
}

// FallbackRate is the price of a FLUX in USD when nobody knows it.
const FallbackRate = 0.6

// ParsePriceMessage reads the row that a message of the chain publishes,
// p_<cpu>_<ram>_<hdd>_<minPrice>[_<port>[_<scope>[_<staticip>]]]; ok is false for
// other messages and for one that has to be ignored.
func ParsePriceMessage(message string, height int) (row PriceRow, ok bool) {
	const needed, most = 4, 7
	f := strings.Split(message, "_")
	if f[0] != "p" || len(f) <= needed {
		return row, false
	}
	n := [most]float64{4: 2, 5: 6, 6: 3}
	for i, field := range f[1:min(len(f), most+1)] {
		v := textNumber(field)
		switch {
		case i >= needed && (v == 0 || math.IsNaN(v)):
		case math.IsNaN(v) || math.IsInf(v, 0) || field == "":
			return row, false
		default:
			n[i] = v
		}
	}
	return PriceRow{Height: height, CPU: n[0], RAM: n[1], HDD: n[2], MinPrice: n[3], Port: n[4], Scope: n[5], StaticIP: n[6]}, true
}

// At returns the row that holds at height; ok is false before the first.
func (t PriceTable) At(height int) (row PriceRow, ok bool) {
	for _, r := range t {
		if r.Height < height {
			row, ok = r, true
		}
	}
	return row, ok
}

// cents rounds up to 0.01, in the arithmetic of the network.
func cents(x float64) float64 { return math.Ceil(x*100) / 100 }

// round2 rounds to two decimals.
func round2(x float64) float64 { return math.Round(x*100) / 100 }

// PeriodPrice is what one period of an application costs at height. Amounts are
// those of the row; a sealed enterprise application costs what is visible of it.
func (s *Spec) PeriodPrice(row PriceRow, height int) float64 {
	if s.Version <= 3 {
		return s.singlePrice(row, height)
	}
	var sum Hardware
	ports := 0.0
	for i := range s.Components {
		c := &s.Components[i]
		sum.add(c.priced(3))
		ports += float64(c.enterprisePorts())
	}
	price := sum.CPU*row.CPU*10 + sum.RAM*row.RAM/100 + sum.HDD*row.HDD
	if len(s.Nodes) > 0 || s.IsEnterprise() {
		price += row.Scope
	}
	if s.StaticIP {
		price += row.StaticIP
	}
	price = cents((price + ports*row.Port) / minInstances)
	if n := float64(s.Instances - 1); n > 0 && height >= extraInstancesHeight {
		const cheap, perInstance = 0.50, 0.5
		if price < cheap && n > 2 {
			price += perInstance * n
		} else {
			price = (math.Ceil(price*n*100) + math.Ceil(price*100)) / 100
		}
	}
	return row.atLeastUSD(price, height)
}

// priced is the hardware that is paid for: of a tiered component a share of the
// sum of the tiers.
func (c *Component) priced(share float64) Hardware {
	if !c.Tiered {
		return c.Hardware
	}
	return Hardware{
		CPU: (c.Cumulus.CPU + c.Nimbus.CPU + c.Stratus.CPU) / share,
		RAM: (c.Cumulus.RAM + c.Nimbus.RAM + c.Stratus.RAM) / share,
		HDD: (c.Cumulus.HDD + c.Nimbus.HDD + c.Stratus.HDD) / share,
	}
}

func (r PriceRow) atLeastUSD(price float64, height int) float64 {
	if height >= minUSDPriceHeight && price < r.MinUSDPrice {
		return r.MinUSDPrice
	}
	return price
}

func (s *Spec) singlePrice(row PriceRow, height int) float64 {
	c := &s.Components[0]
	h := c.priced(1)
	price := h.CPU*row.CPU*10 + h.RAM*row.RAM/100 + h.HDD*row.HDD + float64(c.enterprisePorts())*row.Port
	if c.Tiered {
		price = row.atLeastUSD(price, height)
	}
	return max(cents(price), row.MinPrice)
}

// lasting is the price for the time that the specification lasts.
func (s *Spec) lasting(row PriceRow, height int) float64 {
	return cents(s.PeriodPrice(row, height) * s.periods(height))
}

// periods is how many periods the specification lasts.
func (s *Spec) periods(height int) float64 {
	if s.Expire == 0 {
		return 1
	}
	return float64(s.Expire) / float64(Period(height))
}

// RegistrationPrice is what a registration at height has to pay, in FLUX.
func (t PriceTable) RegistrationPrice(s *Spec, height int) float64 {
	row, _ := t.At(height)
	return max(s.lasting(row, height), row.MinPrice)
}

// Enough reports whether a payment in satoshi covers a price in FLUX, in the
// arithmetic of the network, which sometimes forgives a satoshi.
func Enough(satoshi int64, price float64) bool { return float64(satoshi) >= price*1e8 }

// UpdatePrice is what an update at height has to pay: the least amount of the
// time. The network means to demand [PriceTable.WrittenUpdatePrice], but takes
// the update itself for the specification that it replaces; a node that
// demanded more would disagree with all others.
func (t PriceTable) UpdatePrice(height int) float64 {
	row, _ := t.At(height)
	return row.MinPrice
}

// WrittenUpdatePrice is the price of an update as the rules are written: that
// of the new specification, less what is left of the previous one.
func (t PriceTable) WrittenUpdatePrice(s *Spec, height int, previous *Spec, registered int) float64 {
	const discount = 0.9
	row, _ := t.At(height)
	pay := t.RegistrationPrice(s, height)
	then, _ := t.At(registered)
	lasts := float64(previous.Expire)
	if previous.Expire == 0 {
		lasts = float64(Period(registered))
	}
	if share := (lasts - float64(height-registered)) / lasts; share > 0 {
		pay -= share * previous.lasting(then, registered)
	}
	return max(cents(pay*discount), row.MinPrice)
}
