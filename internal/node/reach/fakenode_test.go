package reach

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
)

// fakeNode is a node on a loopback address of its own. A handler may be
// replaced while it runs.
type fakeNode struct {
	Address
	mu   sync.Mutex
	api  map[string]http.HandlerFunc // by path
	ui   http.HandlerFunc
	sync net.Listener // on port+2
}

func text(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }
}

func success(data string) http.HandlerFunc { return text(`{"status":"success","data":` + data + `}`) }

// newFakeNode starts a healthy node on the first API port whose neighbours
// are free as well.
func newFakeNode(t *testing.T) *fakeNode {
	t.Helper()
	n := &fakeNode{ui: text("OK"), api: map[string]http.HandlerFunc{"/flux/version": success(`"8.17.0"`), "/flux/uptime": success("12.5")}}
	n.IP = netip.AddrFrom4([4]byte{127, byte(1 + rand.IntN(250)), byte(rand.IntN(256)), byte(1 + rand.IntN(250))})
	for _, n.Port = range APIPorts() {
		var open []net.Listener
		for _, offset := range []int{0, uiOffset, syncthingOffset} {
			l, err := net.Listen("tcp4", n.at(offset).String())
			if err != nil {
				break
			}
			open = append(open, l)
		}
		if len(open) < 3 {
			for _, l := range open {
				l.Close()
			}
			continue
		}
		n.serve(t, open[0], func(w http.ResponseWriter, r *http.Request) {
			n.mu.Lock()
			h := n.api[r.URL.Path]
			n.mu.Unlock()
			if h == nil {
				h = http.NotFound
			}
			h(w, r)
		})
		n.serve(t, open[1], func(w http.ResponseWriter, r *http.Request) {
			n.mu.Lock()
			h := n.ui
			n.mu.Unlock()
			if r.URL.Path != "/health" {
				h = http.NotFound
			}
			h(w, r)
		})
		n.sync = open[2]
		t.Cleanup(func() { n.sync.Close() })
		return n
	}
	t.Fatalf("no free ports for a node on %s", n.IP)
	return nil
}

func (n *fakeNode) serve(t *testing.T, l net.Listener, h http.HandlerFunc) {
	srv := httptest.NewUnstartedServer(h)
	srv.Listener.Close()
	srv.Listener = l
	srv.Start()
	t.Cleanup(srv.Close)
}

func (n *fakeNode) setAPI(path string, h http.HandlerFunc) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.api[path] = h
}

func (n *fakeNode) setUI(h http.HandlerFunc) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ui = h
}

// loopback allows what the tests listen on.
func loopback(ip netip.Addr) bool { return ip.IsLoopback() }

// listed is a node list of these addresses.
type listed []Address

func (l listed) ByAddress(a Address) (Entry, bool) {
	for _, one := range l {
		if one == a {
			return Entry{Address: a}, true
		}
	}
	return Entry{}, false
}

func (l listed) Random(admit func(Entry) bool) (Entry, bool) {
	for _, one := range l {
		if e := (Entry{Address: one}); admit(e) {
			return e, true
		}
	}
	return Entry{}, false
}

func newProber(t testing.TB, allow func(netip.Addr) bool, nodes ...Address) *Prober {
	t.Helper()
	p, err := NewProber(ProberConfig{Nodes: listed(nodes), Allow: allow})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

type opener = func(ctx context.Context, network, address string) (net.Conn, error)

// recording notes the ports that are dialled.
func recording(dial opener, ports *[]string) opener {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		_, port, _ := net.SplitHostPort(address)
		*ports = append(*ports, port)
		return dial(ctx, network, address)
	}
}
