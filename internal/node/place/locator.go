package place

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"time"
)

const (
	geoTimeout = 10 * time.Second
	geoLimit   = 16 << 10 // bytes

	geoEvery   = 3 * 24 * time.Hour
	geoRetry   = 5 * time.Minute
	geoUnknown = 10 * time.Second // while the own address is unknown
	// geoStale is the age at which a location is asked for again although the
	// address is the same: every fourth time, a bit less so that the fourth
	// isn't missed by a hair.
	geoStale = 4*geoEvery - time.Hour
)

// Whereabouts is what a Locator needs to know of the own address; a Finder
// knows it.
type Whereabouts interface {
	Address() Address
	Changed() <-chan struct{}
	LastChange() (time.Time, bool)
}

// GeoRecord is what a Locator remembers, with the names FluxOS gave it.
type GeoRecord struct {
	Geolocation  *Geolocation `json:"geolocation"`
	StaticIP     bool         `json:"staticIp"`
	DataCenter   bool         `json:"dataCenter"`
	LastIPChange *int64       `json:"lastIpChangeDate"` // Unix milliseconds; nil when none is known
	UpdatedAt    int64        `json:"updatedAt"`        // Unix milliseconds: when the location was asked for
}

// LocatorConfig configures a Locator.
type LocatorConfig struct {
	// Where tells the own address. It is required.
	Where Whereabouts
	// Providers are http or https URLs with {ip} where the address goes, asked
	// in this order until one answers. Without any, only the memory is served.
	Providers []string
	// Memory keeps the location over restarts; nil forgets.
	Memory Memory[GeoRecord]

	Dial   Dial             // nil is a net.Dialer's
	Roots  *x509.CertPool   // nil is the host's
	Now    func() time.Time // nil is time.Now
	Random func() float64   // in [0,1); nil is rand.Float64
	Logger *slog.Logger     // nil discards
}

// Locator knows where the own address is, and whether it is static. All methods
// are safe for concurrent use; one Serve may run at a time.
type Locator struct {
	c     LocatorConfig
	log   *slog.Logger
	fetch *fetcher

	// Of the goroutine that serves:
	restored        bool // the memory was read
	unsaved         bool
	loading, saving complaint

	mu      sync.Mutex // guards what follows
	record  GeoRecord  // its Geolocation is never written to, only replaced
	problem string
}

// NewLocator checks the configuration. All that is wrong with it is in the
// error.
func NewLocator(c LocatorConfig) (*Locator, error) {
	var errs []error
	if c.Where == nil {
		errs = append(errs, errors.New("geolocation: want somebody who knows the own address"))
	}
	for _, p := range c.Providers {
		_, err := checkService(strings.ReplaceAll(p, "{ip}", "1.2.3.4"))
		if err == nil && !strings.Contains(p, "{ip}") {
			err = errors.New("want {ip} where the address goes")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("geolocation provider %q: %w, such as https://geo.example.com/{ip}", p, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Random == nil {
		c.Random = rand.Float64
	}
	l := &Locator{c: c, log: c.Logger, restored: c.Memory == nil, fetch: newFetcher("tcp", geoTimeout, geoLimit, c.Dial, c.Roots)}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	return l, nil
}

// Geolocation returns a copy of the last known location; nil when there is
// none. Its IP tells which address it is about: after a change it may be the
// old one for a while.
func (l *Locator) Geolocation() *Geolocation {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.record.Geolocation == nil {
		return nil
	}
	g := *l.record.Geolocation
	return &g
}

// Static says whether the own address is one that stays.
func (l *Locator) Static() bool {
	record := l.remembered()
	return isStatic(l.c.Where.Address(), l.unchanged(record), record.Geolocation)
}

// DataCenter says whether the own address is in a data centre.
func (l *Locator) DataCenter() bool {
	return isDataCenter(l.c.Where.Address(), l.remembered().Geolocation)
}

// Problem says why the location of the own address isn't known or isn't fresh;
// "" when it is.
func (l *Locator) Problem() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.problem
}

func (l *Locator) remembered() GeoRecord {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.record
}

// lastChange is when the address last changed: what the Finder knows, else what
// the memory of an earlier installation says; nil when no change is known. The
// unit is Unix milliseconds.
func (l *Locator) lastChange(r GeoRecord) *int64 {
	if at, ok := l.c.Where.LastChange(); ok {
		return new(at.UnixMilli())
	}
	return r.LastIPChange
}

// unchanged is the time since the last change, negative when none is known.
func (l *Locator) unchanged(r GeoRecord) time.Duration {
	at := l.lastChange(r)
	if at == nil {
		return -1
	}
	return max(l.c.Now().Sub(time.UnixMilli(*at)), 0)
}

// Serve determines the location at once, every 3 days, and when the address
// changes, until ctx ends.
func (l *Locator) Serve(ctx context.Context) error {
	for {
		changed := l.c.Where.Changed() // taken before the address is, to miss no change
		wait := l.look(ctx)
		wait += time.Duration(l.c.Random() * float64(min(wait/10, time.Hour)))
		if !sleep(ctx, wait, changed) {
			return nil
		}
	}
}

// look brings the location up to date and returns when to look again.
func (l *Locator) look(ctx context.Context) time.Duration {
	l.restore(ctx)
	addr := l.c.Where.Address().V4
	record := l.remembered()
	age := l.c.Now().Sub(time.UnixMilli(record.UpdatedAt))
	why := Unroutable(addr)
	switch {
	case !addr.IsValid():
		l.note("")
		return geoUnknown
	case isAbout(record.Geolocation, addr) && age >= 0 && age < geoStale, len(l.c.Providers) == 0:
		l.note("")
	case why != "":
		l.note(fmt.Sprintf("the location of %s isn't asked for: %s", addr, why))
	default:
		g, err := l.ask(ctx, addr)
		if ctx.Err() != nil {
			return geoRetry
		}
		if err != nil {
			l.note(fmt.Sprintf("the location of %s isn't known: %s", addr, err))
			l.save(ctx)
			return geoRetry
		}
		l.note("")
		l.log.Info("The location is known", slog.Any("address", addr), slog.String("country", g.CountryCode), slog.String("org", g.Org))
		l.mu.Lock()
		l.record.Geolocation, l.record.UpdatedAt = &g, l.c.Now().UnixMilli()
		l.mu.Unlock()
		l.unsaved = true
	}
	l.save(ctx)
	if !l.restored {
		return geoRetry
	}
	return geoEvery
}

// note keeps the problem, and logs a new one once.
func (l *Locator) note(problem string) {
	l.mu.Lock()
	news := problem != "" && problem != l.problem
	l.problem = problem
	l.mu.Unlock()
	if news {
		l.log.Warn("The location can't be determined", slog.String("why", problem))
	}
}

// ask asks the providers one after the other.
func (l *Locator) ask(ctx context.Context, addr netip.Addr) (Geolocation, error) {
	var errs []string
	for _, p := range l.c.Providers {
		at := strings.ReplaceAll(p, "{ip}", addr.String())
		body, err := l.fetch.get(ctx, at)
		if err == nil {
			var g Geolocation
			if g, err = parseGeo(body, addr); err == nil {
				return g, nil
			}
		}
		u, _ := checkService(at) // NewLocator has checked it
		errs = append(errs, u.Host+": "+clip(err.Error()))
	}
	return Geolocation{}, errors.New(strings.Join(errs, "; "))
}

// restore reads the memory, until that has worked once. What was found before
// it worked stays.
func (l *Locator) restore(ctx context.Context) {
	if l.restored {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, memoryTime)
	defer cancel()
	record, err := l.c.Memory.Load(ctx)
	l.loading.hear(l.log, "The remembered location can't be read", err)
	if err != nil {
		return
	}
	l.restored = true
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.record.Geolocation != nil {
		record.Geolocation, record.UpdatedAt = l.record.Geolocation, l.record.UpdatedAt
	}
	l.record = record
}

// save writes the memory when the location or what follows from it has changed.
func (l *Locator) save(ctx context.Context) {
	if !l.restored || l.c.Memory == nil {
		return
	}
	record := l.remembered()
	static, center, change := l.Static(), l.DataCenter(), l.lastChange(record)
	if !l.unsaved && static == record.StaticIP && center == record.DataCenter && same(change, record.LastIPChange) {
		return
	}
	record.StaticIP, record.DataCenter, record.LastIPChange = static, center, change
	ctx, cancel := context.WithTimeout(ctx, memoryTime)
	defer cancel()
	err := l.c.Memory.Save(ctx, record)
	l.saving.hear(l.log, "The location can't be saved", err)
	if l.unsaved = err != nil; l.unsaved {
		return
	}
	l.mu.Lock()
	l.record = record
	l.mu.Unlock()
}

func same(a, b *int64) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}
