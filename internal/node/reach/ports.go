package reach

// The ports that applications may not have, and that are therefore not probed
// for them: the nodes' own ranges, and services that must not be offered.
var (
	bannedRanges = [...][2]int{{16100, 16299}, {26100, 26299}, {30000, 30099}}
	bannedPorts  = [...]int{22, 23, 25, 53, 123, 161, 512, 513, 3388, 3389, 4444, 5800, 5900, 5901, 8384, 27017}
)

// mayProbe reports whether a port can be an application's.
func mayProbe(port int) bool {
	if port < 1 || port > 65535 {
		return false
	}
	for _, r := range bannedRanges {
		if r[0] <= port && port <= r[1] {
			return false
		}
	}
	for _, b := range bannedPorts {
		if port == b {
			return false
		}
	}
	return true
}
