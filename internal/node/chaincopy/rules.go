package chaincopy

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

const (
	// maxTipAge is the age up to which the newest block shows that the daemon is
	// where the network is.
	maxTipAge = 10 * time.Minute
	// A node is confirmed anew within confirmEvery blocks of its last
	// confirmation. minLeft of them must be left: a quarter of an hour.
	confirmEvery, minLeft = 480, 30
)

// mayStop reports why the daemon must not be stopped now; nil when it may.
func (c *Copier) mayStop(ctx context.Context) error {
	var chain struct {
		Blocks *int64 `json:"blocks"`
		Best   string `json:"bestblockhash"`
	}
	if err := c.ask(ctx, &chain, "getblockchaininfo"); err != nil || chain.Blocks == nil {
		return unavailable(reasonHeight, err)
	}
	var tip struct {
		Time *int64 `json:"time"`
	}
	if err := c.ask(ctx, &tip, "getblockheader", chain.Best); err != nil || tip.Time == nil {
		return unavailable(reasonTip, err)
	}
	if age := c.cfg.Now().Sub(time.Unix(*tip.Time, 0)); age > maxTipAge {
		return unavailable(reasonUnsynced, fmt.Errorf("the newest block is %v old", age.Round(time.Second)))
	}
	var node struct {
		Status    string `json:"status"`
		Confirmed *int64 `json:"last_confirmed_height"`
	}
	if err := c.ask(ctx, &node, "getzelnodestatus"); err != nil || node.Confirmed == nil {
		return unavailable(reasonStatus, err)
	}
	left := confirmEvery - (*chain.Blocks - *node.Confirmed)
	if node.Status != "CONFIRMED" || left < minLeft {
		return unavailable(reasonWindow, fmt.Errorf("%s node, %d blocks left of %d", node.Status, left, confirmEvery))
	}
	// What doesn't run by our means can't be stopped by them, and starting it
	// afterwards would be against its operator.
	if runs, err := c.running(ctx); err != nil || !runs {
		return unavailable(reasonStop, err)
	}
	return nil
}

func (c *Copier) ask(ctx context.Context, into any, method string, params ...any) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	raw, err := c.cfg.Chain.Call(ctx, method, params)
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("%s: unexpected answer: %w", method, err)
	}
	return nil
}
