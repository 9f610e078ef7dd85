package devnet

import (
	"cmp"
	"fmt"
	"sync"
	"time"
)

// faults are the misbehaviours a test asked for.
type faults struct {
	mu      sync.Mutex // guards what follows
	fail    map[string][]*failure
	slow    map[string]time.Duration
	warmUp  bool
	garbage bool
	// What the chain daemon pretends; "" and false are the truth.
	network  string
	isolated bool
	status   string
	spent    map[string]bool // outputs, as txid:index
}

type failure struct {
	err  RPCError
	left int // calls; negative: for ever
}

// Fail makes the next times calls of an RPC method answer an error; times < 0
// means for ever, 0 ends earlier failures. Method "*" is every method.
func (c *Chain) Fail(method string, code int, message string, times int) {
	c.faults.mu.Lock()
	defer c.faults.mu.Unlock()
	if times == 0 {
		delete(c.faults.fail, method)
		return
	}
	if c.faults.fail == nil {
		c.faults.fail = make(map[string][]*failure)
	}
	c.faults.fail[method] = append(c.faults.fail[method], &failure{RPCError{code, message}, times})
}

// Slow delays each answer of an RPC method; 0 ends it. Method "*" is every
// method. A caller that goes away ends its own delay.
func (c *Chain) Slow(method string, d time.Duration) {
	c.faults.mu.Lock()
	defer c.faults.mu.Unlock()
	if c.faults.slow == nil {
		c.faults.slow = make(map[string]time.Duration)
	}
	c.faults.slow[method] = d
}

// WarmUp makes every call answer -28, as a daemon does while it starts.
func (c *Chain) WarmUp(on bool) {
	c.faults.mu.Lock()
	defer c.faults.mu.Unlock()
	c.faults.warmUp = on
}

// Garbage makes every call answer HTTP 200 with a body that is not JSON.
func (c *Chain) Garbage(on bool) {
	c.faults.mu.Lock()
	defer c.faults.mu.Unlock()
	c.faults.garbage = on
}

// Pretend makes the daemon say that it belongs to another network, as
// getblockchaininfo names it: "test", "regtest". "" ends it.
func (c *Chain) Pretend(network string) {
	c.faults.mu.Lock()
	defer c.faults.mu.Unlock()
	c.faults.network = network
}

// Isolate makes the daemon say that it has no connection to others.
func (c *Chain) Isolate(on bool) {
	c.faults.mu.Lock()
	defer c.faults.mu.Unlock()
	c.faults.isolated = on
}

// SetOwnStatus makes getfluxnodestatus answer a status such as STARTED or DOS
// for the own node. "" ends it.
func (c *Chain) SetOwnStatus(status string) {
	c.faults.mu.Lock()
	defer c.faults.mu.Unlock()
	c.faults.status = status
}

// Spend makes gettxout answer as if an output had been spent.
func (c *Chain) Spend(txID string, index uint32, spent bool) {
	c.faults.mu.Lock()
	defer c.faults.mu.Unlock()
	if c.faults.spent == nil {
		c.faults.spent = make(map[string]bool)
	}
	c.faults.spent[fmt.Sprintf("%s:%d", txID, index)] = spent
}

// pretended returns what Pretend, Isolate and SetOwnStatus asked for.
func (f *faults) pretended() (network, status string, isolated bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return cmp.Or(f.network, "main"), f.status, f.isolated
}

func (f *faults) isSpent(txID string, index int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.spent[fmt.Sprintf("%s:%d", txID, index)]
}

// next tells what a call must suffer.
func (f *faults) next(method string) (time.Duration, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := max(f.slow[method], f.slow["*"])
	if f.warmUp {
		return d, &RPCError{codeWarmUp, "Loading block index..."}
	}
	for _, key := range []string{method, "*"} {
		list := f.fail[key]
		if len(list) == 0 {
			continue
		}
		err := list[0].err
		if list[0].left > 0 {
			if list[0].left--; list[0].left == 0 {
				f.fail[key] = list[1:]
			}
		}
		return d, &err
	}
	return d, nil
}

func (c *Chain) garbled() bool {
	c.faults.mu.Lock()
	defer c.faults.mu.Unlock()
	return c.faults.garbage
}
