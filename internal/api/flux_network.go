package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"unicode"

	"github.com/fluxosd/fluxosd/internal/fault"
	"github.com/fluxosd/fluxosd/internal/node/gateway"
	"github.com/fluxosd/fluxosd/internal/node/privileged"
	"github.com/fluxosd/fluxosd/internal/node/reach"
	"github.com/fluxosd/fluxosd/internal/permissions"
)

// The handlers of the rows about the node's standing, its reach, its ports.

func (s *Server) fluxDOS(context.Context, *Request) (any, error) { return s.host.DOS.State(), nil }

// setDOS sets the DOS state on test networks.
func (s *Server) setDOS(_ context.Context, r *Request) (any, error) {
	if !s.host.TestControls {
		return nil, &fault.Error{Kind: fault.SwitchedOff, Msg: "Not available"}
	}
	raw, _ := r.Body("dosState")
	var score *float64
	if err := json.Unmarshal(raw, &score); err != nil || score == nil {
		return nil, &fault.Error{Kind: fault.Invalid, Msg: "dosState must be a number"}
	}
	text, _, isText := r.BodyText("dosMessage")
	if !isText {
		return nil, &fault.Error{Kind: fault.Invalid, Msg: "dosMessage must be text"}
	}
	const longest = 500
	if len(text) > longest || strings.ContainsFunc(text, unicode.IsControl) {
		return nil, &fault.Error{Kind: fault.Invalid, Msg: "dosMessage must be text of at most 500 bytes without control characters"}
	}
	if err := s.host.DOS.Set(*score, text); err != nil {
		return nil, &fault.Error{Kind: fault.Invalid, Msg: err.Error()}
	}
	return struct {
		Message any `json:"message"`
	}{s.host.DOS.State()}, nil
}

// probeNode tells another node whether a third is reachable from here.
func (s *Server) probeNode(ctx context.Context, r *Request) (any, error) {
	return message("Asking Flux is available", s.host.Prober.Node(ctx, r.Text("ip"), r.Text("port")))
}

// trusted reports whether the caller may do what else needs a node's signature.
func (s *Server) trusted(ctx context.Context, r *Request) bool {
	return !r.Caller.Anonymous() && s.permissions.Allow(ctx, permissions.AdminAndFluxTeam, r.Caller, "") == nil
}

func (s *Server) probePorts(ctx context.Context, r *Request) (any, error) {
	return said(s.host.Requests.AppPorts(ctx, r.RawBody(), s.trusted(ctx, r)))
}

// keepPortsOpen answers with a status and no body.
func (s *Server) keepPortsOpen(ctx context.Context, r *Request) (any, error) {
	err := s.host.Requests.KeepOpen(ctx, r.RawBody())
	if refused, ok := errors.AsType[*reach.StatusError](err); ok {
		return Raw{Status: refused.Status}, nil
	}
	if err != nil {
		return nil, err
	}
	return Raw{Status: http.StatusAccepted}, nil
}

// errNoPort says that the port is missing.
var errNoPort = fault.New(fault.Invalid, "No Port address specified.")

func (s *Server) allowPort(ctx context.Context, r *Request) (any, error) {
	text := r.Text("port")
	if text == "" {
		return nil, &fault.Error{Kind: fault.Invalid, Msg: errNoPort.Msg}
	}
	port, err := privileged.ParsePort(text)
	if err != nil {
		return nil, err
	}
	wall, err := s.host.Firewall(ctx)
	if err != nil {
		return nil, err
	}
	opened, err := privileged.AllowPort(ctx, wall, port)
	if err != nil {
		if _, ok := errors.AsType[*fault.Error](err); ok {
			return nil, err
		}
		return nil, &fault.Error{Kind: fault.Unavailable, Msg: "Unknown error while opening port " + text, Err: err}
	}
	// What keeps the port closed all the same belongs into the answer.
	said := strings.Join(append([]string{opened.Message}, opened.Advice...), ". ")
	return Message{Code: text, Name: text, Message: said}, nil
}

func (s *Server) mapPort(ctx context.Context, r *Request) (any, error) {
	return s.eachProtocol(r, "Port mapped", func(port uint16, p gateway.Protocol) error {
		return s.host.Gateway.Map(ctx, gateway.Mapping{Port: port, Protocol: p, Description: gateway.DescriptionManual})
	}, func(port uint16, p gateway.Protocol) { s.host.Gateway.Unmap(ctx, port, p) })
}

func (s *Server) unmapPort(ctx context.Context, r *Request) (any, error) {
	return s.eachProtocol(r, "Port unmapped", func(port uint16, p gateway.Protocol) error {
		return s.host.Gateway.Unmap(ctx, port, p)
	}, func(uint16, gateway.Protocol) {})
}

// eachProtocol does something with a port for TCP and for UDP; undo takes back
// the first when the second fails.
func (s *Server) eachProtocol(r *Request, done string, do func(uint16, gateway.Protocol) error, undo func(uint16, gateway.Protocol)) (any, error) {
	text := r.Text("port")
	if text == "" {
		return nil, errNoPort
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 {
		return nil, fault.New(fault.Invalid, "Port needs to be a number from 1 to 65535")
	}
	if err := do(uint16(port), gateway.TCP); err != nil {
		return nil, err
	}
	if err := do(uint16(port), gateway.UDP); err != nil {
		undo(uint16(port), gateway.TCP) // half of it would be a surprise; the caller hears of the first error
		return nil, err
	}
	return Message{Message: done}, nil
}

func (s *Server) portMappings(ctx context.Context, _ *Request) (any, error) {
	list, err := s.host.Gateway.List(ctx)
	if list == nil {
		list = []gateway.Mapping{}
	}
	return list, err
}

func (s *Server) gatewayIP(ctx context.Context, _ *Request) (any, error) {
	a, err := s.host.Gateway.ExternalIP(ctx)
	if err != nil {
		return nil, err
	}
	return a.String(), nil
}

func (s *Server) gatewayDevice(ctx context.Context, _ *Request) (any, error) {
	return s.host.Gateway.Describe(ctx)
}
