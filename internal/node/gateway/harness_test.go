package gateway_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fluxosd/fluxosd/internal/node/gateway"
	"github.com/fluxosd/fluxosd/internal/node/gateway/gatewaytest"
)

const apiPort = 16127

// loopbackRoute is a routing table with 127.0.0.1 as the gateway.
const loopbackRoute = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n" +
	"lo\t00000000\t0100007F\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"

var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// config is for routers on loopback, where its default route leads; it can't
// reach any other.
func config(t *testing.T) gateway.Config {
	t.Helper()
	routes := filepath.Join(t.TempDir(), "route")
	if err := os.WriteFile(routes, []byte(loopbackRoute), 0o600); err != nil {
		t.Fatal(err)
	}
	return gateway.Config{
		Mode: gateway.UPnP, LocalIP: loopback, APIPort: apiPort, Routes: routes, SearchTime: time.Second, CallTime: 500 * time.Millisecond,
		Spacing: time.Millisecond, RefreshEvery: time.Minute, CheckEvery: 10 * time.Millisecond, RetryAfter: 10 * time.Millisecond,
	}
}

func open(t *testing.T, c gateway.Config) *gateway.Gateway {
	t.Helper()
	g, err := gateway.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func startIGD(t *testing.T, o gatewaytest.IGDOptions) (*gatewaytest.IGD, gateway.Config) {
	t.Helper()
	d, err := gatewaytest.StartIGD(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	c := config(t)
	c.SSDP = d.SSDP()
	return d, c
}

func startNATPMP(t *testing.T) (*gatewaytest.NATPMP, gateway.Config) {
	t.Helper()
	s, err := gatewaytest.StartNATPMP(netip.AddrPort{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	c := config(t)
	c.Mode, c.Router, c.NATPMPPort = gateway.NATPMP, loopback, s.Addr().Port()
	return s, c
}

// eventually waits until ok, 10 s at most.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("after 10 s still not: %s", what)
		case <-tick.C:
		}
	}
}

func api() gateway.Mapping {
	return gateway.Mapping{Port: apiPort, Protocol: gateway.TCP, Description: gateway.DescriptionAPI}
}
