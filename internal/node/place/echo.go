package place

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

const (
	echoTimeout = 5 * time.Second
	echoLimit   = 1 << 10 // bytes
)

// echo is a service that answers with the address of its caller.
type echo struct {
	url  string
	host string // names it in texts, and makes it one voice
}

// parseEchoes checks the addresses of echo services. One without a scheme gets
// https. Two on the same host are an error, because they would be one voice
// counted twice.
func parseEchoes(addresses []string) ([]echo, error) {
	var list []echo
	var errs []error
	seen := make(map[string]bool)
	for _, a := range addresses {
		full := a
		if !strings.Contains(a, "://") {
			full = "https://" + a
		}
		u, err := checkService(full)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("echo service %q: %w, such as https://ip.example.com", a, err))
		case seen[strings.ToLower(u.Hostname())]:
			errs = append(errs, fmt.Errorf("echo service %q: its host is listed twice, want another one: a service can't confirm itself", a))
		default:
			seen[strings.ToLower(u.Hostname())] = true
			list = append(list, echo{url: full, host: u.Host})
		}
	}
	return list, errors.Join(errs...)
}

// parseEcho reads an echo service's answer: the address alone, or JSON with a
// member ip. The address has to be of the family that was asked over.
func parseEcho(body []byte, want family) (netip.Addr, error) {
	text := strings.TrimSpace(string(body))
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
		var o struct {
			IP string `json:"ip"`
		}
		if err := json.Unmarshal(body, &o); err != nil {
			return netip.Addr{}, errors.New("answered with JSON that is none")
		}
		text = o.IP
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}, errors.New("answered with no address")
	}
	addr = addr.Unmap()
	if familyOf(addr) != want {
		return netip.Addr{}, fmt.Errorf("answered with %s, which is no %s address", addr, want)
	}
	return addr, nil
}
