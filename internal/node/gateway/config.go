package gateway

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"
)

// Mode is the protocol to use towards the router.
type Mode uint8

const (
	// Auto tries UPnP, then NAT-PMP.
	Auto Mode = iota
	// UPnP uses UPnP only.
	UPnP
	// NATPMP uses NAT-PMP only.
	NATPMP
	// Off sends nothing to any router.
	Off
)

var modeNames = [...]string{"auto", "upnp", "natpmp", "off"}

// String returns the word that the configuration uses.
func (m Mode) String() string {
	if int(m) < len(modeNames) {
		return modeNames[m]
	}
	return fmt.Sprintf("mode(%d)", uint8(m))
}

// MarshalText writes the word that the configuration uses.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads auto, upnp, natpmp or off.
func (m *Mode) UnmarshalText(text []byte) error {
	for i, name := range modeNames {
		if string(text) == name {
			*m = Mode(i)
			return nil
		}
	}
	return fmt.Errorf("port mapping mode %.20q is not auto, upnp, natpmp or off", text)
}

// Config is what a Gateway and its Keeper are made from. The zero value of
// every field but APIPort is usable.
type Config struct {
	// Mode is the protocol to use.
	Mode Mode
	// Router is the only address to accept a router at. Zero: any device on a
	// local network for UPnP, the default route's for NAT-PMP.
	Router netip.Addr
	// LocalIP is the address to map ports to. Zero: the one that packets to the
	// router leave from.
	LocalIP netip.Addr
	// APIPort is the port of the node's HTTP API; the Keeper maps its
	// neighbours too.
	APIPort int
	// Logger gets changes of state. nil: nothing is logged.
	Logger *slog.Logger

	// SearchTime bounds the search for a UPnP device, 3 s by default.
	SearchTime time.Duration
	// CallTime bounds one call to the router, 4 s by default.
	CallTime time.Duration
	// RefreshEvery is the time between two rounds of the Keeper, 12 min by
	// default.
	RefreshEvery time.Duration
	// CheckEvery is the time between two looks, within a round, whether the
	// router still has its mappings, 1 min by default.
	CheckEvery time.Duration
	// RetryAfter is the first pause of the Keeper after a failure, 15 s by
	// default. It doubles up to RefreshEvery.
	RetryAfter time.Duration
	// Spacing is the time between two mappings of a round, 500 ms by default:
	// small routers lose calls that come faster.
	Spacing time.Duration
	// RemoveOnStop makes the Keeper remove its mappings when it is stopped.
	RemoveOnStop bool

	// Now is the clock of expiries and of Status. nil: time.Now.
	Now func() time.Time
	// SSDP is where searches for UPnP devices are sent, 239.255.255.250:1900
	// by default.
	SSDP netip.AddrPort
	// NATPMPPort is the router's UDP port for NAT-PMP, 5351 by default.
	NATPMPPort uint16
	// Routes is the kernel's routing table, /proc/net/route by default.
	Routes string
}

// Bounds of Config, so that a slip of the pen can't flood a router or make a
// call last for ever.
const (
	maxWait    = time.Minute
	maxRefresh = 24 * time.Hour
)

func (c Config) withDefaults() (Config, error) {
	var errs []error
	within := func(name string, v *time.Duration, byDefault, most time.Duration) {
		if *v == 0 {
			*v = byDefault
		}
		if *v < time.Millisecond || *v > most {
			errs = append(errs, fmt.Errorf("gateway: %s %v is outside 1ms..%v", name, *v, most))
		}
	}
	within("SearchTime", &c.SearchTime, 3*time.Second, maxWait)
	within("CallTime", &c.CallTime, 4*time.Second, maxWait)
	within("RefreshEvery", &c.RefreshEvery, 12*time.Minute, maxRefresh)
	within("CheckEvery", &c.CheckEvery, time.Minute, maxRefresh)
	within("RetryAfter", &c.RetryAfter, 15*time.Second, maxRefresh)
	within("Spacing", &c.Spacing, 500*time.Millisecond, maxWait)
	if c.Mode > Off {
		errs = append(errs, fmt.Errorf("gateway: Mode %v is not Auto, UPnP, NATPMP or Off", c.Mode))
	}
	if c.APIPort < 2 || c.APIPort > 65532 {
		errs = append(errs, fmt.Errorf("gateway: APIPort %d is outside 2..65532 (its neighbours -1 to +3 are used too)", c.APIPort))
	}
	for name, a := range map[string]netip.Addr{"Router": c.Router, "LocalIP": c.LocalIP} {
		if a.IsValid() && (!a.Is4() || a.IsUnspecified() || a.IsMulticast()) {
			errs = append(errs, fmt.Errorf("gateway: %s %v is not the IPv4 address of a host", name, a))
		}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if !c.SSDP.IsValid() {
		c.SSDP = netip.AddrPortFrom(netip.AddrFrom4([4]byte{239, 255, 255, 250}), 1900)
	}
	if c.NATPMPPort == 0 {
		c.NATPMPPort = 5351
	}
	if c.Routes == "" {
		c.Routes = "/proc/net/route"
	}
	return c, errors.Join(errs...)
}

// finiteLease is the lease asked for where a permanent one can't be had: long
// enough to survive three rounds that fail.
func (c Config) finiteLease() time.Duration {
	return max(time.Hour, 4*c.RefreshEvery)
}

// operationTime bounds a whole operation, which is a search and a handful of
// calls.
func (c Config) operationTime() time.Duration { return c.SearchTime + 5*c.CallTime }
