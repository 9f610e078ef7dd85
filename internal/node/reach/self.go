package reach

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Limits of the question to other nodes.
const (
	selfTime     = 7 * time.Second // for one answer
	selfAttempts = 3               // default of SelfConfig.Attempts
)

// Verdict is what another node says of this one.
type Verdict uint8

const (
	// NoAnswer says nothing of this node: the other didn't answer in time.
	NoAnswer Verdict = iota
	// NotReachable: the other says that this node is not available.
	NotReachable
	// Reachable: the other says that this node is available.
	Reachable
)

// String is a word for logs and people.
func (v Verdict) String() string {
	switch v {
	case NotReachable:
		return "not reachable"
	case Reachable:
		return "reachable"
	}
	return "no answer"
}

// Answer is one node's verdict.
type Answer struct {
	Node    Address
	Verdict Verdict
	Err     error // why there was no answer
}

// Crowd is the part of the node list a Self reads. *List is one.
type Crowd interface {
	Random(admit func(Entry) bool) (Entry, bool)
}

// SelfConfig is what a Self needs.
type SelfConfig struct {
	Crowd  Crowd
	Prober *Prober
	// Probes are the nodes to ask, in this order; without any, random listed
	// nodes are asked.
	Probes []Address
	// Attempts is how many nodes Check asks at most; 0 means 3.
	Attempts int
}

// Self asks other nodes whether they reach this one.
type Self struct {
	crowd    Crowd
	prober   *Prober
	probes   []Address
	attempts int
}

// NewSelf checks the configuration. It asks nobody.
func NewSelf(cfg SelfConfig) (*Self, error) {
	if cfg.Prober == nil || (cfg.Crowd == nil && len(cfg.Probes) == 0) {
		return nil, errors.New("reach.NewSelf: Prober, and Crowd or Probes, are required")
	}
	if cfg.Attempts == 0 {
		cfg.Attempts = selfAttempts
	}
	if cfg.Attempts < 1 {
		return nil, fmt.Errorf("reach.NewSelf: Attempts is %d, at least 1 is needed", cfg.Attempts)
	}
	return &Self{crowd: cfg.Crowd, prober: cfg.Prober, probes: slices.Clone(cfg.Probes), attempts: cfg.Attempts}, nil
}

// ErrNobody says that there is no other node to ask.
var ErrNobody = errors.New("there is no other node to ask")

// Ask asks one node other than those in avoid whether it reaches own, 7 s
// long. It takes no turn of the Prober: what others ask must not make this
// node seem unreachable. Nodes with own's IP are not asked, as they see it from
// inside, nor those that mustn't be dialled, as their silence says nothing. The
// error is ErrNobody or that of ctx.
func (s *Self) Ask(ctx context.Context, own Address, avoid []Address) (Answer, error) {
	node, ok := s.choose(own, avoid)
	if !ok {
		return Answer{}, ErrNobody
	}
	a := Answer{Node: node}
	path := "/flux/checkfluxavailability?ip=" + own.IP.String() + "&port=" + strconv.Itoa(int(own.Port))
	var data json.RawMessage
	switch err := s.prober.ask(ctx, node, path, selfTime, &data); {
	case err == nil:
		a.Verdict = Reachable
	case errors.Is(err, errSaysNo):
		a.Verdict = NotReachable
	default:
		a.Err = err
	}
	return a, ctx.Err()
}

// Version asks the API at a for its version, 5 s long.
func (s *Self) Version(ctx context.Context, a Address) (string, error) {
	return s.prober.Version(ctx, a)
}

func (s *Self) choose(own Address, avoid []Address) (Address, bool) {
	fits := func(a Address) bool { return a.IP != own.IP && s.prober.out.allow(a.IP) && !slices.Contains(avoid, a) }
	if len(s.probes) > 0 {
		if i := slices.IndexFunc(s.probes, fits); i >= 0 {
			return s.probes[i], true
		}
		return Address{}, false
	}
	e, ok := s.crowd.Random(func(e Entry) bool { return fits(e.Address) })
	return e.Address, ok
}

// Check asks one node after the other until one reaches own or the attempts
// are used up. Its errors are those of Ask, ErrNobody only if nobody was asked.
func (s *Self) Check(ctx context.Context, own Address) (Report, error) {
	var r Report
	var asked []Address
	for range s.attempts {
		a, err := s.Ask(ctx, own, asked)
		if errors.Is(err, ErrNobody) && len(asked) > 0 {
			return r, nil
		}
		if err != nil {
			return r, err
		}
		asked = append(asked, a.Node)
		r.Answers = append(r.Answers, a)
		r.Verdict = max(r.Verdict, a.Verdict)
		if a.Verdict == Reachable {
			return r, nil
		}
	}
	return r, nil
}

// Report is what several nodes said. Verdict is the best of them: one that
// reaches this node is proof.
type Report struct {
	Verdict Verdict
	Answers []Answer // in the order asked
}
