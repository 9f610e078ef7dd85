package daemonrpc

import (
	"context"
	"encoding/json"
)

// flight is one request that identical calls wait for. Its goroutine holds the
// only copy of their arguments that the client keeps.
type flight struct {
	waiters int                     // callers who have not left; under Client.mu
	cancel  context.CancelCauseFunc // ends the request
	done    chan struct{}           // closed when reply and err are set
	reply   json.RawMessage
	err     error
}

// join waits for a request that identical calls share. The request runs on the
// client's time, not on that of the caller who happened to come first, until the
// last of the callers leaves.
func (c *Client) join(ctx context.Context, m method, key string, req request) (json.RawMessage, error) {
	name := req.method // all of req that is used below: who joins another's request does not hold its own
	f, err := c.board(m, key, req)
	if err != nil {
		return nil, err
	}
	select {
	case <-f.done:
		return f.reply, f.err
	case <-ctx.Done():
		c.leave(key, f)
		return nil, callerError(ctx, name)
	}
}

// board finds or starts the request for key and counts the caller as waiting for it.
func (c *Client) board(m method, key string, req request) (*flight, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed
	}
	if f := c.flights[key]; f != nil {
		f.waiters++
		return f, nil
	}
	f := &flight{waiters: 1, done: make(chan struct{})}
	// The request before this one may have ended since the caller looked.
	if reply, ok := c.cache.get(m.sharing, key); ok {
		f.reply = reply
		close(f.done)
		return f, nil
	}
	ctx, cancel := context.WithCancelCause(c.ctx)
	f.cancel = cancel
	c.flights[key] = f
	c.running.Go(func() {
		defer cancel(nil)
		f.reply, f.err = c.send(ctx, m, key, req)
		c.mu.Lock()
		if c.flights[key] == f { // else it was abandoned, and the place may be another's
			delete(c.flights, key)
		}
		c.mu.Unlock()
		close(f.done)
	})
	return f, nil
}

// leave takes one caller off a flight. The last one cancels the request, unless
// it has ended, and clears the place: who comes later starts another.
func (c *Client) leave(key string, f *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.waiters--; f.waiters > 0 || c.flights[key] != f {
		return
	}
	delete(c.flights, key)
	f.cancel(errAbandoned)
}
