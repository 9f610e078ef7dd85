package permissions

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fluxosd/fluxosd/internal/wallet"
)

// Identity is who a caller has proved to be. The zero Identity is anonymous.
type Identity struct {
	// FluxID is as the caller wrote it, and empty for anonymous callers.
	FluxID string
	// Phrase is the login phrase that the proof was made with.
	Phrase string
	// IssuedAt is the time in the phrase.
	IssuedAt time.Time
	// Session tells that the login is stored on this node.
	Session bool
}

// Anonymous reports whether the caller proved nothing.
func (id Identity) Anonymous() bool { return id.FluxID == "" }

// Reasons for a refusal. Callers read one text for all of them; the reason is
// for the log and the metrics.
var (
	// ErrBadSignature says that the signature is not the identity's own over the text.
	ErrBadSignature = errors.New("signature does not verify")
	// ErrExpired says that the login phrase is too old, from the future, or has no time.
	ErrExpired = errors.New("login phrase is not current")
	// ErrNoSession says that the level demands a session stored on this node.
	ErrNoSession = errors.New("no session")
	// ErrNotPermitted says that the identity has not the right.
	ErrNotPermitted = errors.New("not permitted")
	// ErrNoApp says that the request names no known application.
	ErrNoApp = errors.New("no such application")
)

// Reason names the refusal for metrics.
func Reason(err error) string {
	for _, r := range []struct {
		err  error
		name string
	}{
		{ErrNoCredentials, "no_credentials"}, {ErrMalformed, "malformed"}, {ErrBadSignature, "bad_signature"}, {ErrExpired, "expired"},
		{ErrNoSession, "no_session"}, {ErrNotPermitted, "not_permitted"}, {ErrNoApp, "no_app"},
	} {
		if errors.Is(err, r.err) {
			return r.name
		}
	}
	return "unavailable"
}

// CanonicalID returns the form in which the owners of rights are compared:
// Bitcoin addresses as they are, Ethereum addresses in checksum form (EIP-55).
// Sessions are kept, and shown, under the address as its holder wrote it.
func CanonicalID(fluxID string) string {
	if !strings.HasPrefix(fluxID, "0x") {
		return fluxID
	}
	sum, err := wallet.ChecksumAddress(fluxID)
	if err != nil {
		return fluxID
	}
	return sum
}

// AppOf returns the application that a name means: a component is written
// component_application, and everything after the first underscore names the
// application.
func AppOf(name string) string {
	if _, app, ok := strings.Cut(name, "_"); ok {
		return app
	}
	return name
}

// IsAdmin reports whether the caller is the node owner with a session here.
func (s *Service) IsAdmin(id Identity) bool {
	return id.Session && s.ownsNode(id)
}

func (s *Service) isTeam(id Identity) bool {
	return id.Session && s.inTeam(id)
}

func (s *Service) ownsNode(id Identity) bool {
	return !id.Anonymous() && CanonicalID(id.FluxID) == s.admin
}

func (s *Service) inTeam(id Identity) bool {
	return !id.Anonymous() && slices.Contains(s.team, CanonicalID(id.FluxID))
}

// Allow answers whether the identity may use a route of that level. For the
// application levels, app is the name from the request, component names
// included. Any error means no; package variables above name the reasons.
func (s *Service) Allow(ctx context.Context, level Level, id Identity, app string) error {
	if level == Public {
		return nil
	}
	if id.Anonymous() {
		return ErrNoCredentials
	}
	switch level {
	case User:
		return nil
	case Admin:
		return need(id, s.ownsNode(id))
	case FluxTeam:
		return need(id, s.inTeam(id))
	case AdminAndFluxTeam:
		return need(id, s.ownsNode(id) || s.inTeam(id))
	case AppOwner, AppOwnerAbove:
		return s.allowApp(ctx, level, id, app)
	}
	return ErrNotPermitted
}

// need wants both the identity and a session on this node.
func need(id Identity, is bool) error {
	switch {
	case !is:
		return ErrNotPermitted
	case !id.Session:
		return ErrNoSession
	}
	return nil
}

func (s *Service) allowApp(ctx context.Context, level Level, id Identity, app string) error {
	if app = AppOf(app); app == "" {
		return ErrNoApp
	}
	if !id.Session && s.now().Sub(id.IssuedAt) > appPhraseAge {
		return ErrExpired
	}
	if level == AppOwnerAbove {
		if s.inTeam(id) || (s.operatorMayManageApps && s.ownsNode(id)) {
			return nil
		}
	}
	owner, err := s.owners.AppOwner(ctx, app)
	switch {
	case errors.Is(err, ErrNoRecord):
		return ErrNoApp
	case err != nil:
		return fmt.Errorf("look up owner of %s: %w", app, err)
	case owner == "" || CanonicalID(owner) != CanonicalID(id.FluxID):
		return ErrNotPermitted
	}
	return nil
}
