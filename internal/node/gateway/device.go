package gateway

import (
	"encoding/json"
	"net/netip"
)

// Protocols of a Device.
const (
	ProtocolUPnP   = "upnp"
	ProtocolNATPMP = "nat-pmp"
)

// Device is the router as it describes itself. All texts are the router's own,
// cut and cleaned of control characters.
type Device struct {
	Protocol     string // ProtocolUPnP or ProtocolNATPMP
	Router       netip.Addr
	LocalIP      netip.Addr // of this node, towards the router
	URL          string     // of its description; nat-pmp://address:port for NAT-PMP
	Services     []string   // the UPnP services that map ports
	Name         string
	Manufacturer string
	Model        string
}

// MarshalJSON writes the shape that clients of /flux/getgateway read:
// {gateway{description, services}, address}, where description is a URL and
// address this node's, and beside them what a reader would like to know.
func (d Device) MarshalJSON() ([]byte, error) {
	type gateway struct {
		Description  string   `json:"description"`
		Services     []string `json:"services"`
		Protocol     string   `json:"protocol"`
		Address      string   `json:"address"`
		Name         string   `json:"name"`
		Manufacturer string   `json:"manufacturer"`
		Model        string   `json:"model"`
	}
	services := d.Services
	if services == nil {
		services = []string{}
	}
	return json.Marshal(struct {
		Gateway gateway `json:"gateway"`
		Address string  `json:"address"`
	}{gateway{d.URL, services, d.Protocol, d.Router.String(), d.Name, d.Manufacturer, d.Model}, d.LocalIP.String()})
}

// Info is what Detect found.
type Info struct {
	Protocol string // ProtocolUPnP or ProtocolNATPMP
	Router   netip.Addr
	LocalIP  netip.Addr
}
