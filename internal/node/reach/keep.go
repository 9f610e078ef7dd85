package reach

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

// Limits of keeping ports open.
const (
	keepWorkers = 4               // tasks at one time
	keepWaiting = 64              // tasks that wait
	keepTime    = 8 * time.Minute // for one task: nodes ask again after that
	keepTouch   = 3 * time.Second // for one connection
	keepPause   = 250 * time.Millisecond
)

// keepTask is a node's wish to have its ports touched.
type keepTask struct {
	node  Address
	ports []uint16
}

// keeper touches ports, a bounded number of tasks at a time and one for a
// node; when its queue is full it refuses.
type keeper struct {
	out   *outbound
	queue chan keepTask

	mu   sync.Mutex // guards busy
	busy map[Address]bool
}

func newKeeper(out *outbound) *keeper {
	return &keeper{out: out, queue: make(chan keepTask, keepWaiting), busy: make(map[Address]bool)}
}

// add reports whether the ports will be touched, now or by the task that the
// node has already.
func (k *keeper) add(t keepTask) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.busy[t.node] {
		return true
	}
	select {
	case k.queue <- t:
		k.busy[t.node] = true
		return true
	default:
		return false
	}
}

// serve works until ctx ends. It tells cut of tasks that did not end in time.
func (k *keeper) serve(ctx context.Context, cut func(keepTask, error)) {
	var workers sync.WaitGroup
	for range keepWorkers {
		workers.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case t := <-k.queue:
					if err := k.touch(ctx, t); err != nil && ctx.Err() == nil {
						cut(t, err)
					}
					k.mu.Lock()
					delete(k.busy, t.node)
					k.mu.Unlock()
				}
			}
		})
	}
	workers.Wait()
}

// touch opens each port once over TCP and sends it one datagram. Whether
// somebody listens doesn't matter: the router has seen the traffic.
func (k *keeper) touch(ctx context.Context, t keepTask) error {
	ctx, cancel := context.WithTimeout(ctx, keepTime)
	defer cancel()
	for _, port := range t.ports {
		to := netip.AddrPortFrom(t.node.IP, port)
		_ = k.out.touch(ctx, "tcp4", to, keepTouch, "")
		_ = k.out.touch(ctx, "udp4", to, keepTouch, "D")
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(keepPause):
		}
	}
	return nil
}
