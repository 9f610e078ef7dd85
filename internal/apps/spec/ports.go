package spec

import (
	"slices"
)

const (
	minPort       = 1
	maxPort       = 65535
	minPortLegacy = 31000
	maxPortLegacy = 39999
)

// span is a range of ports, both ends included.
type span struct{ from, to int }

// bannedPorts are those of the node itself and of services that nobody should
// offer to the world by accident.
var bannedPorts = []span{
	{16100, 16299}, {26100, 26299}, {30000, 30099},
	{8384, 8384}, {27017, 27017}, {22, 23}, {25, 25}, {3389, 3389}, {5900, 5901}, {5800, 5800},
	{161, 161}, {512, 513}, {3388, 3388}, {4444, 4444}, {123, 123}, {53, 53},
}

// enterprisePorts cost extra.
var enterprisePorts = []span{{0, 1023}, {8080, 8081}, {8443, 8443}, {6667, 6667}}

func within(spans []span, port int) bool {
	return slices.ContainsFunc(spans, func(s span) bool { return port >= s.from && port <= s.to })
}

// BannedPort reports whether no application may have the port.
func BannedPort(port int) bool { return within(bannedPorts, port) }

// EnterprisePort reports whether the port costs extra.
func EnterprisePort(port int) bool { return within(enterprisePorts, port) }

func checkPorts(ports []int, c Context) error {
	from, to := minPortLegacy, maxPortLegacy
	if c.Height >= portRangeHeight || c.Development && c.Height >= portRangeHeightDev {
		from, to = minPort, maxPort
	}
	for _, port := range ports {
		if port < from || port > to {
			return invalid("Assigned port %d is not within Flux Apps range %d-%d", port, from, to)
		}
		if BannedPort(port) {
			return invalid("Assigned port %d is not allowed for Flux Apps", port)
		}
	}
	return nil
}

func (s *Spec) checkUniquePorts(Context) error {
	seen := make(map[int]bool, maxPorts)
	for i := range s.Components {
		for _, port := range s.Components[i].Ports {
			switch {
			case !seen[port]:
				seen[port] = true
			case s.Version <= 3:
				return invalid("Flux App %s must have unique ports specified", s.Name)
			default:
				return invalid("Flux App %s must have unique ports specified accross all composition", s.Name)
			}
		}
	}
	return nil
}
