package reach

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/fluxosd/fluxosd/internal/fault"
	"github.com/fluxosd/fluxosd/internal/logattr"
)

// Limits of requests to keep ports open.
const (
	requestAge  = 10 * time.Minute // of a signed timestamp, both ways
	uptimeTime  = 3 * time.Second
	maxKeepOpen = 1000 // ports of one request
)

// RequestsConfig is what a Requests needs.
type RequestsConfig struct {
	Keys   KeyList
	Prober *Prober
	Logger *slog.Logger     // nil discards
	Now    func() time.Time // nil means time.Now
}

// Requests answers the signed requests of other nodes. Its methods may be
// used from many goroutines.
type Requests struct {
	keys   KeyList
	prober *Prober
	log    *slog.Logger
	now    func() time.Time
	keeper *keeper
}

// NewRequests checks the configuration; Serve does what KeepOpen promised.
func NewRequests(cfg RequestsConfig) (*Requests, error) {
	if cfg.Keys == nil || cfg.Prober == nil {
		return nil, errors.New("reach.NewRequests: Keys and Prober are required")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Requests{keys: cfg.Keys, prober: cfg.Prober, log: cfg.Logger, now: cfg.Now, keeper: newKeeper(cfg.Prober.out)}, nil
}

// AppPorts answers POST /flux/checkappavailability: whether every port in the
// body takes TCP connections at the body's ip. It returns the text of success.
// The body is JSON {ip, port, appname, ports, pubKey, signature}; the
// signature is that of a listed node over the body without it, unless the
// caller is authorised already (the node's admin or the Flux team).
//
// The error is a *fault.Error, or that of ctx.
func (r *Requests) AppPorts(ctx context.Context, body []byte, authorised bool) (string, error) {
	b, err := readBody(body)
	if !authorised {
		if err == nil {
			err = b.verify(r.keys)
		}
		if err != nil {
			return "", fault.Wrap(fault.Invalid, err, "Unable to verify request authenticity")
		}
	}
	var ports []any
	if !b.value("ports", &ports) {
		return "", &fault.Error{Kind: fault.Invalid, Name: "TypeError", Msg: "ports is not iterable"}
	}
	var ip string
	if !b.value("ip", &ip) {
		return "", fault.New(fault.Invalid, "ip must be a public IPv4 address")
	}
	// Test before an installation: a number. Periodic test: a text.
	shown, _ := b.raw("port")
	shown = strings.Trim(shown, `"`)
	if _, err := parsePort(shown); err != nil {
		return "", fault.New(fault.Invalid, "port must be a number from 1 to 65535")
	}
	failed, err := r.prober.Ports(ctx, ip, wholeNumbers(ports))
	switch {
	case err != nil:
		return "", err
	case failed != 0:
		return "", fault.Newf(fault.Unavailable, "Flux Applications on %s:%s are not available. Failed port: %d", ip, shown, failed)
	}
	return "Flux Applications on " + ip + ":" + shown + " are available.", nil
}

// wholeNumbers reads port numbers and their texts; the rest is left out, as
// ports outside the range aren't probed either.
func wholeNumbers(values []any) []int {
	out := make([]int, 0, len(values))
	for _, v := range values {
		switch v := v.(type) {
		case float64:
			if 1 <= v && v <= 65535 && v == math.Trunc(v) {
				out = append(out, int(v))
			}
		case string:
			if n, err := strconv.Atoi(v); err == nil {
				out = append(out, n)
			}
		}
	}
	return out
}

// StatusError refuses a request to keep ports open. The answer has this HTTP
// status and an empty body.
type StatusError struct {
	Status int   // 422, 401 or 503
	Err    error // why, for the log
}

// Error says why.
func (e *StatusError) Error() string { return strconv.Itoa(e.Status) + ": " + e.Err.Error() }

// Unwrap returns why.
func (e *StatusError) Unwrap() error { return e.Err }

// KeepOpen answers POST /flux/keepupnpportsopen: nil is 202, and Serve will
// touch the ports so that the router in front of them keeps its mappings. The
// body is JSON {ip, apiPort, ports, pubKey, timestamp in seconds, signature}.
//
// The error is a *StatusError, never anything else: 422 for a bad shape, more
// than 1000 ports or a timestamp more than 600 s away; 401 without the
// signature of a listed node; 503 when the node's API doesn't answer or too
// much is to be done already.
func (r *Requests) KeepOpen(ctx context.Context, body []byte) error {
	t, b, err := readKeepOpen(body, r.now())
	if err == nil {
		err = r.prober.out.check(t.node.IP)
	}
	if err != nil {
		return &StatusError{http.StatusUnprocessableEntity, err}
	}
	if err := b.verify(r.keys); err != nil {
		return &StatusError{http.StatusUnauthorized, err}
	}
	if err := r.uptime(ctx, t.node); err != nil {
		return &StatusError{http.StatusServiceUnavailable, err}
	}
	if !r.keeper.add(t) {
		return &StatusError{http.StatusServiceUnavailable, errBusy}
	}
	return nil
}

func (r *Requests) uptime(ctx context.Context, a Address) error {
	leave, err := r.prober.enter(ctx, a.IP)
	if err != nil {
		return err
	}
	defer leave()
	var seconds json.RawMessage
	return r.prober.ask(ctx, a, "/flux/uptime", uptimeTime, &seconds)
}

var (
	errShape = errors.New("needed are ip (IPv4), apiPort (an API port), ports (at most 1000), pubKey, timestamp (seconds) and signature")
	errAge   = errors.New("the timestamp is more than 600 s away")
)

// readKeepOpen reads the shape of a request; its signature is not verified.
func readKeepOpen(raw []byte, now time.Time) (keepTask, signedBody, error) {
	b, err := readBody(raw)
	if err != nil {
		return keepTask{}, b, err
	}
	var (
		ip, pubkey, signature string
		apiPort, timestamp    number
		ports                 []int
	)
	if !b.value("ip", &ip) || !b.value("apiPort", &apiPort) || !b.value("ports", &ports) || !b.value("pubKey", &pubkey) ||
		!b.value("timestamp", &timestamp) || !b.value("signature", &signature) || len(ports) > maxKeepOpen {
		return keepTask{}, b, errShape
	}
	if age := now.Sub(time.Unix(int64(timestamp), 0)); age > requestAge || age < -requestAge {
		return keepTask{}, b, errAge
	}
	a := Address{Port: uint16(apiPort)}
	if a.IP, err = parseIPv4(ip); err != nil || number(a.Port) != apiPort || !a.hasAPIPort() {
		return keepTask{}, b, errShape
	}
	t := keepTask{node: a}
	for _, p := range ports {
		if p < 1 || p > 65535 {
			return keepTask{}, b, errShape
		}
		t.ports = append(t.ports, uint16(p))
	}
	return t, b, nil
}

// Serve touches the ports that KeepOpen promised to, until ctx ends.
func (r *Requests) Serve(ctx context.Context) error {
	r.keeper.serve(ctx, func(t keepTask, err error) {
		r.log.Debug("Ports not kept open to the end", logattr.Err(err), slog.String("node", t.node.String()))
	})
	return nil
}
