package daemonrpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fluxosd/fluxosd/internal/secret"
)

func TestEnvelopeAndState(t *testing.T) {
	dial := func(errno syscall.Errno) error {
		return &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 16124}, Err: os.NewSyscallError("connect", errno)}
	}
	connection := func(err error) error { return connectionError(err, "127.0.0.1:16124", false) }
	tests := []struct {
		name    string
		err     error
		code    any
		message string
		state   State
	}{
		{"refused", connection(dial(syscall.ECONNREFUSED)), "ECONNREFUSED", "connect ECONNREFUSED 127.0.0.1:16124", StateDown},
		{"no route", connection(dial(syscall.EHOSTUNREACH)), "EHOSTUNREACH", "connect EHOSTUNREACH 127.0.0.1:16124", StateDown},
		{"other dial error", connection(&net.OpError{Op: "dial", Err: errors.New("x")}), "ECONNREFUSED", "connect ECONNREFUSED 127.0.0.1:16124", StateDown},
		{"unknown host", connection(&net.DNSError{Name: "fluxd.invalid"}), "ENOTFOUND", "getaddrinfo ENOTFOUND fluxd.invalid", StateDown},
		{"time-out", timeoutError(40 * time.Second), "ECONNABORTED", "timeout of 40000ms exceeded", StateDown},
		{"dropped", connection(io.EOF), "ECONNRESET", "socket hang up", StateDown},
		{"cut off", connectionError(io.ErrUnexpectedEOF, "", true), "ECONNRESET", "socket hang up", StateDown},
		{"reset", connectionError(&net.OpError{Op: "read", Err: syscall.ECONNRESET}, "", true), "ECONNRESET", "socket hang up", StateDown},
		{"no HTTP", connectionError(errors.New("malformed"), "", true), 500, "Invalid response from the daemon", StateGarbage},
		{"wrong password", statusError(401, ""), 500, "Request failed with status code 401", StateUnauthorised},
		{"host not allowed", statusError(403, ""), 500, "Request failed with status code 403", StateUnauthorised},
		{"text", statusError(500, "Work queue depth exceeded\n"), 500, "Work queue depth exceeded", StateGarbage},
		{"not JSON-RPC", garbageError(200, errNotReply), 500, "Invalid response from the daemon", StateGarbage},
		{"warming up", &RPCError{-28, "Loading block index..."}, -28, "Loading block index...", StateWarmingUp},
		{"refusal", fmt.Errorf("outer: %w", &RPCError{-8, "Block height out of range"}), -8, "Block height out of range", StateOK},
		{"method", &InvalidMethodError{"rm"}, nil, "Invalid Method: rm", StateUnknown},
		{"caller left", fmt.Errorf("call x: %w", context.Canceled), nil, "call x: context canceled", StateUnknown},
		{"closed", ErrClosed, nil, "chain daemon client is closed", StateUnknown},
		{"success", nil, nil, "Unknown error", StateOK},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, name, message := Envelope(tt.err)
			if code != tt.code || name != "Error" || message != tt.message {
				t.Errorf("got %v, %q, %q, want %v, Error, %q", code, name, message, tt.code, tt.message)
			}
			if state := Classify(tt.err); state != tt.state {
				t.Errorf("state %v, want %v", state, tt.state)
			}
		})
	}
}

func TestErrorsSayWhatWasWrong(t *testing.T) {
	tests := []struct {
		err  error
		want string
	}{
		{&RPCError{-5, "No such block"}, "daemon error -5: No such block"},
		{statusError(401, ""), "chain daemon: Request failed with status code 401"},
		{garbageError(200, errReplyID), "chain daemon: Invalid response from the daemon: reply belongs to another call"},
	}
	for _, tt := range tests {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
	if got := State(99).String() + Kind(99).String(); got != "state(99)unknown" {
		t.Errorf("unnamed values print %q", got)
	}
}

func TestSecretsNeverPrint(t *testing.T) {
	conf, err := ParseConf(strings.NewReader("rpcpassword=hunter2\nzelnodeprivkey=hunter2\nother=hunter2\n"))
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{URL: "http://127.0.0.1:1", Password: secret.New("hunter2")}
	client := newClient(t, cfg)
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "password", cfg.Password, "conf", conf)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "password", cfg.Password, "conf", conf)
	js, err := json.Marshal(conf)
	if err != nil {
		t.Fatal(err)
	}
	printed := log.String() + string(js) + fmt.Sprintf("%v %+v %#v %s %q %x %d", conf, conf, conf, conf.Password, conf.NodeKey, conf.NodeKey, conf.NodeKey) +
		fmt.Sprintf("%+v %#v %+v", cfg, cfg.Password, client)
	if strings.Contains(printed, "hunter2") || strings.Contains(printed, "68756e74657232") || !strings.Contains(printed, secret.Mask) {
		t.Errorf("a secret shows, or its mask does not: %s", printed)
	}
}
