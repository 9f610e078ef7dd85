package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/fluxosd/fluxosd/internal/node/chaincopy"
)

// The handlers of the rows by which a neighbour copies the chain's data.

func (s *Server) prepareChain(ctx context.Context, r *Request) (any, error) {
	if s.host.ChainCopy == nil {
		return chainRefusal(errStreamingOff)
	}
	if err := s.host.ChainCopy.Prepare(ctx, r.Socket); err != nil {
		return chainRefusal(err)
	}
	return Message{Message: "Daemon stopped, you can start stream chain functionality"}, nil
}

func (s *Server) streamChain(ctx context.Context, r *Request) (any, error) {
	if s.host.ChainCopy == nil {
		return chainRefusal(errStreamingOff)
	}
	t, err := s.host.ChainCopy.Stream(ctx, r.Socket, chaincopy.Options{Unsafe: r.truth("unsafe"), Compress: r.truth("compress")})
	if err != nil {
		return chainRefusal(err)
	}
	return Flow{ContentType: t.ContentType, Headers: map[string]string{"Approx-Content-Length": strconv.FormatInt(t.Size, 10)}, Run: t.WriteTo, Close: t.Close}, nil
}

// errStreamingOff is the answer of a node that hands out no copies.
var errStreamingOff = &chaincopy.Refusal{Status: http.StatusUnprocessableEntity, Reason: "Streaming of the chain is switched off on this node (network.chain_streaming)."}

// chainRefusal answers with the status that clients look at, and the reason as
// text.
func chainRefusal(err error) (any, error) {
	if refused, ok := errors.AsType[*chaincopy.Refusal](err); ok {
		return Raw{Status: refused.Status, ContentType: "text/plain; charset=utf-8", Body: []byte(refused.Reason)}, nil
	}
	return nil, err
}

// truth reports whether a member of the body is true, as JSON or as text.
func (r *Request) truth(name string) bool {
	raw, _ := r.Body(name)
	var text string
	if json.Unmarshal(raw, &text) == nil {
		raw = json.RawMessage(text)
	}
	return string(raw) == "true"
}
