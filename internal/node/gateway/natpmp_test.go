package gateway_test

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxosd/fluxosd/internal/node/gateway"
	"github.com/fluxosd/fluxosd/internal/node/gateway/gatewaytest"
)

func TestNATPMPMapsAndLists(t *testing.T) {
	s, c := startNATPMP(t)
	g := open(t, c)
	info, err := g.Detect(t.Context())
	if err != nil || info.Protocol != gateway.ProtocolNATPMP || info.Router != loopback {
		t.Fatalf("%+v, %v", info, err)
	}
	if a, err := g.ExternalIP(t.Context()); err != nil || a != netip.MustParseAddr("198.51.100.7") {
		t.Errorf("external address %v, %v", a, err)
	}
	for _, p := range []gateway.Protocol{gateway.TCP, gateway.UDP} {
		m := api()
		m.Protocol = p
		if err := g.Map(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	want := []gatewaytest.Entry{
		{Port: apiPort, Protocol: "TCP", Internal: apiPort, Client: "127.0.0.1", Lease: 3600},
		{Port: apiPort, Protocol: "UDP", Internal: apiPort, Client: "127.0.0.1", Lease: 3600},
	}
	if diff := cmp.Diff(want, s.Entries()); diff != "" {
		t.Error(diff)
	}
	all, err := g.List(t.Context())
	if err != nil || len(all) != 2 || all[0].Description != gateway.DescriptionAPI || !all[0].Local || all[0].Lease <= 0 || all[0].Lease > time.Hour {
		t.Errorf("%+v, %v", all, err)
	}
	if err := g.Unmap(t.Context(), apiPort, gateway.TCP); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want[1:], s.Entries()); diff != "" {
		t.Error(diff)
	}
}

func TestNATPMPLeavesWhatItDidNotMake(t *testing.T) {
	s, c := startNATPMP(t)
	if err := open(t, c).Map(t.Context(), api()); err != nil {
		t.Fatal(err)
	}
	if err := open(t, c).Unmap(t.Context(), apiPort, gateway.TCP); err != nil {
		t.Fatal(err)
	}
	if n := len(s.Entries()); n != 1 {
		t.Errorf("%d mappings, want that of the other program", n)
	}
}

func TestNATPMPOfferOfAnotherPortIsReturned(t *testing.T) {
	s, c := startNATPMP(t)
	s.Set(func(b *gatewaytest.NATPMPBehaviour) { b.Taken = map[uint16]uint16{apiPort: 40000} })
	g := open(t, c)
	taken, ok := errors.AsType[*gateway.ErrTaken](g.Map(t.Context(), api()))
	if !ok || taken.Port != apiPort {
		t.Errorf("%v, want ErrTaken", taken)
	}
	if left := s.Entries(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestNATPMPSurvivesLossAndGarbage(t *testing.T) {
	s, c := startNATPMP(t)
	c.CallTime = 3 * time.Second
	s.Set(func(b *gatewaytest.NATPMPBehaviour) { b.DropFirst, b.Garbage = 1, []byte{0, 129, 9} })
	if err := open(t, c).Map(t.Context(), api()); err != nil {
		t.Error(err)
	}
}

func TestNATPMPFailures(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*gatewaytest.NATPMPBehaviour)
		want   error
	}{
		"silent":       {func(b *gatewaytest.NATPMPBehaviour) { b.Silent = true }, gateway.ErrUnreachable},
		"only garbage": {func(b *gatewaytest.NATPMPBehaviour) { b.Silent, b.Garbage = true, []byte("garbage") }, gateway.ErrUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c := startNATPMP(t)
			c.CallTime = short
			g := open(t, c)
			eventually(t, "detected", func() bool { _, err := g.Detect(t.Context()); return err == nil })
			s.Set(tt.change)
			within(t, 3*time.Second, func() {
				if err := g.Map(t.Context(), api()); !errors.Is(err, tt.want) {
					t.Errorf("%v, want %v", err, tt.want)
				}
			})
		})
	}
	t.Run("refuses", func(t *testing.T) {
		s, c := startNATPMP(t)
		g := open(t, c)
		if _, err := g.Detect(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.Set(func(b *gatewaytest.NATPMPBehaviour) { b.ResultCode = 2 })
		refused, ok := errors.AsType[*gateway.ErrRefused](g.Map(t.Context(), api()))
		if !ok || refused.Code != 2 || refused.Text != "not authorised" {
			t.Errorf("%v, want a refusal with code 2", refused)
		}
	})
}

func TestAutoFallsBackToNATPMP(t *testing.T) {
	_, c := startNATPMP(t)
	d, withSSDP := startIGD(t, gatewaytest.IGDOptions{})
	c.Mode, c.SSDP, c.SearchTime = gateway.Auto, withSSDP.SSDP, 100*time.Millisecond
	if info, err := open(t, c).Detect(t.Context()); err != nil || info.Protocol != gateway.ProtocolUPnP {
		t.Errorf("both: %+v, %v; want UPnP", info, err)
	}
	d.Set(func(b *gatewaytest.Behaviour) { b.Silent = true })
	if info, err := open(t, c).Detect(t.Context()); err != nil || info.Protocol != gateway.ProtocolNATPMP {
		t.Errorf("NAT-PMP alone: %+v, %v", info, err)
	}
}
