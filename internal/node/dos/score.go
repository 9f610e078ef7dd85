package dos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/fluxosd/fluxosd/internal/logattr"
	"github.com/fluxosd/fluxosd/internal/node/reach"
)

// Times of the service.
const (
	roundEvery   = time.Minute
	roundDelayed = 2 * time.Minute // after a round that could not be held
	lookAgain    = time.Minute
	callTime     = 30 * time.Second // for one answer of a daemon
)

// Caller calls the chain daemon. *daemonrpc.Client is one.
type Caller interface {
	Call(ctx context.Context, method string, params []any) (json.RawMessage, error)
}

// Nodes is the part of the node list a Score reads. *reach.List is one.
type Nodes interface {
	Len() int
	At(reach.Address) []reach.Entry
	ByCollateral(reach.Outpoint) (reach.Entry, bool)
}

// Asker asks other nodes. *reach.Self is one.
type Asker interface {
	Ask(ctx context.Context, own reach.Address, avoid []reach.Address) (reach.Answer, error)
	Version(ctx context.Context, a reach.Address) (string, error)
}

// Config is what a Score needs. A nil function means that the fact is not
// judged.
type Config struct {
	Nodes  Nodes
	Daemon Caller
	Asker  Asker
	// Own is the node's public address; false while it is not known.
	Own func() (reach.Address, bool)

	AddressChanges      func() int // of the public address, within 20 h
	BlockedPorts        func() int // by the operator
	BlockedRepositories func() int // by the operator
	// BenchVersion is the version of the benchmark daemon, such as "6.2.0".
	BenchVersion func(ctx context.Context) (string, error)
	// Public asks for the node's public address anew; Moved is told when it is
	// not Own's.
	Public func(ctx context.Context) (netip.Addr, error)
	Moved  func(ctx context.Context, ip netip.Addr)
	// Communication is an error while there are not enough peers. Its text is
	// shown to everybody.
	Communication func() error
	// Uptime is how long the node has been running; nil counts from New.
	Uptime func() time.Duration

	Logger *slog.Logger // nil discards
}

// Score is the node's DOS score. Its methods may be used from many goroutines.
type Score struct {
	cfg Config
	log *slog.Logger

	mu      sync.Mutex // guards the fields below
	state   State
	sticky  *State
	reasons []string
	sets    int  // how often Set was called
	changes bool // the public address changed too often: until restart
}

// New checks the configuration and returns a Score of 0.
func New(cfg Config) (*Score, error) {
	if cfg.Nodes == nil || cfg.Daemon == nil || cfg.Asker == nil || cfg.Own == nil {
		return nil, errors.New("dos.New: Nodes, Daemon, Asker and Own are required")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Uptime == nil {
		start := time.Now()
		cfg.Uptime = func() time.Duration { return time.Since(start) }
	}
	return &Score{cfg: cfg, log: cfg.Logger}, nil
}

// State is what GET /flux/dosstate shows: the sticky pair while there is one.
func (s *Score) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sticky != nil {
		return *s.sticky
	}
	return s.state
}

// Reasons are the findings of the last round, each with what it adds to the
// score; those that the round didn't come to count are among them. None means
// that nothing was found.
func (s *Score) Reasons() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.reasons)
}

// Set replaces the score until a round changes it. An empty message is none.
// Scores that are negative or not finite are refused.
func (s *Score) Set(state float64, message string) error {
	if !(state >= 0) || math.IsInf(state, 0) {
		return fmt.Errorf("DOS state is %v, a number from 0 is expected", state)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sets++
	s.state = newState(state, message)
	s.reasons = []string{fmt.Sprintf("=%v set by hand", state)}
	return nil
}

// Stick makes the node unfit with a message that stays, whatever rounds find,
// until Unstick.
func (s *Score) Stick(message string) {
	st := newState(Unfit, message)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sticky = &st
}

// Unstick ends what Stick began.
func (s *Score) Unstick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sticky = nil
}

func newState(score float64, message string) State {
	st := State{DosState: score}
	if message != "" {
		st.DosMessage = &message
	}
	return st
}

// Serve holds a round every minute until ctx ends, the first after a minute;
// two minutes after one that could not be held.
func (s *Score) Serve(ctx context.Context) error {
	wait := roundEvery
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		wait = roundEvery
		if err := s.round(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			s.log.Debug("DOS round delayed", logattr.Err(err))
			wait = roundDelayed
		}
	}
}

// round finds facts and applies them. An error means that the score is as it
// was, or that the chain daemon refused a confirmation.
func (s *Score) round(ctx context.Context) error {
	s.mu.Lock()
	start, sets := s.state, s.sets
	s.mu.Unlock()
	f, err := s.gather(ctx)
	if err != nil {
		return err
	}
	var asked []reach.Address
	for {
		out := Step(start, f)
		switch out.Next {
		case Done:
			return s.finish(ctx, out, sets)
		case Look:
			f.Looks = append(f.Looks, s.answers(ctx, f.Elsewhere.Address))
		case LookAgain:
			select {
			case <-ctx.Done():
			case <-time.After(lookAgain):
			}
			looks := f.Looks
			if f, err = s.gather(ctx); err != nil { // the list may have changed meanwhile
				return err
			}
			if f.Elsewhere != nil {
				looks = append(looks, s.answers(ctx, f.Elsewhere.Address))
			}
			f.Looks = looks
		case AskNode:
			a, err := s.cfg.Asker.Ask(ctx, f.Own, asked)
			switch {
			case errors.Is(err, reach.ErrNobody):
				f.Nobody = true
			case err != nil:
				return err
			default:
				asked = append(asked, a.Node)
				f.Answers = append(f.Answers, a.Verdict)
			}
		case AskPublic:
			f.Public = s.public(ctx)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// finish keeps the outcome, unless somebody set the score meanwhile, and does
// what it demands.
func (s *Score) finish(ctx context.Context, out Outcome, sets int) error {
	s.mu.Lock()
	before := s.state
	kept := s.sets == sets
	if kept {
		s.state, s.reasons = out.State, out.Reasons
	}
	s.mu.Unlock()
	if kept && out.State.DosState != before.DosState {
		s.log.Info("DOS score changed", slog.Float64("score", out.State.DosState), slog.Float64("before", before.DosState), slog.Any("reasons", out.Reasons))
	}
	if out.Moved.IsValid() && s.cfg.Moved != nil {
		s.cfg.Moved(ctx, out.Moved)
	}
	if !out.Confirm {
		return nil
	}
	if _, err := s.call(ctx, "createconfirmationtransaction"); err != nil {
		return fmt.Errorf("create a confirmation transaction: %w", err)
	}
	return nil
}

func (s *Score) answers(ctx context.Context, a reach.Address) bool {
	_, err := s.cfg.Asker.Version(ctx, a)
	return err == nil
}

func (s *Score) public(ctx context.Context) *Public {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	ip, err := s.cfg.Public(ctx)
	if err == nil && !ip.IsValid() {
		err = errors.New("no public address")
	}
	return &Public{IP: ip.Unmap(), Err: err}
}

func (s *Score) call(ctx context.Context, method string) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return s.cfg.Daemon.Call(ctx, method, nil)
}
