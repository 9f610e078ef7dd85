package gateway

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode"
)

// Protocol is the transport of a mapping.
type Protocol string

// The transports that can be mapped.
const (
	TCP Protocol = "tcp"
	UDP Protocol = "udp"
)

// Descriptions of the node's own mappings. Every description starts with
// Prefix; that is how a mapping is known to be ours.
const (
	Prefix               = "Flux_"
	DescriptionAPI       = "Flux_Backend_API"
	DescriptionTLS       = "Flux_Backend_API_SSL"
	DescriptionUI        = "Flux_Home_UI"
	DescriptionSyncthing = "Flux_Syncthing"
	DescriptionManual    = "Flux_manual_entry"
	DescriptionTest      = "Flux_UPNP_Mapping_Test"
)

// maxLease is the longest lease that IGD version 2 knows, in which a longer one
// means the same.
const maxLease = 7 * 24 * time.Hour

// Mapping is one port of the router and where it leads. Callers of Map set
// Port, Protocol, Description and Lease; the other fields are what a router
// reports.
type Mapping struct {
	Port        uint16 // the router's port
	Protocol    Protocol
	Description string
	Lease       time.Duration // 0: for ever. Reported: what is left, where the router says so

	Remote       string // the only host that may use it, "" for all
	Client       netip.Addr
	InternalPort uint16
	Enabled      bool
	Local        bool // leads to this node
}

// endpoint is the JSON shape of one end of a mapping.
type endpoint struct {
	Host string `json:"host"`
	Port uint16 `json:"port"`
}

// MarshalJSON writes the shape that clients of /flux/getmap read:
// {public{host,port}, private{host,port}, protocol, enabled, description, ttl,
// local}, with ttl in seconds.
func (m Mapping) MarshalJSON() ([]byte, error) {
	host := ""
	if m.Client.IsValid() {
		host = m.Client.String()
	}
	return json.Marshal(struct {
		Public      endpoint `json:"public"`
		Private     endpoint `json:"private"`
		Protocol    Protocol `json:"protocol"`
		Enabled     bool     `json:"enabled"`
		Description string   `json:"description"`
		TTL         int64    `json:"ttl"`
		Local       bool     `json:"local"`
	}{endpoint{m.Remote, m.Port}, endpoint{host, m.InternalPort}, m.Protocol, m.Enabled, m.Description, int64(m.Lease / time.Second), m.Local})
}

// key is what a router tells mappings apart by.
type key struct {
	port     uint16
	protocol Protocol
}

func (m Mapping) key() key { return key{m.Port, m.Protocol} }

func (k key) String() string { return fmt.Sprintf("%d/%s", k.port, k.protocol) }

func (k key) check() error {
	if k.port == 0 {
		return invalid("Port 0 can't be mapped, ports are 1 to 65535")
	}
	if k.protocol != TCP && k.protocol != UDP {
		return invalid("Protocol %.20q is not tcp or udp", string(k.protocol))
	}
	return nil
}

// check accepts what Map may be asked for.
func (m Mapping) check() error {
	if err := m.key().check(); err != nil {
		return err
	}
	if len(m.Description) <= len(Prefix) || len(m.Description) > 128 || !strings.HasPrefix(m.Description, Prefix) || !plain(m.Description) {
		return invalid("Description %.140q is not %s and 1 to 123 letters, digits or any of ._-", m.Description, Prefix)
	}
	if m.Lease < 0 || m.Lease > maxLease || m.Lease%time.Second != 0 {
		return invalid("Lease %v is not 0 (for ever) or whole seconds up to %v", m.Lease, maxLease)
	}
	return nil
}

func plain(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && !strings.ContainsRune("._-", rune(c)) {
			return false
		}
	}
	return true
}

// holder says who has a mapping.
func (m Mapping) holder() string {
	if !m.Client.IsValid() {
		return fmt.Sprintf("a host that the gateway doesn't tell, %q", m.Description)
	}
	return fmt.Sprintf("%v, %q", m.Client, m.Description)
}

func compareMappings(a, b Mapping) int {
	return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Protocol, b.Protocol))
}

// maxForeign bounds a text that a router gave us, in bytes.
const maxForeign = 200

// foreign makes a text of a router fit for logs, errors and JSON.
func foreign(s string) string {
	if len(s) > maxForeign {
		s = s[:maxForeign]
	}
	s = strings.ToValidUTF8(s, "")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s))
}
