package gateway_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxosd/fluxosd/internal/node/gateway"
	"github.com/fluxosd/fluxosd/internal/node/gateway/gatewaytest"
)

// serve runs a Keeper until the test ends or stop is called.
func serve(t *testing.T, g *gateway.Gateway) (k *gateway.Keeper, stop func()) {
	t.Helper()
	k = gateway.NewKeeper(g)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- k.Serve(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Serve: %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("Serve doesn't end")
		}
	})
	t.Cleanup(stop)
	return k, stop
}

// ports writes mappings as "port/protocol description".
func ports(entries []gatewaytest.Entry) []string {
	var all []string
	for _, e := range entries {
		b, _ := json.Marshal(e.Port)
		all = append(all, string(b)+"/"+e.Protocol+" "+e.Description)
	}
	return all
}

var nodePorts = []string{
	"16126/TCP Flux_Home_UI", "16127/TCP Flux_Backend_API", "16128/TCP Flux_Backend_API_SSL",
	"16129/TCP Flux_Syncthing", "16129/UDP Flux_Syncthing",
}

func TestKeeperMapsTheNodesPorts(t *testing.T) {
	d, c := startIGD(t, gatewaytest.IGDOptions{})
	k, stop := serve(t, open(t, c))
	eventually(t, "available", func() bool { return k.Status().Available })
	if diff := cmp.Diff(nodePorts, ports(d.Entries())); diff != "" {
		t.Error(diff)
	}
	s := k.Status()
	if s.Protocol != gateway.ProtocolUPnP || s.Router != loopback || s.External != netip.MustParseAddr("198.51.100.7") || s.BehindNAT || len(s.Mapped) != 5 || len(s.Missing) != 0 || s.LastError != "" || s.Since.IsZero() {
		t.Errorf("status %+v", s)
	}
	// The test mapping was made, listed and removed before.
	calls := d.Calls()
	if i, j := slices.Index(calls, "GetGenericPortMappingEntry"), slices.Index(calls, "DeletePortMapping"); i < 0 || j < i {
		t.Errorf("no proof in %v", calls)
	}
	stop()
	if diff := cmp.Diff(nodePorts, ports(d.Entries())); diff != "" {
		t.Errorf("after a stop: %s", diff)
	}
}

func TestKeeperRemovesItsOwnOnStopWhenTold(t *testing.T) {
	d, c := startIGD(t, gatewaytest.IGDOptions{})
	c.RemoveOnStop = true
	d.Put(gatewaytest.Entry{Port: 9, Protocol: "TCP", Internal: 9, Client: "192.168.1.2", Description: "nas"})
	g := open(t, c)
	if err := g.Map(t.Context(), gateway.Mapping{Port: 31000, Protocol: gateway.TCP, Description: "Flux_App_x"}); err != nil {
		t.Fatal(err)
	}
	k, stop := serve(t, g)
	eventually(t, "available", func() bool { return k.Status().Available })
	stop()
	if diff := cmp.Diff([]string{"9/TCP nas", "31000/TCP Flux_App_x"}, ports(d.Entries())); diff != "" {
		t.Error(diff)
	}
}

func TestKeeperRepairsAfterARestartOfTheRouter(t *testing.T) {
	d, c := startIGD(t, gatewaytest.IGDOptions{})
	g := open(t, c)
	if err := g.Map(t.Context(), gateway.Mapping{Port: 31000, Protocol: gateway.TCP, Description: "Flux_App_x"}); err != nil {
		t.Fatal(err)
	}
	k, _ := serve(t, g)
	eventually(t, "available", func() bool { return k.Status().Available })
	d.Restart()
	want := append(slices.Clone(nodePorts), "31000/TCP Flux_App_x")
	eventually(t, "mapped again", func() bool { return cmp.Equal(want, ports(d.Entries())) })

	if err := g.Unmap(t.Context(), 31000, gateway.TCP); err != nil {
		t.Fatal(err)
	}
	d.Restart()
	eventually(t, "the node's ports again", func() bool { return cmp.Equal(nodePorts, ports(d.Entries())) })
}

func TestKeeperRepairsAfterARestartOfANATPMPRouter(t *testing.T) {
	s, c := startNATPMP(t)
	k, _ := serve(t, open(t, c))
	eventually(t, "available", func() bool { return k.Status().Available })
	if n := len(s.Entries()); n != 5 {
		t.Errorf("%d mappings, want 5", n)
	}
	s.Restart()
	eventually(t, "mapped again", func() bool { return len(s.Entries()) == 5 })
}

func TestKeeperSeesANewExternalAddress(t *testing.T) {
	d, c := startIGD(t, gatewaytest.IGDOptions{})
	k, _ := serve(t, open(t, c))
	eventually(t, "available", func() bool { return k.Status().Available })
	private := netip.MustParseAddr("192.168.9.9")
	d.SetExternal(private)
	eventually(t, "the new address", func() bool { s := k.Status(); return s.External == private && s.BehindNAT })
}

func TestKeeperSaysWhenTheRouterIsGoneAndBack(t *testing.T) {
	var log safeBuffer
	d, c := startIGD(t, gatewaytest.IGDOptions{})
	c.SearchTime, c.CallTime = 300*time.Millisecond, 300*time.Millisecond
	c.Logger = slog.New(slog.NewTextHandler(&log, nil))
	k, _ := serve(t, open(t, c))
	eventually(t, "available", func() bool { return k.Status().Available })
	first := k.Status().Since
	d.Set(func(b *gatewaytest.Behaviour) { b.Silent, b.Control = true, hanging })
	eventually(t, "gone", func() bool { s := k.Status(); return !s.Available && s.LastError != "" && len(s.Missing) == 5 })
	d.Set(func(b *gatewaytest.Behaviour) { *b = gatewaytest.Behaviour{} })
	eventually(t, "back", func() bool { s := k.Status(); return s.Available && s.Since.After(first) })
	if n := strings.Count(log.String(), "The gateway maps the node's ports"); n != 2 {
		t.Errorf("logged %d times that all is well, want once per change:\n%s", n, log.String())
	}
}

func TestKeeperReportsATakenPortAndMapsTheOthers(t *testing.T) {
	d, c := startIGD(t, gatewaytest.IGDOptions{})
	d.Put(gatewaytest.Entry{Port: apiPort, Protocol: "TCP", Internal: apiPort, Client: "127.0.0.9", Description: "Flux_Backend_API"})
	d.Put(gatewaytest.Entry{Port: apiPort + 3, Protocol: "TCP", Internal: 80, Client: "127.0.0.9", Description: "nas"})
	k, _ := serve(t, open(t, c))
	eventually(t, "available", func() bool { return k.Status().Available })
	s := k.Status()
	if len(s.Mapped) != 4 || len(s.Missing) != 1 || s.Missing[0].Port != apiPort || !strings.Contains(s.LastError, "127.0.0.9") {
		t.Errorf("status %+v", s)
	}
}

func TestKeeperIsUnavailableWhereTheProofFails(t *testing.T) {
	d, c := startIGD(t, gatewaytest.IGDOptions{})
	d.Set(func(b *gatewaytest.Behaviour) { b.Forgetful = true })
	k, _ := serve(t, open(t, c))
	eventually(t, "a reason", func() bool { return strings.Contains(k.Status().LastError, "test mapping") })
	if k.Status().Available {
		t.Error("available")
	}
}

func TestOffSendsNothing(t *testing.T) {
	d, c := startIGD(t, gatewaytest.IGDOptions{})
	c.Mode = gateway.Off
	g := open(t, c)
	k, stop := serve(t, g)
	if err := g.Map(t.Context(), api()); err != gateway.ErrOff {
		t.Errorf("Map: %v, want ErrOff", err)
	}
	stop()
	if s := k.Status(); s.Available || s.Mode != gateway.Off {
		t.Errorf("status %+v", s)
	}
	if calls := d.Calls(); len(calls) != 0 {
		t.Errorf("calls %v", calls)
	}
}

func TestStatusAsJSON(t *testing.T) {
	c := config(t)
	c.Now = func() time.Time { return time.Unix(0, 0).UTC() }
	got, err := json.Marshal(gateway.NewKeeper(open(t, c)).Status())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"mode":"upnp","protocol":"","available":false,"external":"","behindNat":false,"router":"","localIp":"","mapped":[],"missing":[],"lastError":"","since":"1970-01-01T00:00:00Z"}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

// safeBuffer is a log that is read while it is written.
type safeBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
