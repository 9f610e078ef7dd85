package api

import (
	"context"
	"errors"
	"time"

	"github.com/fluxosd/fluxosd/internal/permissions"
)

// socketPoll is how often a socket looks by itself for what it waits for. A
// login on this daemon wakes it at once; one made by another program on a
// shared database is seen by looking.
const socketPoll = 2 * time.Second

// wsRoutes are the rows of /ws: the WebSockets. Their paths are matched with
// regard to letter case, and a query string makes them unknown.
func (s *Server) wsRoutes() []Route {
	return []Route{
		{Method: "GET", Path: "/ws/id/:loginphrase", Level: permissions.Public, Kind: Socket, Attach: s.awaitLogin,
			Summary: "Wait for the login with a phrase",
			Params:  []Param{Path("loginphrase", "string").Need()},
			Result: "{message, zelid, loginPhrase, signature, privilage, createdAt, expireAt}, sent as a JSON envelope and again as a query string; " +
				"then close 4012. A phrase that is gone: an error frame, close 1000. Store failures: close 4011 or 4013"},
		{Method: "GET", Path: "/ws/sign/:message", Level: permissions.Public, Kind: Socket, Attach: s.awaitSignature,
			Summary: "Wait for the signature of a message",
			Params:  []Param{Path("message", "string").Need().Says("address and the last 13 characters of the message")},
			Result: "{signature, identifier, createdAt, expireAt}, sent as a JSON envelope and again as a query string; " +
				"then close 4015. Nothing for 15 minutes: close 1000. Store failure: close 4014"},
		{Method: "GET", Path: "/ws/flux/:port?", Level: permissions.Public, Kind: Socket,
			Summary: "Peer connection from another node",
			Params:  []Param{Path("port", "integer").Or("16127").Says("API port of the connecting node")},
			Result:  "signed JSON messages, or binary frames, in both directions"},
		{Method: "GET", Path: "/ws/payment/:paymentid", Level: permissions.Public, Kind: Socket,
			Summary: "Wait for the report of a payment",
			Params:  []Param{Path("paymentid", "string").Need()},
			Result: "{message, paymentId, txid, coin, chain, explorer, fromAddress, toAddress, amount, receivedAt}, " +
				"sent as a JSON envelope and again as a query string"},
	}
}

// awaitLogin serves /ws/id: it answers when the phrase has its login, or is gone.
func (s *Server) awaitLogin(ctx context.Context, r *Request, sock *Conn) {
	phrase := r.Path("loginphrase")
	s.await(ctx, sock, phrase, permissions.PhraseLife+time.Minute, func() (any, int, error) {
		l, session, err := s.permissions.LoginOf(ctx, phrase)
		switch {
		case err == nil:
			return newLoginBody(l), closeLogin, nil
		case permissions.StoreFailed(err) && session:
			return nil, closeLoginStore, err
		case permissions.StoreFailed(err):
			return nil, closePhraseStore, err
		}
		return nil, closeNormal, err
	})
}

// awaitSignature serves /ws/sign.
func (s *Server) awaitSignature(ctx context.Context, r *Request, sock *Conn) {
	identifier := r.Path("message")
	s.await(ctx, sock, identifier, permissions.SignatureLife, func() (any, int, error) {
		p, err := s.permissions.SignatureOf(ctx, identifier)
		if err != nil {
			return nil, closeSignStore, err
		}
		return newSignatureBody(p), closeSign, nil
	})
}

// await calls look when something arrived for key, and every socketPoll, until
// it gives a result or an error other than ErrPending; it sends that and closes.
func (s *Server) await(ctx context.Context, sock *Conn, key string, limit time.Duration, look func() (data any, code int, err error)) {
	arrived, stop := s.permissions.Await(key)
	defer stop()
	end := time.NewTimer(limit)
	defer end.Stop()
	poll := time.NewTicker(socketPoll)
	defer poll.Stop()
	ping := time.NewTicker(socketPing)
	defer ping.Stop()
	for {
		data, code, err := look()
		switch {
		case err == nil:
			if sock.Send(statusSuccess, data) == nil {
				sock.Close(code, "")
			}
			return
		case !errors.Is(err, permissions.ErrPending):
			if ctx.Err() != nil {
				sock.Close(closeGoingAway, "")
				return
			}
			m, _ := describe(err, "")
			if sock.Send(statusError, m) == nil {
				sock.Close(code, "")
			}
			return
		}
		for waiting := true; waiting; {
			select {
			case <-arrived:
				waiting = false
			case <-poll.C:
				waiting = false
			case <-ping.C:
				if sock.Ping() != nil {
					return
				}
			case <-end.C:
				sock.Close(closeNormal, "nothing arrived in time")
				return
			case <-ctx.Done():
				sock.Close(closeGoingAway, "")
				return
			}
		}
	}
}
