package api

import (
	"net/netip"
	"time"

	"golang.org/x/time/rate"

	"github.com/fluxosd/fluxosd/internal/recent"
)

// Limits say how often one caller may ask.
type Limits struct {
	// PerSecond is the sustained rate of one address, and of one identity; 0
	// switches the limit off. Burst is what may come at once.
	PerSecond float64
	Burst     int
	// Exempt addresses are not limited.
	Exempt []netip.Prefix
}

// limiters hold a token bucket for each network and each identity that asked
// lately.
type limiters struct {
	Limits
	addresses  *recent.Map[netip.Addr, *rate.Limiter]
	identities *recent.Map[string, *rate.Limiter]
}

// limiterEntries bounds the buckets that are remembered; the oldest are
// forgotten first, which only ever grants more.
const limiterEntries = 20000

func newLimiters(l Limits, now func() time.Time) *limiters {
	return &limiters{Limits: l,
		addresses:  recent.New[netip.Addr, *rate.Limiter](10*time.Minute, limiterEntries, now),
		identities: recent.New[string, *rate.Limiter](10*time.Minute, limiterEntries, now),
	}
}

// network is what limits count as one caller: an IPv4 address, or the /64 that
// an IPv6 caller owns.
func network(a netip.Addr) netip.Addr {
	if !a.Is6() {
		return a
	}
	p, _ := a.Prefix(64) // 64 is a valid length for IPv6
	return p.Addr()
}

// exempt reports whether the rate limit doesn't concern the address.
func (l *limiters) exempt(a netip.Addr) bool { return l.PerSecond <= 0 || l.spared(a) }

// spared reports whether the operator spared the address. It is what the limits
// of connections, sockets and large replies look at: they hold even where the
// rate limit is switched off.
func (l *limiters) spared(a netip.Addr) bool {
	for _, p := range l.Exempt {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// allow takes n tokens of the address. When there are not as many it says how
// long to wait.
func (l *limiters) allow(a netip.Addr, n int) (time.Duration, bool) {
	if l.exempt(a) {
		return 0, true
	}
	return take(l, l.addresses, network(a), n)
}

// allowIdentity takes a token of the identity.
func (l *limiters) allowIdentity(a netip.Addr, fluxID string) (time.Duration, bool) {
	if l.exempt(a) {
		return 0, true
	}
	return take(l, l.identities, fluxID, 1)
}

func take[K comparable](l *limiters, m *recent.Map[K, *rate.Limiter], key K, n int) (time.Duration, bool) {
	b, ok := m.Get(key)
	if !ok {
		b = rate.NewLimiter(rate.Limit(l.PerSecond), l.Burst)
		m.Put(key, b, m.Begin())
	}
	if b.AllowN(time.Now(), min(n, l.Burst)) {
		return 0, true
	}
	return time.Duration(float64(n) * float64(time.Second) / l.PerSecond), false
}
