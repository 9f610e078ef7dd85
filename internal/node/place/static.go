package place

import (
	"net/netip"
	"strings"
	"time"
)

// staticAfter is how long an address on the host's own interface has to stay
// the same to count as static.
const staticAfter = 10 * 24 * time.Hour

// hosters are parts of the names of companies whose addresses stay, in lower
// case. The network's rule fixes the list.
var hosters = [...]string{"hetzner", "ovh", "netcup", "hostnodes", "contabo", "hostslim", "zayo", "cogent", "lumen"}

// listedHoster says whether an organisation is one of the hosters.
func listedHoster(org string) bool {
	org = strings.ToLower(org)
	for _, h := range hosters {
		if strings.Contains(org, h) {
			return true
		}
	}
	return false
}

// isStatic is the network's rule for a static address: on the host's own
// interface and unchanged for ten days, or of a kind that stays. unchanged is
// the time since the last change, negative when none is known. Until the
// location of a new address is known, what was known of the old one counts for
// nothing.
func isStatic(a Address, unchanged time.Duration, g *Geolocation) bool {
	if a.OnInterface && (unchanged < 0 || unchanged >= staticAfter) {
		return true
	}
	return isAbout(g, a.V4) && (g.Static || listedHoster(g.Org))
}

// isDataCenter is the network's rule for a node in a data centre.
func isDataCenter(a Address, g *Geolocation) bool {
	return isAbout(g, a.V4) && (g.DataCenter || listedHoster(g.Org))
}

func isAbout(g *Geolocation, addr netip.Addr) bool {
	return g != nil && addr.IsValid() && g.IP == addr.String()
}
