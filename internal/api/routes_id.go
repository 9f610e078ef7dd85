package api

import (
	"context"
	"crypto/rand"
	"strconv"
	"strings"
	"time"

	"github.com/fluxosd/fluxosd/internal/fault"
	"github.com/fluxosd/fluxosd/internal/permissions"
)

// idRoutes are the rows of /id: login phrases, logins and sessions, and of
// /zelid, its old name.
func (s *Server) idRoutes() []Route {
	claim := func(message string) []Param {
		return []Param{
			Body("zelid", "string").Need().Says("Flux ID: a Bitcoin address 1… or an Ethereum address 0x…; also accepted as address"),
			Body("loginPhrase", "string").Need().Says(message),
			Body("signature", "string").Need().Says("base64 for Bitcoin messages, 0x… for Ethereum personal_sign"),
		}
	}
	const stores, verifies = 10, 5 // costs
	rows := []Route{
		{Method: "GET", Path: "/id/loginphrase", Level: permissions.Public, Cost: stores,
			Summary: "Issue a login phrase to sign", Result: "string: 13 digits of the time in ms and a random tail, valid 15 minutes", Handle: s.loginPhrase},
		{Method: "GET", Path: "/id/emergencyphrase", Level: permissions.Public, Cost: stores,
			Summary: "Issue a login phrase without the node's health checks", Result: "string: as /id/loginphrase", Handle: s.emergencyPhrase},
		{Method: "GET", Path: "/id/loggedsessions", Level: permissions.User,
			Summary: "Sessions of the caller", Result: "array of {zelid, loginPhrase, createdAt, expireAt}", Handle: s.loggedSessions},
		{Method: "GET", Path: "/id/logoutcurrentsession", Level: permissions.User,
			Summary: "End the session of this call", Result: "message", Handle: s.logoutCurrent},
		{Method: "GET", Path: "/id/logoutallsessions", Level: permissions.User,
			Summary: "End all sessions of the caller", Result: "message", Handle: s.logoutAll},
		{Method: "GET", Path: "/id/loggedusers", Level: permissions.Admin,
			Summary: "Sessions of everybody", Result: "array of {zelid, loginPhrase, createdAt, expireAt}", Handle: s.loggedUsers},
		{Method: "GET", Path: "/id/activeloginphrases", Level: permissions.Admin,
			Summary: "Login phrases that wait for a login", Result: "array of {loginPhrase, createdAt, expireAt}", Handle: s.activePhrases},
		{Method: "GET", Path: "/id/logoutallusers", Level: permissions.Admin,
			Summary: "End every session on this node", Result: "message", Handle: s.logoutEverybody},
		{Method: "POST", Path: "/id/verifylogin", Level: permissions.Public, Cost: verifies, Params: claim("the issued phrase, or a Sign-In with Ethereum text that carries it; also accepted as message"),
			Summary: "Log in with a signed phrase", Result: "{message, zelid, loginPhrase, signature, privilage, createdAt, expireAt}", Handle: s.verifyLogin},
		{Method: "POST", Path: "/id/providesign", Level: permissions.Public, Cost: stores, Params: claim("the signed message, 40 characters at least; also accepted as message"),
			Summary: "Leave a signature for the one who waits for it", Result: "{signature, identifier, createdAt, expireAt, _id}", Handle: s.provideSign},
		{Method: "POST", Path: "/id/checkprivilege", Level: permissions.Public, Cost: verifies, Params: claim("the phrase of the session"),
			Summary: "Tell which privilege credentials have", Result: "message: admin, fluxteam or user", Handle: s.checkPrivilege},
		{Method: "POST", Path: "/id/logoutspecificsession", Level: permissions.User,
			Params:  []Param{Body("loginPhrase", "string").Need().Says("phrase of the session to end; knowing it is the proof")},
			Summary: "End the session with a login phrase", Result: "message, or a warning when there is none", Handle: s.logoutSpecific},
	}
	for _, r := range rows[:len(rows):len(rows)] {
		r.Alias = r.Path
		r.Path = "/zelid" + strings.TrimPrefix(r.Path, "/id")
		r.Deprecated = true
		rows = append(rows, r)
	}
	return rows
}

// sessionBody is a session as it is shown.
type sessionBody struct {
	FluxID    string   `json:"zelid"`
	Phrase    string   `json:"loginPhrase"`
	CreatedAt jsonTime `json:"createdAt"`
	ExpireAt  jsonTime `json:"expireAt"`
}

type phraseBody struct {
	Phrase    string   `json:"loginPhrase"`
	CreatedAt jsonTime `json:"createdAt"`
	ExpireAt  jsonTime `json:"expireAt"`
}

type loginBody struct {
	Message   string   `json:"message"`
	FluxID    string   `json:"zelid"`
	Phrase    string   `json:"loginPhrase"`
	Signature string   `json:"signature,omitempty"`
	Privilege string   `json:"privilage"` // the spelling that clients know
	CreatedAt jsonTime `json:"createdAt"`
	ExpireAt  jsonTime `json:"expireAt"`
}

type signatureBody struct {
	Signature  string   `json:"signature"`
	Identifier string   `json:"identifier"`
	CreatedAt  jsonTime `json:"createdAt"`
	ExpireAt   jsonTime `json:"expireAt"`
	ID         string   `json:"_id,omitempty"`
}

// jsonTime is written as ISO 8601 in UTC with three digits of milliseconds, as
// JavaScript writes a Date.
type jsonTime time.Time

// MarshalJSON implements json.Marshaler.
func (t jsonTime) MarshalJSON() ([]byte, error) {
	return time.Time(t).UTC().AppendFormat(nil, `"2006-01-02T15:04:05.000Z"`), nil
}

func (s *Server) loginPhrase(ctx context.Context, _ *Request) (any, error) {
	if err := s.health.CheckLogin(ctx); err != nil {
		return nil, err
	}
	return s.permissions.IssuePhrase(ctx)
}

func (s *Server) emergencyPhrase(ctx context.Context, _ *Request) (any, error) {
	return s.permissions.IssuePhrase(ctx)
}

// claimOf reads the three members of a login. A member under its other name
// counts when the first is empty.
func claimOf(r *Request) permissions.Claim {
	var c permissions.Claim
	read := func(into **string, odd *bool, names ...string) {
		s, given, text := r.BodyText(names...)
		if given && text {
			*into = &s
		}
		*odd = given && !text
	}
	read(&c.FluxID, &c.NotString.FluxID, "zelid", "address")
	read(&c.Message, &c.NotString.Message, "loginPhrase", "message")
	read(&c.Signature, &c.NotString.Signature, "signature")
	return c
}

func (s *Server) verifyLogin(ctx context.Context, r *Request) (any, error) {
	l, err := s.permissions.VerifyLogin(ctx, claimOf(r))
	if err != nil {
		return nil, err
	}
	s.logins.WithLabelValues(l.Privilege).Inc()
	return newLoginBody(l), nil
}

func newLoginBody(l permissions.Login) loginBody {
	return loginBody{Message: "Successfully logged in", FluxID: l.FluxID, Phrase: l.Phrase, Signature: l.Signature,
		Privilege: l.Privilege, CreatedAt: jsonTime(l.CreatedAt), ExpireAt: jsonTime(l.ExpireAt)}
}

func newSignatureBody(p permissions.ProvidedSignature) signatureBody {
	return signatureBody{Signature: p.Signature, Identifier: p.Identifier, CreatedAt: jsonTime(p.CreatedAt), ExpireAt: jsonTime(p.ExpireAt)}
}

func (s *Server) provideSign(ctx context.Context, r *Request) (any, error) {
	p, err := s.permissions.ProvideSignature(ctx, claimOf(r))
	if err != nil {
		return nil, err
	}
	b := newSignatureBody(p)
	b.ID = objectID(p.CreatedAt)
	return b, nil
}

// objectID returns 24 hex digits like those of a BSON ObjectID: the time in
// seconds, then random. Clients expect one in the answer; nothing is found by it.
func objectID(t time.Time) string {
	return strconv.FormatInt(t.Unix()&0xffffffff|1<<32, 16)[1:] + randomHex(rand.Read, 8)
}

func (s *Server) checkPrivilege(ctx context.Context, r *Request) (any, error) {
	privilege, err := s.permissions.CheckPrivilege(ctx, claimOf(r))
	if err != nil {
		return nil, err
	}
	if privilege == "none" {
		return nil, &fault.Error{Kind: fault.Invalid, Msg: privilege}
	}
	return Message{Message: privilege}, nil
}

func (s *Server) loggedSessions(ctx context.Context, r *Request) (any, error) {
	held, err := s.permissions.SessionsOf(ctx, r.Caller)
	return sessionBodies(held), err
}

func (s *Server) loggedUsers(ctx context.Context, _ *Request) (any, error) {
	all, err := s.permissions.Sessions(ctx)
	return sessionBodies(all), err
}

func sessionBodies(all []permissions.Session) []sessionBody {
	out := make([]sessionBody, len(all))
	for i, x := range all {
		out[i] = sessionBody{x.FluxID, x.Phrase, jsonTime(x.CreatedAt), jsonTime(x.ExpireAt)}
	}
	return out
}

func (s *Server) activePhrases(ctx context.Context, _ *Request) (any, error) {
	all, err := s.permissions.Phrases(ctx)
	out := make([]phraseBody, len(all))
	for i, p := range all {
		out[i] = phraseBody{p.Text, jsonTime(p.CreatedAt), jsonTime(p.ExpireAt)}
	}
	return out, err
}

func (s *Server) logoutCurrent(ctx context.Context, r *Request) (any, error) {
	return Message{Message: "Successfully logged out"}, s.permissions.Logout(ctx, r.Caller)
}

func (s *Server) logoutAll(ctx context.Context, r *Request) (any, error) {
	return Message{Message: "Successfully logged out all sessions"}, s.permissions.LogoutAll(ctx, r.Caller)
}

func (s *Server) logoutEverybody(ctx context.Context, _ *Request) (any, error) {
	return Message{Message: "Successfully logged out all users"}, s.permissions.LogoutEverybody(ctx)
}

func (s *Server) logoutSpecific(ctx context.Context, r *Request) (any, error) {
	phrase, given, text := r.BodyText("loginPhrase")
	if given && !text {
		return nil, fault.New(fault.Invalid, "loginPhrase must be text")
	}
	ended, err := s.permissions.LogoutPhrase(ctx, phrase)
	switch {
	case err != nil:
		return nil, err
	case !ended:
		return Warning{Message{Message: "Specified user was already logged out"}}, nil
	}
	return Message{Message: "Session successfully logged out"}, nil
}
