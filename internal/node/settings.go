package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/fluxosd/fluxosd/internal/config/edit"
	"github.com/fluxosd/fluxosd/internal/fault"
	"github.com/fluxosd/fluxosd/internal/node/reach"
)

// Values are the settings that the owner changes over the API.
type Values struct {
	Kadena              string     // kadena:<account>?chainid=<0…20> or ""
	RouterIP            netip.Addr // IPv4 or the zero Addr
	BlockedPorts        []int
	BlockedRepositories []string
	UpdateChannel       string // stable or development
	// APIPort is the port from the next start on. APIPortSet tells that somebody
	// chose it.
	APIPort    int
	APIPortSet bool
}

// Editor changes keys of the configuration file, all or none of them.
type Editor interface {
	Set(ctx context.Context, values map[string]any) error
}

// SettingsConfig is what Settings need.
type SettingsConfig struct {
	Now  Values
	File Editor
	// SetBy names what sets a key over the file, "" when nothing does.
	SetBy func(key string) string
	// Listen and TLSListen are the addresses of the API as configured.
	Listen, TLSListen string
}

// Settings hold the settings that change while the daemon runs. A change is
// written to the configuration file first, and counts when it is there. All
// methods are safe for concurrent use.
type Settings struct {
	cfg SettingsConfig

	// changing is held over a change of the file.
	changing chan struct{}

	mu  sync.Mutex // guards now; never held over a call
	now Values
}

// NewSettings returns the settings as configured.
func NewSettings(cfg SettingsConfig) *Settings {
	return &Settings{cfg: cfg, now: cfg.Now, changing: make(chan struct{}, 1)}
}

// Values returns the settings that count now. Its lists are never nil.
func (s *Settings) Values() Values {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.now
	v.BlockedPorts = append([]int{}, v.BlockedPorts...)
	v.BlockedRepositories = append([]string{}, v.BlockedRepositories...)
	return v
}

const maxChainID = 20

// word reports whether text is 1 to most printable characters without spaces
// and without those in not.
func word(text string, most int, not string) bool {
	return text != "" && utf8.RuneCountInString(text) <= most && utf8.ValidString(text) && !strings.ContainsAny(text, not) &&
		!strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) })
}

// SetKadena sets the account for Kadena rewards.
func (s *Settings) SetKadena(ctx context.Context, account, chainID string) error {
	switch {
	case account == "":
		return fault.New(fault.Invalid, "No Kadena Account provided")
	case chainID == "":
		return fault.New(fault.Invalid, "No Kadena Chain ID provided")
	}
	if n, err := strconv.Atoi(chainID); err != nil || n < 0 || n > maxChainID || strconv.Itoa(n) != chainID {
		return fault.Newf(fault.Invalid, "Invalid Chain ID %s provided. Allowed are 0 to %d.", shorten(chainID), maxChainID)
	}
	if !word(account, 256, `?#%&/\"'<>`) { // these would end or change the address around it
		return fault.New(fault.Invalid, `Invalid Kadena Account provided. Allowed are 1 to 256 characters other than spaces and ? # % & / \ " ' < >.`)
	}
	uri := "kadena:" + account + "?chainid=" + chainID
	return s.change(ctx, map[string]any{"node.kadena": uri}, func(v *Values) { v.Kadena = uri })
}

// SetRouterIP sets the address of the router; the empty text lets it be found.
func (s *Settings) SetRouterIP(ctx context.Context, text string) error {
	var a netip.Addr
	if text != "" {
		var err error
		if a, err = netip.ParseAddr(text); err != nil || !a.Is4() || a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.As4()[0] == 0 || a.As4()[0] >= 240 {
			return fault.Newf(fault.Invalid, "Invalid router IP %s provided. Allowed is an IPv4 address such as 192.168.1.1, or nothing.", shorten(text))
		}
	}
	return s.change(ctx, map[string]any{"node.router_ip": text}, func(v *Values) { v.RouterIP = a })
}

// SetAPIPort sets the API port of the next start, and that of the API over TLS
// after it.
func (s *Settings) SetAPIPort(ctx context.Context, text string) error {
	port, err := strconv.Atoi(text)
	if err != nil || !slices.ContainsFunc(reach.APIPorts(), func(p uint16) bool { return int(p) == port }) || strconv.Itoa(port) != text {
		return &fault.Error{Kind: fault.Invalid, Msg: "API Port not valid. Allowed are 16127, 16137, 16147, 16157, 16167, 16177, 16187 and 16197."}
	}
	values := map[string]any{"api.listen": withPort(s.cfg.Listen, port)}
	if s.cfg.TLSListen != "" {
		values["api.tls_listen"] = withPort(s.cfg.TLSListen, port+1)
	}
	return s.change(ctx, values, func(v *Values) { v.APIPort, v.APIPortSet = port, true })
}

func withPort(listen string, port int) string {
	host, _, _ := net.SplitHostPort(listen) // it was checked with the configuration
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// maxListed bounds the lists that are refused to applications: far more than
// the network lets a node have, so that a mistake is told apart from abuse.
const maxListed = 1000

// SetBlockedPorts sets the ports that applications may not use.
func (s *Settings) SetBlockedPorts(ctx context.Context, ports []int) error {
	if len(ports) > maxListed {
		return fault.Newf(fault.TooLarge, "Blocked Ports is not a valid array: at most %d ports are allowed", maxListed)
	}
	for _, p := range ports {
		if p < 1 || p > 65535 {
			return fault.Newf(fault.Invalid, "Blocked Ports is not a valid array: %d is no port, allowed are 1 to 65535", p)
		}
	}
	ports = append([]int{}, ports...)
	return s.change(ctx, map[string]any{"node.blocked_ports": ports}, func(v *Values) { v.BlockedPorts = ports })
}

// imagePrefix reports whether an image's name can begin with text.
func imagePrefix(text string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	return text != "" && len(text) <= 255 && strings.Trim(text, letters+"._-:/@") == "" && strings.Trim(text[:1], letters) == "" &&
		!strings.Contains(text, "..") && !strings.Contains(text, "//")
}

// SetBlockedRepositories sets the beginnings of image names that aren't run.
func (s *Settings) SetBlockedRepositories(ctx context.Context, names []string) error {
	if len(names) > maxListed {
		return fault.Newf(fault.TooLarge, "Blocked Repositories are invalid: at most %d entries are allowed", maxListed)
	}
	for _, n := range names {
		if !imagePrefix(n) {
			return fault.New(fault.Invalid, "Blocked Repositories are invalid: an entry is the beginning of an image name, 1 to 255 letters, digits and . _ - : / @, such as docker.io/library/")
		}
	}
	names = append([]string{}, names...)
	return s.change(ctx, map[string]any{"node.blocked_repositories": names}, func(v *Values) { v.BlockedRepositories = names })
}

// SetUpdateChannel sets which releases an update installs: stable or development.
func (s *Settings) SetUpdateChannel(ctx context.Context, channel string) error {
	if channel != "stable" && channel != "development" {
		return fault.Newf(fault.Invalid, "Invalid update channel %s provided. Allowed are stable or development.", shorten(channel))
	}
	return s.change(ctx, map[string]any{"node.update_channel": channel}, func(v *Values) { v.UpdateChannel = channel })
}

// change writes keys to the file and then lets them count.
func (s *Settings) change(ctx context.Context, values map[string]any, apply func(*Values)) error {
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if by := s.cfg.SetBy(key); by != "" {
			return fault.Newf(fault.Conflict, "%s is set by %s, over the configuration file: change it there", key, by)
		}
	}
	select {
	case s.changing <- struct{}{}:
		defer func() { <-s.changing }()
	case <-ctx.Done():
		return fault.Wrap(fault.Unavailable, ctx.Err(), "The configuration file is being changed by somebody else. Please try again.")
	}
	if err := s.cfg.File.Set(ctx, values); err != nil {
		switch {
		case errors.Is(err, edit.ErrNoFile):
			return fault.Wrap(fault.Conflict, err, "This node runs without a configuration file, so nothing can be changed for good. Start it with --config FILE.")
		case errors.Is(err, edit.ErrBusy):
			return fault.Wrap(fault.Unavailable, err, "The configuration file is being changed by somebody else. Please try again.")
		}
		return fault.Wrap(fault.Unavailable, err, "The configuration file could not be changed: "+reason(err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	apply(&s.now)
	return nil
}

// reason is an error in one line.
func reason(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// shorten quotes what a caller sent, as far as it is of use to show.
func shorten(text string) string {
	const most = 32
	if len(text) > most {
		text = text[:most] + "…"
	}
	return fmt.Sprintf("%q", text)
}
