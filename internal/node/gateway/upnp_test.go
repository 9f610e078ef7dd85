package gateway_test

import (
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxosd/fluxosd/internal/fault"
	"github.com/fluxosd/fluxosd/internal/node/gateway"
	"github.com/fluxosd/fluxosd/internal/node/gateway/gatewaytest"
)

// ourEntry is what a router shows after api() was mapped.
var ourEntry = gatewaytest.Entry{Port: apiPort, Protocol: "TCP", Internal: apiPort, Client: "127.0.0.1", Description: gateway.DescriptionAPI}

func TestMapsOnEveryKindOfService(t *testing.T) {
	for name, o := range map[string]gatewaytest.IGDOptions{
		"IGD version 1":     {},
		"IGD version 2":     {Version: 2},
		"WANPPPConnection":  {PPP: true},
		"behind another":    {External: netip.MustParseAddr("10.20.30.40")},
		"carrier-grade NAT": {External: netip.MustParseAddr("100.64.1.2")},
	} {
		t.Run(name, func(t *testing.T) {
			d, c := startIGD(t, o)
			g := open(t, c)
			info, err := g.Detect(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(gateway.Info{Protocol: gateway.ProtocolUPnP, Router: loopback, LocalIP: loopback}, info, cmp.Comparer(sameAddr)); diff != "" {
				t.Error(diff)
			}
			if err := g.Map(t.Context(), api()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]gatewaytest.Entry{ourEntry}, d.Entries()); diff != "" {
				t.Error(diff)
			}
			external, err := g.ExternalIP(t.Context())
			want := o.External
			if !want.IsValid() {
				want = netip.MustParseAddr("198.51.100.7")
			}
			if err != nil || external != want {
				t.Errorf("external address %v, %v; want %v", external, err, want)
			}
			if err := g.Unmap(t.Context(), apiPort, gateway.TCP); err != nil {
				t.Fatal(err)
			}
			if left := d.Entries(); len(left) != 0 {
				t.Errorf("left after Unmap: %v", left)
			}
			if err := g.Unmap(t.Context(), apiPort, gateway.TCP); err != nil {
				t.Errorf("Unmap of what isn't mapped: %v", err)
			}
		})
	}
}

func sameAddr(a, b netip.Addr) bool { return a == b }

func TestMappingsOfOthersStay(t *testing.T) {
	for name, foreign := range map[string]gatewaytest.Entry{
		"another node":           {Port: apiPort, Protocol: "TCP", Internal: apiPort, Client: "127.0.0.9", Description: gateway.DescriptionAPI},
		"another program here":   {Port: apiPort, Protocol: "TCP", Internal: apiPort, Client: "127.0.0.1", Description: "game"},
		"no name, another port":  {Port: apiPort, Protocol: "TCP", Internal: 80, Client: "127.0.0.1"},
		"a host without address": {Port: apiPort, Protocol: "TCP", Internal: apiPort, Client: "nas.lan", Description: "Flux_x"},
		"for one remote host":    {Remote: "203.0.113.5", Port: apiPort, Protocol: "TCP", Internal: apiPort, Client: "127.0.0.9", Description: "vpn"},
	} {
		for behaviour, change := range map[string]func(*gatewaytest.Behaviour){
			"by the book":         func(*gatewaytest.Behaviour) {},
			"overwrites silently": func(b *gatewaytest.Behaviour) { b.OverwriteSilently = true },
			"list only":           func(b *gatewaytest.Behaviour) { b.NoSpecific = true },
		} {
			t.Run(name+", "+behaviour, func(t *testing.T) {
				d, c := startIGD(t, gatewaytest.IGDOptions{})
				d.Set(change)
				d.Put(foreign)
				g := open(t, c)

				err := g.Map(t.Context(), api())
				taken, ok := errors.AsType[*gateway.ErrTaken](err)
				if !ok {
					t.Fatalf("Map: %v, want ErrTaken", err)
				}
				if taken.Port != apiPort || taken.Protocol != gateway.TCP || !strings.Contains(taken.By, foreign.Description) {
					t.Errorf("holder: %+v", taken)
				}
				if fault.KindOf(err) != fault.Conflict {
					t.Errorf("kind %v, want conflict", fault.KindOf(err))
				}
				if err := g.Unmap(t.Context(), apiPort, gateway.TCP); foreign.Remote == "" && !errors.As(err, &taken) {
					t.Errorf("Unmap: %v, want ErrTaken", err)
				}
				if diff := cmp.Diff([]gatewaytest.Entry{foreign}, d.Entries()); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

func TestRoutersWithOddities(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*gatewaytest.Behaviour)
		before []gatewaytest.Entry
		lease  time.Duration
		want   func(*gatewaytest.Entry)
	}{
		{name: "keeps what was ours", before: []gatewaytest.Entry{ourEntry}},
		{name: "another name of ours gives way", before: []gatewaytest.Entry{{Port: apiPort, Protocol: "TCP", Internal: 80, Client: "127.0.0.1", Description: "Flux_manual_entry"}}},
		{name: "finite lease asked for", lease: time.Minute, want: func(e *gatewaytest.Entry) { e.Lease = 60 }},
		{name: "no permanent lease 402", change: func(b *gatewaytest.Behaviour) { b.RefusePermanent = 402 }, want: func(e *gatewaytest.Entry) { e.Lease = 3600 }},
		{name: "no permanent lease 606", change: func(b *gatewaytest.Behaviour) { b.RefusePermanent = 606 }, want: func(e *gatewaytest.Entry) { e.Lease = 3600 }},
		{name: "no permanent lease 501", change: func(b *gatewaytest.Behaviour) { b.RefusePermanent = 501 }, want: func(e *gatewaytest.Entry) { e.Lease = 3600 }},
		{name: "permanent leases only", lease: time.Minute, change: func(b *gatewaytest.Behaviour) { b.OnlyPermanent = true }},
		{name: "never replaces", before: []gatewaytest.Entry{ourEntry}, change: func(b *gatewaytest.Behaviour) { b.NeverReplace = true }},
		{name: "can't be asked for one", change: func(b *gatewaytest.Behaviour) { b.NoSpecific = true }},
		{name: "is blind for one", change: func(b *gatewaytest.Behaviour) { b.BlindSpecific = true }},
		{name: "keeps no descriptions", change: func(b *gatewaytest.Behaviour) { b.DropDescriptions = true }, want: func(e *gatewaytest.Entry) { e.Description = "" }},
		{name: "had kept no description", before: []gatewaytest.Entry{{Port: apiPort, Protocol: "TCP", Internal: apiPort, Client: "127.0.0.1"}}},
		{name: "ends its list with 402", change: func(b *gatewaytest.Behaviour) { b.ErrorInList = 402 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, c := startIGD(t, gatewaytest.IGDOptions{})
			if tt.change != nil {
				d.Set(tt.change)
			}
			for _, e := range tt.before {
				d.Put(e)
			}
			g := open(t, c)
			m := api()
			m.Lease = tt.lease
			for range 2 { // made, then renewed
				if err := g.Map(t.Context(), m); err != nil {
					t.Fatal(err)
				}
			}
			want := ourEntry
			if tt.want != nil {
				tt.want(&want)
			}
			if diff := cmp.Diff([]gatewaytest.Entry{want}, d.Entries()); diff != "" {
				t.Error(diff)
			}
			all, err := g.List(t.Context())
			if err != nil || len(all) != 1 || !all[0].Local || !all[0].Enabled || all[0].Lease != time.Duration(want.Lease)*time.Second {
				t.Errorf("List: %+v, %v", all, err)
			}
			if err := g.Unmap(t.Context(), apiPort, gateway.TCP); err != nil {
				t.Fatal(err)
			}
			if left := d.Entries(); len(left) != 0 {
				t.Errorf("left after Unmap: %v", left)
			}
		})
	}
}

func TestLearnsWhichLeaseTheRouterTakes(t *testing.T) {
	d, c := startIGD(t, gatewaytest.IGDOptions{})
	d.Set(func(b *gatewaytest.Behaviour) { b.RefusePermanent = 402 })
	g := open(t, c)
	for range 3 {
		if err := g.Map(t.Context(), api()); err != nil {
			t.Fatal(err)
		}
	}
	adds := 0
	for _, call := range d.Calls() {
		if call == "AddPortMapping" {
			adds++
		}
	}
	if adds != 4 {
		t.Errorf("%d calls of AddPortMapping for 3 mappings, want one refusal only", adds)
	}
}

func TestForgetfulRouterIsCaught(t *testing.T) {
	d, c := startIGD(t, gatewaytest.IGDOptions{})
	d.Set(func(b *gatewaytest.Behaviour) { b.Forgetful = true })
	if err := open(t, c).Map(t.Context(), api()); !errors.Is(err, gateway.ErrNotVerified) {
		t.Errorf("%v, want ErrNotVerified", err)
	}
}

func TestRefusalHasTheRoutersCode(t *testing.T) {
	d, c := startIGD(t, gatewaytest.IGDOptions{})
	d.Set(func(b *gatewaytest.Behaviour) { b.RefusePermanent, b.OnlyPermanent = 402, true })
	err := open(t, c).Map(t.Context(), api())
	refused, ok := errors.AsType[*gateway.ErrRefused](err)
	if !ok || refused.Code != 402 || refused.Call != "AddPortMapping" || fault.KindOf(err) != fault.Unavailable {
		t.Errorf("%v, want a refusal of AddPortMapping with code 402", err)
	}
}

func TestListEndsWhenTheRouterRepeatsItself(t *testing.T) {
	d, c := startIGD(t, gatewaytest.IGDOptions{})
	d.Put(ourEntry)
	d.Set(func(b *gatewaytest.Behaviour) { b.RepeatList = true })
	all, err := open(t, c).List(t.Context())
	if err != nil || len(all) != 1 {
		t.Errorf("%d mappings, %v; want 1", len(all), err)
	}
}

func TestDisconnectedRouterHasNoExternalAddress(t *testing.T) {
	d, c := startIGD(t, gatewaytest.IGDOptions{})
	d.SetExternal(netip.Addr{})
	g := open(t, c)
	if a, err := g.ExternalIP(t.Context()); err == nil {
		t.Errorf("got %v", a)
	}
	if err := g.Map(t.Context(), api()); err != nil {
		t.Errorf("Map while disconnected: %v", err)
	}
}

func TestJSONShapes(t *testing.T) {
	d, c := startIGD(t, gatewaytest.IGDOptions{Version: 2})
	d.Put(gatewaytest.Entry{Port: 31111, Protocol: "TCP", Internal: 31112, Client: "192.168.1.105", Description: "Flux_App_x", Disabled: true, Lease: 7})
	g := open(t, c)
	if err := g.Map(t.Context(), api()); err != nil {
		t.Fatal(err)
	}
	all, err := g.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	device, err := g.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		value any
		want  string
	}{
		{all, `[{"public":{"host":"","port":16127},"private":{"host":"127.0.0.1","port":16127},"protocol":"tcp","enabled":true,"description":"Flux_Backend_API","ttl":0,"local":true},` +
			`{"public":{"host":"","port":31111},"private":{"host":"192.168.1.105","port":31112},"protocol":"tcp","enabled":false,"description":"Flux_App_x","ttl":7,"local":false}]`},
		{device, `{"gateway":{"description":"` + d.URL() + `","services":["urn:schemas-upnp-org:service:WANIPConnection:2"],"protocol":"upnp","address":"127.0.0.1","name":"Simulated router","manufacturer":"Nobody","model":"IGD 2"},"address":"127.0.0.1"}`},
	} {
		got, err := json.Marshal(tt.value)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, string(got)); diff != "" {
			t.Error(diff)
		}
	}
	d.Restart()
	none, err := g.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := json.Marshal(none); err != nil || string(got) != "[]" {
		t.Errorf("empty list: %s, %v", got, err)
	}
}

func TestCallsGoToTheRouterOneAtATime(t *testing.T) {
	d, c := startIGD(t, gatewaytest.IGDOptions{})
	g := open(t, c)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			m := gateway.Mapping{Port: uint16(30000 + i), Protocol: gateway.UDP, Description: "Flux_App_x"}
			if err := g.Map(t.Context(), m); err != nil {
				t.Error(err)
			}
			if _, err := g.List(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := d.MostAtOnce(); n != 1 {
		t.Errorf("%d requests at the same time", n)
	}
	if n := len(d.Entries()); n != 16 {
		t.Errorf("%d mappings, want 16", n)
	}
}

func TestUsesTheAddressTowardsTheRouter(t *testing.T) {
	_, c := startIGD(t, gatewaytest.IGDOptions{})
	c.LocalIP = netip.Addr{}
	if info, err := open(t, c).Detect(t.Context()); err != nil || info.LocalIP != loopback {
		t.Errorf("%+v, %v", info, err)
	}
}

func TestRouterThatMovedIsFoundAgain(t *testing.T) {
	before, err := gatewaytest.StartIGD(gatewaytest.IGDOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c := config(t)
	c.SSDP = before.SSDP()
	g := open(t, c)
	if err := errors.Join(g.Map(t.Context(), api()), before.Close()); err != nil {
		t.Fatal(err)
	}
	after, err := gatewaytest.StartIGD(gatewaytest.IGDOptions{SSDP: c.SSDP})
	if err != nil {
		t.Fatal(err)
	}
	defer after.Close()
	if err := g.Map(t.Context(), api()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]gatewaytest.Entry{ourEntry}, after.Entries()); diff != "" {
		t.Error(diff)
	}
}
