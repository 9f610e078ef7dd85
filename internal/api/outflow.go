package api

import (
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// Bounds of large replies that are on their way, in bytes. A client that asks
// for them and doesn't read them must not make the daemon keep them.
const (
	largeReply     = 64 << 10 // from here on a reply counts
	outflowAll     = 512 << 20
	outflowNetwork = 64 << 20
)

// Large replies are written in pieces, each of which the client must take
// within stallTime: slow is fine, standing still is not.
const (
	writePiece = 256 << 10
	stallTime  = 30 * time.Second
)

// outflow counts the bytes of large replies that are being written. One reply
// is always allowed, whatever its size.
type outflow struct {
	mu    sync.Mutex
	all   int
	peers map[netip.Addr]int
}

// enter counts n bytes for a network, or answers false when it, or everybody
// together, has too many on the way.
func (o *outflow) enter(a netip.Addr, n int, exempt bool) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.all > 0 && o.all+n > outflowAll {
		return false
	}
	if had := o.peers[a]; !exempt && had > 0 && had+n > outflowNetwork {
		return false
	}
	if o.peers == nil {
		o.peers = make(map[netip.Addr]int)
	}
	o.all += n
	o.peers[a] += n
	return true
}

func (o *outflow) leave(a netip.Addr, n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all -= n
	if o.peers[a] -= n; o.peers[a] <= 0 {
		delete(o.peers, a)
	}
}

// send writes the parts of a body, large ones piece by piece.
func send(w http.ResponseWriter, parts [][]byte, size int) error {
	if size < largeReply {
		for _, p := range parts {
			if _, err := w.Write(p); err != nil {
				return err
			}
		}
		return nil
	}
	ctl := http.NewResponseController(w)
	for _, p := range parts {
		for len(p) > 0 {
			piece := p[:min(len(p), writePiece)]
			ctl.SetWriteDeadline(time.Now().Add(stallTime)) // a test recorder has none
			if _, err := w.Write(piece); err != nil {
				return err
			}
			p = p[len(piece):]
		}
	}
	return nil
}
