package api

import (
	"context"
	"encoding/json"
	"strconv"

	"github.com/fluxosd/fluxosd/internal/fault"
)

// The handlers of the settings that the owner sees and changes.

func (s *Server) fluxKadena(context.Context, *Request) (any, error) {
	if k := s.host.Settings.Values().Kadena; k != "" {
		return k, nil
	}
	return nil, nil
}

func (s *Server) fluxRouterIP(context.Context, *Request) (any, error) {
	if a := s.host.Settings.Values().RouterIP; a.IsValid() {
		return a.String(), nil
	}
	return "", nil
}

// fluxAPIPort answers a number where somebody chose the port, else the text
// that clients know.
func (s *Server) fluxAPIPort(context.Context, *Request) (any, error) {
	v := s.host.Settings.Values()
	if v.APIPortSet {
		return v.APIPort, nil
	}
	return strconv.Itoa(v.APIPort), nil
}

func (s *Server) fluxBlockedPorts(context.Context, *Request) (any, error) {
	return s.host.Settings.Values().BlockedPorts, nil
}

func (s *Server) fluxBlockedRepositories(context.Context, *Request) (any, error) {
	return s.host.Settings.Values().BlockedRepositories, nil
}

func (s *Server) adjustKadena(ctx context.Context, r *Request) (any, error) {
	return message("Kadena account adjusted", s.host.Settings.SetKadena(ctx, r.Text("account"), r.Text("chainid")))
}

func (s *Server) adjustRouterIP(ctx context.Context, r *Request) (any, error) {
	return message("Router IP adjusted", s.host.Settings.SetRouterIP(ctx, r.Text("routerip")))
}

func (s *Server) adjustAPIPort(ctx context.Context, r *Request) (any, error) {
	return message("API Port adjusted. A restart of FluxOS is necessary", s.host.Settings.SetAPIPort(ctx, r.Text("apiport")))
}

// adjustCruxID refuses: the service behind CruxIDs has ended.
func (s *Server) adjustCruxID(_ context.Context, r *Request) (any, error) {
	if r.Query("cruxid") == "" {
		return nil, fault.New(fault.Invalid, "No Crux ID provided")
	}
	return nil, fault.New(fault.Conflict, "There are no CruxIDs any more: the service behind them has ended. Nothing has to be set instead.")
}

func (s *Server) adjustBlockedPorts(ctx context.Context, r *Request) (any, error) {
	raw, ok := r.Body("blockedPorts")
	if !ok || string(raw) == "null" {
		return nil, fault.New(fault.Invalid, "Missing Blocked Ports Information.")
	}
	ports, err := array[int](raw)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "Blocked Ports is not a valid array: allowed are whole numbers from 1 to 65535, such as [27017, 5432]")
	}
	return message("User Blocked Ports adjusted", s.host.Settings.SetBlockedPorts(ctx, ports))
}

func (s *Server) adjustBlockedRepositories(ctx context.Context, r *Request) (any, error) {
	raw, ok := r.Body("blockedRepositories")
	if !ok || string(raw) == "null" {
		return nil, fault.New(fault.Invalid, "Missing Blocked Repositories Information.")
	}
	names, err := array[string](raw)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, `Blocked Repositories is not a valid array: allowed are texts, such as ["docker.io/library"]`)
	}
	return message("User Blocked Repositories adjusted", s.host.Settings.SetBlockedRepositories(ctx, names))
}

// array reads a JSON array in which no item is null. In a query-string body it
// is a text that holds the array.
func array[T any](raw json.RawMessage) ([]T, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		raw = json.RawMessage(text)
	}
	var items []*T
	if err := json.Unmarshal(raw, &items); err != nil {
		return nil, err
	}
	if items == nil {
		return nil, fault.New(fault.Invalid, "null is no array")
	}
	out := make([]T, 0, len(items))
	for _, i := range items {
		if i == nil {
			return nil, fault.New(fault.Invalid, "null is no item")
		}
		out = append(out, *i)
	}
	return out, nil
}

// message answers a fixed text when a call went well.
func message(text string, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return Message{Message: text}, nil
}

// number reads a parameter that is a whole number within bounds; usual is its
// value when it isn't given.
func number(text string, usual, low, high int, name string) (int, error) {
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		return 0, fault.Newf(fault.Invalid, "%s must be a whole number from %d to %d", name, low, high)
	}
	return n, nil
}
