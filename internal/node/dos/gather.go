package dos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/fluxosd/fluxosd/internal/node/reach"
)

// syncLag is how many blocks the chain daemon may be behind its best header
// and still counts as synced.
const syncLag = 5

var (
	errNotSynced = errors.New("the chain daemon is not synced")
	errNoList    = errors.New("there is no node list yet")
)

// gather finds what is known without asking other nodes. An error means that
// no round can be held.
func (s *Score) gather(ctx context.Context) (Findings, error) {
	if err := s.synced(ctx); err != nil {
		return Findings{}, err
	}
	f := Findings{ListSize: s.cfg.Nodes.Len(), Uptime: s.cfg.Uptime(), AskPublic: s.cfg.Public != nil,
		AddressChanges: s.addressChanges(), BlockedPorts: value(s.cfg.BlockedPorts), BlockedRepositories: value(s.cfg.BlockedRepositories)}
	own, ok := s.cfg.Own()
	if !ok || own == (reach.Address{}) {
		return f, nil
	}
	f.Own, f.AtOwn = own, s.cfg.Nodes.At(own)
	if f.ListSize == 0 {
		return f, errNoList
	}
	if err := s.status(ctx, &f); err != nil {
		return f, err
	}
	if e, ok := s.cfg.Nodes.ByCollateral(f.Collateral); ok && e.Address != own && e.Address != (reach.Address{}) {
		f.Elsewhere = &e
	}
	if s.cfg.BenchVersion != nil {
		f.Bench = s.bench(ctx)
	}
	if s.cfg.Communication != nil {
		f.Communication = s.cfg.Communication()
	}
	return f, ctx.Err()
}

func value(count func() int) int {
	if count == nil {
		return 0
	}
	return count()
}

// addressChanges is latched: an address that changed too often once counts
// until restart.
func (s *Score) addressChanges() int {
	n := value(s.cfg.AddressChanges)
	s.mu.Lock()
	defer s.mu.Unlock()
	if n >= addressChanges {
		s.changes = true
	}
	if s.changes {
		return max(n, addressChanges)
	}
	return n
}

func (s *Score) synced(ctx context.Context) error {
	raw, err := s.call(ctx, "getblockchaininfo")
	if err != nil {
		return fmt.Errorf("state of the chain: %w", err)
	}
	var chain struct {
		Blocks  int64 `json:"blocks"`
		Headers int64 `json:"headers"`
	}
	if err := json.Unmarshal(raw, &chain); err != nil {
		return fmt.Errorf("state of the chain: %w", err)
	}
	if chain.Blocks <= chain.Headers-syncLag {
		return errNotSynced
	}
	return nil
}

// status reads the state of the own node.
func (s *Score) status(ctx context.Context, f *Findings) error {
	raw, err := s.call(ctx, "getzelnodestatus")
	if err != nil {
		return fmt.Errorf("state of the node: %w", err)
	}
	var status struct {
		Status     string `json:"status"`
		Collateral string `json:"collateral"`
	}
	if err := json.Unmarshal(raw, &status); err != nil {
		return fmt.Errorf("state of the node: %w", err)
	}
	f.Confirmed = status.Status == "CONFIRMED"
	if f.Collateral, err = reach.ParseOutpoint(status.Collateral); err != nil {
		return fmt.Errorf("state of the node: %w", err)
	}
	return nil
}

func (s *Score) bench(ctx context.Context) Bench {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	version, err := s.cfg.BenchVersion(ctx)
	if err != nil {
		version = ""
	}
	return Bench{Judged: true, Version: version}
}
