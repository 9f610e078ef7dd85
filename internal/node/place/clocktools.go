package place

import (
	"errors"
	"regexp"
	"strconv"
)

var (
	errNoOffset  = errors.New("shows no offset")
	errNotSynced = errors.New("isn't synchronised")
)

var (
	chronyOffset = regexp.MustCompile(`(?m)^System time\s*:\s*([0-9]{1,15}(?:\.[0-9]{1,15})?) seconds (slow|fast) of NTP time\s*$`)
	chronyLost   = regexp.MustCompile(`(?m)^Leap status\s*:\s*Not synchronised\s*$`)
)

// parseChrony reads the output of "chronyc tracking": the offset of the system
// clock in seconds, negative when it is slow.
func parseChrony(out []byte) (float64, error) {
	if chronyLost.Match(out) {
		return 0, errNotSynced // and then the offset shown is 0
	}
	m := chronyOffset.FindSubmatch(out)
	if m == nil {
		return 0, errNoOffset
	}
	seconds, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		return 0, errNoOffset
	}
	if string(m[2]) == "slow" {
		seconds = 0 - seconds // and not -seconds, which may be -0
	}
	return seconds, nil
}

var timesyncOffset = regexp.MustCompile(`(?m)^\s*Offset:\s*([+-]?[0-9]{1,15}(?:\.[0-9]{1,15})?)(us|ms|s)\s*$`)

// parseTimesync reads the output of "timedatectl timesync-status": the offset
// in seconds with the sign that is shown. It refuses spans of several units,
// which are a minute and more.
func parseTimesync(out []byte) (float64, error) {
	m := timesyncOffset.FindSubmatch(out)
	if m == nil {
		return 0, errNoOffset
	}
	// The exponent makes the text the nearest float; a product would not be.
	exponent := map[string]string{"s": "", "ms": "e-3", "us": "e-6"}[string(m[2])]
	seconds, err := strconv.ParseFloat(string(m[1])+exponent, 64)
	if err != nil {
		return 0, errNoOffset
	}
	return seconds, nil
}
