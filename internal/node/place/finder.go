package place

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	lookMin     = 5 * time.Minute // between two looks at a known address, at least
	lookMax     = 15 * time.Minute
	unknownMin  = 10 * time.Second // between two looks for an unknown one, doubled up to unknownMax
	unknownMax  = lookMin
	confirmWait = time.Minute // before a new address is looked at again
	// forgetV6 is how long an IPv6 address that nothing confirms is kept. An
	// IPv4 address, by which the network knows the node, is kept for ever.
	forgetV6 = 24 * time.Hour
	// silenceProblem is how long a known address may stay unconfirmed before
	// that is a problem.
	silenceProblem = time.Hour
	// saveEvery is how often an address that doesn't change is saved, for the
	// time at which it was last confirmed.
	saveEvery = time.Hour
	// changesKept is how many changes of the address are remembered.
	changesKept = 32
)

// ChangeWindow is the time in which the network allows one change of the
// address.
const ChangeWindow = 20 * time.Hour

// FinderConfig configures a Finder. The zero FinderConfig finds only an address
// on the interface of the default route.
type FinderConfig struct {
	// Configured is the operator's word. It wins over all findings of its
	// family, which is then not looked for.
	Configured netip.Addr
	// Gateway asks the router and Benchmark the benchmark daemon for the
	// external address; nil when there is none. They have 5 s and have to
	// respect the context.
	Gateway, Benchmark func(context.Context) (netip.Addr, error)
	// Interface returns the public addresses on the interface of the default
	// route; nil is DefaultRouteAddrs.
	Interface func() ([]netip.Addr, error)
	// Echoes are http or https URLs that answer with the caller's address as
	// text or as JSON {"ip": …}; https when there is no scheme. Each has a host
	// of its own. Without any, an address that no source contradicts is enough.
	Echoes []string
	// Memory keeps the address and its changes over restarts; nil forgets.
	Memory Memory[AddressRecord]

	Dial   Dial             // nil is a net.Dialer's
	Roots  *x509.CertPool   // nil is the host's
	Now    func() time.Time // nil is time.Now
	Random func() float64   // in [0,1); nil is rand.Float64
	Logger *slog.Logger     // nil discards
}

// Address is where this node can be reached. The zero Address knows nothing.
type Address struct {
	V4, V6 netip.Addr // invalid when unknown
	// Source, Since and Checked are those of V4, or of V6 when V4 is unknown:
	// who told it, when it was first found, and when last.
	Source         Source
	Since, Checked time.Time
	// OnInterface says that V4 is on the interface of the default route.
	OnInterface bool
}

// Finder finds this node's public addresses and watches them. All methods are
// safe for concurrent use; one Serve may run at a time.
type Finder struct {
	c      FinderConfig
	log    *slog.Logger
	echoes []echo
	fetch  map[family]*fetcher
	nudge  chan struct{}

	// Of the goroutine that serves:
	restored        bool      // the memory was read
	unsaved         bool      // the memory lacks something
	saved           time.Time // when it was last written
	misses          int       // looks in a row that ended without any address
	loading, saving complaint
	pending         map[family]netip.Addr // found once instead of the known one

	mu          sync.Mutex // guards what follows
	known       map[family]Known
	changes     []Change
	onInterface bool
	refused     []string // of the last look: answers that can't be public addresses
	failed      string   // why the last look didn't confirm the IPv4 address; "" when it did
	changed     chan struct{}
}

// NewFinder checks the configuration. All that is wrong with it is in the error.
func NewFinder(c FinderConfig) (*Finder, error) {
	echoes, err := parseEchoes(c.Echoes)
	if c.Configured = c.Configured.Unmap(); c.Configured.Zone() != "" || c.Configured.IsUnspecified() {
		err = errors.Join(err, fmt.Errorf("configured address %s: want an address that others can reach, such as 1.2.3.4", c.Configured))
	}
	if err != nil {
		return nil, err
	}
	if c.Interface == nil {
		c.Interface = DefaultRouteAddrs
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Random == nil {
		c.Random = rand.Float64
	}
	f := &Finder{
		c: c, log: c.Logger, echoes: echoes,
		fetch: map[family]*fetcher{
			v4: newFetcher("tcp4", echoTimeout, echoLimit, c.Dial, c.Roots),
			v6: newFetcher("tcp6", echoTimeout, echoLimit, c.Dial, c.Roots),
		},
		nudge:    make(chan struct{}, 1),
		restored: c.Memory == nil,
		pending:  make(map[family]netip.Addr),
		known:    make(map[family]Known),
		changed:  make(chan struct{}),
	}
	if f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	return f, nil
}

// Address returns what is known now. Right after the start it is what the
// memory holds, so that a node without Internet still knows who it is.
func (f *Finder) Address() Address {
	f.mu.Lock()
	defer f.mu.Unlock()
	k4, k6 := f.known[v4], f.known[v6]
	k := k4
	if !k.Addr.IsValid() {
		k = k6
	}
	return Address{V4: k4.Addr, V6: k6.Addr, Source: k.Source, Since: k.Since, Checked: k.Checked, OnInterface: f.onInterface}
}

// Changed returns a channel that is closed at the next change of Address's V4,
// V6 or OnInterface.
func (f *Finder) Changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

// Changes returns the changes of the IPv4 address that are remembered, the
// oldest first. Finding it for the first time is no change.
func (f *Finder) Changes() []Change {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.changes)
}

// LastChange returns when the IPv4 address last changed; false when no change
// is known.
func (f *Finder) LastChange() (time.Time, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.changes) == 0 {
		return time.Time{}, false
	}
	return f.changes[len(f.changes)-1].At, true
}

// RecentChanges counts the changes of the IPv4 address in the last ChangeWindow.
// The network punishes more than one.
func (f *Finder) RecentChanges() (n int) {
	now := f.c.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.changes {
		if age := now.Sub(c.At); age >= 0 && age <= ChangeWindow {
			n++
		}
	}
	return n
}

// Problem says what is wrong with the address; "" when nothing is. Before the
// first look nothing is.
func (f *Finder) Problem() string {
	now := f.c.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	if why := Unroutable(f.c.Configured); f.c.Configured.IsValid() && why != "" {
		all = append(all, fmt.Sprintf("the configured address %s can't be reached from outside: %s", f.c.Configured, why))
	}
	switch k := f.known[v4]; {
	case f.failed == "":
	case !k.Addr.IsValid():
		all = append(all, "no public IPv4 address is known: "+f.failed)
	case now.Sub(k.Checked) > silenceProblem:
		all = append(all, fmt.Sprintf("the address %s was last confirmed at %s: %s", k.Addr, k.Checked.UTC().Format(time.RFC3339), f.failed))
	}
	return strings.Join(append(all, f.refused...), "; ")
}

// Recheck asks for a look now rather than at the next turn, for a caller who
// has reason to think that the address has changed.
func (f *Finder) Recheck() {
	select {
	case f.nudge <- struct{}{}:
	default:
	}
}

// Serve looks at once and then every 5 to 15 minutes, more often while no
// address is known or a new one waits for its confirmation, until ctx ends.
func (f *Finder) Serve(ctx context.Context) error {
	for {
		f.look(ctx)
		// A first part of the pause can't be cut short, so that no number of
		// nudges makes this node a nuisance to the services.
		if !sleep(ctx, unknownMin, nil) || !sleep(ctx, f.pause()-unknownMin, f.nudge) {
			return nil
		}
	}
}

// pause is the time until the next look.
func (f *Finder) pause() time.Duration {
	jitter := f.c.Random()
	a := f.Address()
	switch {
	case !a.V4.IsValid() && !a.V6.IsValid():
		wait := unknownMax
		if f.misses < 6 { // 10 s × 2⁵ is more than unknownMax
			wait = min(unknownMin<<max(f.misses-1, 0), unknownMax)
		}
		return wait + time.Duration(jitter*float64(wait)/5)
	case f.pending[v4].IsValid() || f.pending[v6].IsValid():
		return confirmWait + time.Duration(jitter*float64(confirmWait)/5)
	}
	return lookMin + time.Duration(jitter*float64(lookMax-lookMin))
}

// look asks every source once and draws the conclusions.
func (f *Finder) look(ctx context.Context) {
	f.restore(ctx)
	heard := f.ask(ctx)
	if ctx.Err() != nil {
		return // what was heard is not all
	}
	was, awaited := f.Address(), maps.Clone(f.pending)
	f.mu.Lock()
	before := f.reachedAt()
	f.refused = heard.refused
	f.judge(v4, heard)
	f.judge(v6, heard)
	if heard.interfaceRead {
		f.onInterface = f.known[v4].Addr.IsValid() && heard.says(Interface, f.known[v4].Addr)
	}
	if f.reachedAt() != before {
		f.announce()
	}
	f.mu.Unlock()
	is := f.Address()
	f.tell(was.V4, is.V4, awaited[v4], f.pending[v4])
	f.tell(was.V6, is.V6, awaited[v6], f.pending[v6])
	f.misses++
	if is.V4.IsValid() || is.V6.IsValid() {
		f.misses = 0
	}
	f.save(ctx)
}

// tell logs what a look changed in the known address of a family and in the one
// that waits for its confirmation.
func (f *Finder) tell(was, is, awaited, awaiting netip.Addr) {
	if is != was {
		f.log.Info("The public address has changed", slog.Any("before", was), slog.Any("address", is))
	}
	if awaiting.IsValid() && awaiting != awaited {
		f.log.Info("Another public address was found; it counts when it's found again", slog.Any("known", is), slog.Any("found", awaiting))
	}
}

// reachedAt is what Changed tells about. Callers hold mu.
func (f *Finder) reachedAt() [3]any {
	return [3]any{f.known[v4].Addr, f.known[v6].Addr, f.onInterface}
}

// announce closes the channel of Changed. Callers hold mu.
func (f *Finder) announce() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// judge decides on the address of a family. Callers hold mu.
func (f *Finder) judge(fam family, heard hearing) {
	now := f.c.Now().Round(0)
	k := f.known[fam]
	addr, source, err := f.c.Configured, Configured, error(nil)
	switch {
	case addr.IsValid() && familyOf(addr) == fam:
		delete(f.pending, fam)
		f.take(fam, addr, source, now)
		return
	case fam == v6 && k.Addr.IsValid() && heard.says(Interface, k.Addr):
		// A host may have several IPv6 addresses and leave through another one
		// each day. The known one holds as long as it's ours.
		addr, source = k.Addr, Interface
	default:
		addr, source, err = agree(heard.of(fam), k.Addr, len(f.echoes) == 0)
	}
	if fam == v4 {
		f.failed = ""
	}
	switch {
	case err != nil:
		if fam == v4 {
			f.failed = strings.Join(append([]string{err.Error()}, heard.failed...), "; ")
		}
		if fam == v6 && k.Addr.IsValid() && now.Sub(k.Checked) > forgetV6 {
			f.known[v6], f.unsaved = Known{}, true
			delete(f.pending, v6)
		}
	case k.Addr.IsValid() && k.Addr != addr && f.pending[fam] != addr:
		f.pending[fam] = addr
	default:
		delete(f.pending, fam)
		f.take(fam, addr, source, now)
	}
}

// take makes addr the known address of a family. Callers hold mu.
func (f *Finder) take(fam family, addr netip.Addr, source Source, now time.Time) {
	k := f.known[fam]
	if k.Addr == addr {
		f.unsaved = f.unsaved || k.Source != source
		k.Source, k.Checked = source, now
		f.known[fam] = k
		return
	}
	if fam == v4 && k.Addr.IsValid() {
		f.remember(Change{Old: k.Addr, New: addr, At: now})
	}
	f.known[fam], f.unsaved = Known{Addr: addr, Source: source, Since: now, Checked: now}, true
}

// remember adds a change. Callers hold mu.
func (f *Finder) remember(c Change) {
	f.changes = append(f.changes, c)
	f.changes = slices.Clone(f.changes[max(0, len(f.changes)-changesKept):])
}

// restore reads the memory, until that has worked once. What was found before
// it worked is joined with what was remembered.
func (f *Finder) restore(ctx context.Context) {
	if f.restored {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, memoryTime)
	defer cancel()
	record, err := f.c.Memory.Load(ctx)
	f.loading.hear(f.log, "The remembered address can't be read", err)
	if err != nil {
		return
	}
	f.restored = true
	f.mu.Lock()
	defer f.mu.Unlock()
	own := f.changes
	f.changes = nil
	for _, c := range record.Changes {
		f.remember(c)
	}
	old, k := record.V4.usable(v4), f.known[v4]
	if old.Addr.IsValid() && k.Addr.IsValid() {
		first := k.Addr // the one found first since the start
		at := k.Since
		if len(own) > 0 {
			first, at = own[0].Old, own[0].At
		}
		if first != old.Addr {
			f.remember(Change{Old: old.Addr, New: first, At: at})
		}
	}
	for _, c := range own {
		f.remember(c)
	}
	before := f.reachedAt()
	for fam, old := range map[family]Known{v4: old, v6: record.V6.usable(v6)} {
		switch k := f.known[fam]; {
		case !k.Addr.IsValid():
			f.known[fam] = old
		case k.Addr == old.Addr:
			k.Since = old.Since
			f.known[fam] = k
		}
	}
	if f.reachedAt() != before {
		f.announce()
	}
}

// save writes the memory when it lacks something and is known to hold nothing
// that would be lost.
func (f *Finder) save(ctx context.Context) {
	now := f.c.Now()
	due := f.misses == 0 && now.Sub(f.saved) >= saveEvery
	if !f.restored || f.c.Memory == nil || !f.unsaved && !due {
		return
	}
	f.mu.Lock()
	record := AddressRecord{V4: f.known[v4], V6: f.known[v6], Changes: slices.Clone(f.changes)}
	f.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, memoryTime)
	defer cancel()
	err := f.c.Memory.Save(ctx, record)
	f.saving.hear(f.log, "The address can't be saved", err)
	if err == nil {
		f.unsaved, f.saved = false, now
	}
}
