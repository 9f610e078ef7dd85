package place

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// clockEvery is the time between two looks at the clock.
const clockEvery = 5 * time.Minute

// Reading is how far the clock of the host is off, in the form in which the
// network shows it.
type Reading struct {
	// Source is chrony, timesyncd, ntp or none.
	Source string `json:"source"`
	// Offset is the host's clock minus true time in seconds: negative when the
	// clock is slow. It is nil when Source is none.
	Offset *float64 `json:"offset"`
	// Time is when it was looked at, in Unix seconds of the host's clock.
	Time int64 `json:"time"`
}

// ClockConfig configures a Clock. The zero ClockConfig asks the host's time
// services only.
type ClockConfig struct {
	// Servers are NTP servers, host or host:port, asked when the host has no
	// time service that knows: none, or 2 to 8.
	Servers []string

	Run    Run              // nil runs the host's programs
	Now    func() time.Time // nil is time.Now
	Random func() float64   // in [0,1); nil is rand.Float64
	Logger *slog.Logger     // nil discards
}

// Clock watches the offset of the host's clock. All methods are safe for
// concurrent use; one Serve may run at a time.
type Clock struct {
	c   ClockConfig
	log *slog.Logger

	mu      sync.Mutex // guards what follows
	last    Reading
	problem string
}

// NewClock checks the configuration. All that is wrong with it is in the error.
func NewClock(c ClockConfig) (*Clock, error) {
	if err := checkServers(c.Servers); err != nil {
		return nil, err
	}
	c.Servers = slices.Clone(c.Servers)
	if c.Run == nil {
		c.Run = runTool
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Random == nil {
		c.Random = rand.Float64
	}
	k := &Clock{c: c, log: c.Logger, last: Reading{Source: "none", Time: c.Now().Unix()}}
	if k.log == nil {
		k.log = slog.New(slog.DiscardHandler)
	}
	return k, nil
}

// Reading returns the last reading. Before the first one, and when no source
// knew, its source is none.
func (k *Clock) Reading() Reading {
	k.mu.Lock()
	defer k.mu.Unlock()
	r := k.last
	if r.Offset != nil {
		r.Offset = new(*r.Offset)
	}
	return r
}

// Problem says why no source knows the offset; "" when one does, and before
// the first look.
func (k *Clock) Problem() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.problem
}

// Serve reads the offset at once and every 5 minutes until ctx ends.
func (k *Clock) Serve(ctx context.Context) error {
	for {
		k.look(ctx)
		if !sleep(ctx, clockEvery+time.Duration(k.c.Random()*float64(clockEvery)/20), nil) {
			return nil
		}
	}
}

// Look reads the offset now and returns it, or the last reading when ctx ends first.
func (k *Clock) Look(ctx context.Context) Reading {
	k.look(ctx)
	return k.Reading()
}

// look asks the sources in their order until one knows.
func (k *Clock) look(ctx context.Context) {
	var failed []string
	r := Reading{Source: "none"}
	for _, s := range []struct {
		name string
		ask  func(context.Context) (float64, error)
	}{{"chrony", k.chrony}, {"timesyncd", k.timesyncd}, {"ntp", k.ntp}} {
		offset, err := s.ask(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			r.Source, r.Offset = s.name, &offset
			break
		}
		failed = append(failed, s.name+": "+clip(err.Error()))
	}
	r.Time = k.c.Now().Unix()
	k.mu.Lock()
	before := k.last.Source
	k.last, k.problem = r, ""
	if r.Offset == nil {
		k.problem = "no source knows the offset of the clock: " + strings.Join(failed, "; ")
	}
	k.mu.Unlock()
	if r.Source != before {
		k.log.Info("The source of the clock's offset has changed", slog.String("source", r.Source), slog.String("before", before))
	}
}

func (k *Clock) chrony(ctx context.Context) (float64, error) {
	out, err := k.run(ctx, "chronyc", "-n", "tracking")
	if err != nil {
		return 0, err
	}
	return parseChrony(out)
}

// timesyncd turns the sign: timedatectl shows what has to be added to the
// clock, so its plus is a slow clock.
func (k *Clock) timesyncd(ctx context.Context) (float64, error) {
	out, err := k.run(ctx, "timedatectl", "timesync-status")
	if err != nil {
		return 0, err
	}
	shown, err := parseTimesync(out)
	return 0 - shown, err // 0 - 0 is 0, where -0 would be written as -0
}

func (k *Clock) ntp(ctx context.Context) (float64, error) {
	if len(k.c.Servers) == 0 {
		return 0, errors.New("no servers are configured")
	}
	return askServers(ctx, k.c.Servers)
}

func (k *Clock) run(ctx context.Context, name string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, toolTimeout)
	defer cancel()
	return k.c.Run(ctx, name, args...)
}
