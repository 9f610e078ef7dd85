package spec

import "strings"

// Registered is an application in the network's table.
type Registered struct {
	Spec   *Spec
	Height int // of its last message
}

// QuoteOnChain is the price in FLUX that the network's clients are told: that of
// a registration with the discounts of the time, less what is left of the
// existing specification. existing is nil for a new application.
func (t PriceTable) QuoteOnChain(s *Spec, height int, existing *Registered) float64 {
	row, _ := t.At(height)
	price := t.RegistrationPrice(s, height)
	if existing != nil {
		age := stretch(existing.Height, height) - existing.Height
		lasts := existing.Spec.Expire
		if lasts == 0 {
			lasts = Period(existing.Height)
		}
		if share := float64(lasts-age) / float64(lasts); share > 0 {
			price -= share * existing.Spec.lasting(row, height)
		}
	}
	return max(cents(price*s.sizeDiscount()*s.syncDiscount()), row.MinPrice)
}

// sizeDiscount favours applications that fit the smaller nodes.
func (s *Spec) sizeDiscount() float64 {
	var sum Hardware
	for i := range s.Components {
		c := &s.Components[i]
		sum.add(c.Stratus.or(c.Hardware))
	}
	switch {
	case sum.CPU < 3 && sum.RAM < 6000 && sum.HDD < 150:
		return 0.8
	case sum.CPU < 7 && sum.RAM < 29000 && sum.HDD < 370:
		return 0.9
	default:
		return 1
	}
}

// syncDiscount favours applications of which one instance works at a time.
func (s *Spec) syncDiscount() float64 {
	for i := range s.Components {
		if strings.Contains(s.Components[i].ContainerData, "g:") {
			return 0.8
		}
	}
	return 1
}

// Product is an application of the marketplace; the name of an application made
// from it begins with the product's, in any case.
type Product struct {
	Name       string
	Multiplier float64
}

// Market is what a price in USD depends on besides the specification.
type Market struct {
	USD      PriceRow
	OnChain  PriceTable
	Rate     float64 // USD for one FLUX
	Products []Product
}

// Quote is a price for the whole time that a specification lasts.
type Quote struct {
	USD  float64
	Flux float64
	// Discount is what paying in FLUX saves, in percent; without meaning if the
	// price on the chain is higher, then OnChain is true.
	Discount float64
	OnChain  bool
}

// Quote prices a specification at height. existing is nil for a new
// application. asked, unless 0, is a price in USD that the client names; one
// that is too low is a *fault.Error. Free updates aren't its business.
func (m Market) Quote(s *Spec, height int, existing *Registered, asked float64) (Quote, error) {
	usd := m.base(s, height, existing)
	if asked != 0 {
		if asked < usd {
			return Quote{}, invalid("USD price is not valid")
		}
		usd = asked
	} else {
		usd = m.retail(usd, s, height)
	}
	q := Quote{USD: usd, Flux: round2(usd / m.Rate * m.USD.FluxMultiplier), Discount: round2(100 - 100*m.USD.FluxMultiplier)}
	if chain := m.OnChain.QuoteOnChain(s, height, existing); chain > q.Flux {
		q.Flux, q.Discount, q.OnChain = chain, 0, true
	}
	return q, nil
}

// base is the price of what is asked for, less what is left.
func (m Market) base(s *Spec, height int, existing *Registered) float64 {
	usd := max(s.lasting(m.USD, height), m.USD.MinPrice)
	if existing != nil {
		lasts := float64(LastHeight(existing.Height, existing.Spec.Expire) - existing.Height)
		previous := round2(existing.Spec.PeriodPrice(m.USD, height) * lasts / float64(Period(height)))
		if share := (lasts - float64(height-existing.Height)) / lasts; share > 0 {
			usd -= share * previous
		}
	}
	const fewInstances = 4
	if s.Version <= 3 || s.Instances < fewInstances {
		usd *= s.sizeDiscount()
	}
	return usd * s.syncDiscount()
}

// retail applies what depends on the product and on the length of the term.
func (m Market) retail(usd float64, s *Spec, height int) float64 {
	for _, p := range m.Products {
		if p.Multiplier > 1 && strings.HasPrefix(strings.ToLower(s.Name), strings.ToLower(p.Name)) {
			usd *= p.Multiplier
			break
		}
	}
	usd = max(usd*m.USD.Multiplier, m.USD.MinUSDPrice)
	return max(round2(usd*termDiscount(s.periods(height))), m.USD.MinUSDPrice)
}

// termDiscount favours long terms.
func termDiscount(periods float64) float64 {
	switch {
	case periods >= 9:
		return 0.88
	case periods >= 6:
		return 0.94
	case periods >= 3:
		return 0.97
	default:
		return 1
	}
}
