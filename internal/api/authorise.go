package api

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/fluxosd/fluxosd/internal/fault"
	"github.com/fluxosd/fluxosd/internal/logattr"
	"github.com/fluxosd/fluxosd/internal/permissions"
)

// credentials reads zelidauth or, without it, the three plain headers.
func credentials(h http.Header) (permissions.Credentials, error) {
	if z := h["Zelidauth"]; len(z) > 1 {
		return permissions.Credentials{}, permissions.ErrMalformed
	} else if len(z) == 1 && z[0] != "" {
		return permissions.ParseZelidauth(z[0])
	}
	return permissions.PlainCredentials(h.Get("Zelid"), h.Get("Signature"), h.Get("Loginphrase"))
}

// identify proves who calls, where the row wants to know.
func (s *Server) identify(c *gin.Context) {
	cl := current(c)
	if cl.route.Level == permissions.Public && !cl.route.ByCaller {
		return
	}
	cred, err := credentials(c.Request.Header)
	if err == nil {
		cl.identity, err = s.permissions.Authenticate(c.Request.Context(), cred)
	}
	if err == nil {
		if wait, ok := s.limits.allowIdentity(cl.remote, cl.identity.FluxID); !ok {
			s.tooMany(c, cl, wait)
		}
		return
	}
	if cl.route.Level == permissions.Public {
		return // whoever doesn't prove an identity is anonymous here
	}
	s.refuse(c, cl, err)
}

// authorise asks the policy. The application is named by the same parameter
// that the handler acts on.
func (s *Server) authorise(c *gin.Context) {
	cl := current(c)
	rt := cl.route
	if rt.Level == permissions.Public {
		return
	}
	app := ""
	if rt.Level.NeedsApp() {
		var ok bool
		if app, ok = s.appName(c, cl); !ok {
			return
		}
	}
	if err := s.permissions.Allow(c.Request.Context(), rt.Level, cl.identity, app); err != nil {
		s.refuse(c, cl, err)
	}
}

// refuse answers every refusal with one text, and keeps the reason for the log.
// When the check itself failed, nobody gets in either, but the caller is told
// so: a client must not take that for the end of its session.
func (s *Server) refuse(c *gin.Context, cl *call, reason error) {
	name := permissions.Reason(reason)
	s.authFailures.WithLabelValues(name).Inc()
	if name == "unavailable" {
		s.log.Warn("Permission can't be checked", logattr.Request(cl.id), logattr.Err(reason))
		s.fail(c, cl, permissions.Unavailable(reason))
	} else {
		e := unauthorized
		e.Err = reason
		s.fail(c, cl, &e)
	}
	cl.outcome = "refused_" + name
}

// appName returns the application that the request names. For rows that name it
// in the body, the body is read here.
func (s *Server) appName(c *gin.Context, cl *call) (string, bool) {
	name := cl.route.AppParam
	if name == "" {
		name = "appname"
	}
	req := requestOf(c, cl)
	for _, p := range cl.route.Params {
		if p.Name == name && p.In == InBody {
			if err := s.readBody(c, cl, req); err != nil {
				s.fail(c, cl, err)
				return "", false
			}
			v, given, text := req.BodyText(name)
			if given && !text {
				s.fail(c, cl, fault.New(fault.Invalid, name+" must be text"))
				return "", false
			}
			cl.app = permissions.AppOf(v)
			return v, true
		}
	}
	v := req.Text(name)
	cl.app = permissions.AppOf(v)
	return v, true
}
