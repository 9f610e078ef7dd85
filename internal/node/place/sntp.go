package place

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/beevik/ntp"
)

const (
	sntpTimeout = 5 * time.Second
	sntpServers = 8 // most servers that are asked
	// sntpSpread is how far an answer may be from the median and still support
	// it, in seconds. Honest servers differ by their round trip at most.
	sntpSpread = 0.5
)

var ntpServer = regexp.MustCompile(`^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]{1,253})(:[0-9]{1,5})?$`)

// checkServers checks a list of NTP servers: none, or 2 to 8 different ones,
// host or host:port.
func checkServers(servers []string) error {
	var errs []error
	for i, s := range servers {
		switch {
		case !ntpServer.MatchString(s):
			errs = append(errs, fmt.Errorf("NTP server %q: want a host name or address, with or without port, such as ntp.example.com or [2001:db8::1]:123", s))
		case slices.Contains(servers[:i], s):
			errs = append(errs, fmt.Errorf("NTP server %q: listed twice", s))
		}
	}
	if len(servers) == 1 || len(servers) > sntpServers {
		errs = append(errs, fmt.Errorf("NTP servers: want none or 2 to %d, not %d: one alone can't be checked", sntpServers, len(servers)))
	}
	return errors.Join(errs...)
}

// askServers asks NTP servers (RFC 5905, client mode) all at once and returns
// the median of the offsets of the own clock in seconds, negative when it is
// slow. It takes two valid answers that support it.
func askServers(ctx context.Context, servers []string) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, sntpTimeout)
	defer cancel()
	type answer struct {
		offset float64
		err    error
	}
	answers := make(chan answer, len(servers))
	for _, s := range servers {
		go func() {
			offset, err := askServer(ctx, s)
			answers <- answer{offset, err}
		}()
	}
	var offsets []float64
	var failed []string
	for range servers { // every server answers: askServer ends with ctx
		if a := <-answers; a.err != nil {
			failed = append(failed, clip(a.err.Error()))
		} else {
			offsets = append(offsets, a.offset)
		}
	}
	slices.Sort(failed)
	offset, err := median(offsets)
	if err != nil {
		return 0, errors.New(strings.Join(append([]string{err.Error()}, failed...), "; "))
	}
	return offset, nil
}

// askServer returns what one server says, as askServers does.
func askServer(ctx context.Context, server string) (float64, error) {
	var stop func() bool
	resp, err := ntp.QueryWithOptions(server, ntp.QueryOptions{
		Timeout: sntpTimeout,
		Dialer: func(_, remote string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, "udp", remote)
			if err == nil {
				stop = context.AfterFunc(ctx, func() { conn.Close() })
			}
			return conn, err
		},
	})
	if stop != nil {
		stop()
	}
	if err == nil {
		err = resp.Validate()
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", server, err)
	}
	return -resp.ClockOffset.Seconds(), nil
}

// median returns the median of offsets, if two of them support it.
func median(offsets []float64) (float64, error) {
	if len(offsets) < 2 {
		return 0, fmt.Errorf("%d servers answered, want 2", len(offsets))
	}
	slices.Sort(offsets)
	n := len(offsets)
	m := (offsets[(n-1)/2] + offsets[n/2]) / 2
	support := 0
	for _, o := range offsets {
		if math.Abs(o-m) <= sntpSpread {
			support++
		}
	}
	if support < 2 {
		return 0, fmt.Errorf("the servers disagree by %.3f s", offsets[n-1]-offsets[0])
	}
	return m, nil
}
