package permissions

import (
	"context"
	"errors"
	"time"

	"github.com/fluxosd/fluxosd/internal/fault"
	"github.com/fluxosd/fluxosd/internal/wallet"
)

// signatureFetch is how long after a login its signature can still be fetched
// by the one who waits for it with the phrase.
const signatureFetch = 60 * time.Second

// Texts of the login rules. Clients compare them.
const (
	msgNoFluxID     = "No Flux ID is specified"
	msgBadFluxID    = "Flux ID is not valid"
	msgNoMessage    = "No message is specified"
	msgBadMessage   = "Signed message is not valid"
	msgNoSignature  = "No signature is specified"
	msgPhraseGone   = "Signed message is no longer valid. Please request a new one."
	msgBadSignature = "Invalid signature"
)

// Claim is what a wallet sends to log in or to leave a signature. A member is
// nil when it was not given, and a pointer to "" when it was empty or false;
// anything that is not a string is reported by NotString.
type Claim struct {
	FluxID, Message, Signature *string
	// NotString marks members that were given as something else than text.
	NotString struct{ FluxID, Message, Signature bool }
}

// Login is a session as its holder sees it.
type Login struct {
	FluxID    string
	Phrase    string
	Signature string
	Privilege string // "fluxteam", "admin" or "user"
	CreatedAt time.Time
	ExpireAt  time.Time
}

// IssuePhrase makes a login phrase and stores it for PhraseLife.
func (s *Service) IssuePhrase(ctx context.Context) (string, error) {
	now := s.now()
	p := Phrase{Text: newPhrase(now), CreatedAt: now, ExpireAt: now.Add(PhraseLife)}
	if err := s.records.AddPhrase(ctx, p); err != nil {
		return "", Unavailable(err)
	}
	return p.Text, nil
}

// VerifyLogin turns a signed phrase into a session. The phrase is good for one
// login. Failures carry the documented texts, the first that applies.
func (s *Service) VerifyLogin(ctx context.Context, c Claim) (Login, error) {
	if err := c.check(); err != nil {
		return Login{}, err
	}
	phrase, ok := phraseOf(*c.Message)
	if !ok || len(*c.Message) > maxSignedText {
		return Login{}, invalid(msgBadMessage)
	}
	issued, ok := phraseTime(phrase)
	now := s.now()
	if age := now.Sub(issued); !ok || len(phrase) > maxPhrase || age < 0 || age > PhraseLife {
		return Login{}, invalid(msgBadMessage)
	}
	if err := c.checkSignature(); err != nil {
		return Login{}, err
	}
	if _, err := s.records.FindPhrase(ctx, phrase); errors.Is(err, ErrNoRecord) {
		return Login{}, invalid(msgPhraseGone)
	} else if err != nil {
		return Login{}, Unavailable(err)
	}
	p, err := s.prove(Credentials{FluxID: *c.FluxID, Text: *c.Message, Signature: *c.Signature})
	if err != nil {
		return Login{}, fault.Wrap(fault.Invalid, err, msgBadSignature)
	}
	if p.siwe != nil {
		if err := s.checkSIWE(*p.siwe); err != nil {
			return Login{}, fault.Wrap(fault.Invalid, err, msgBadMessage+": "+siweReason(err))
		}
	}
	if err := s.records.TakePhrase(ctx, phrase); errors.Is(err, ErrNoRecord) {
		return Login{}, invalid(msgPhraseGone) // another login was faster
	} else if err != nil {
		return Login{}, Unavailable(err)
	}
	ses := Session{FluxID: *c.FluxID, Phrase: phrase, CreatedAt: issued, ExpireAt: issued.Add(SessionLife)}
	if err := s.records.AddSession(ctx, ses); err != nil {
		return Login{}, Unavailable(err)
	}
	s.sessions.Remove(ses.FluxID)
	s.fresh.Put(phrase, *c.Signature, s.fresh.Begin())
	s.announce(phrase)
	return s.login(ses, *c.Signature), nil
}

func (s *Service) login(ses Session, signature string) Login {
	id := Identity{FluxID: ses.FluxID, Phrase: ses.Phrase, Session: true}
	l := Login{FluxID: ses.FluxID, Phrase: ses.Phrase, Signature: signature, Privilege: "user", CreatedAt: ses.CreatedAt, ExpireAt: ses.ExpireAt}
	switch {
	case s.isTeam(id):
		l.Privilege = "fluxteam"
	case s.IsAdmin(id):
		l.Privilege = "admin"
	}
	return l
}

// check is checks 1 to 5 of a login.
func (c Claim) check() error {
	switch {
	case !c.NotString.FluxID && (c.FluxID == nil || *c.FluxID == ""):
		return invalid(msgNoFluxID)
	case c.NotString.FluxID || len(*c.FluxID) > maxFluxID || !wallet.ValidFluxID(*c.FluxID):
		return invalid(msgBadFluxID)
	case !c.NotString.Message && (c.Message == nil || *c.Message == ""):
		return invalid(msgNoMessage)
	case c.NotString.Message || len(*c.Message) < minPhrase:
		return invalid(msgBadMessage)
	}
	return nil
}

// siweReason says in words of our own why a Sign-In with Ethereum text isn't
// taken.
func siweReason(err error) string {
	for _, reason := range []error{wallet.ErrSIWEDomain, wallet.ErrSIWEFuture, wallet.ErrSIWENotYetValid, wallet.ErrSIWEExpired, wallet.ErrSIWEVersion} {
		if errors.Is(err, reason) {
			return reason.Error()
		}
	}
	return wallet.ErrSIWEFormat.Error()
}

func (c Claim) checkSignature() error {
	switch {
	case !c.NotString.Signature && (c.Signature == nil || *c.Signature == ""):
		return invalid(msgNoSignature)
	case c.NotString.Signature || len(*c.Signature) > maxSignature:
		return invalid(msgBadSignature)
	}
	return nil
}

// ProvideSignature keeps a signature, unverified, for somebody who waits for it.
func (s *Service) ProvideSignature(ctx context.Context, c Claim) (ProvidedSignature, error) {
	if err := c.check(); err != nil {
		return ProvidedSignature{}, err
	}
	if err := c.checkSignature(); err != nil {
		return ProvidedSignature{}, err
	}
	now, msg := s.now(), *c.Message
	tail := []rune(msg)
	p := ProvidedSignature{
		Signature: *c.Signature, Identifier: *c.FluxID + string(tail[max(0, len(tail)-13):]),
		CreatedAt: now, ExpireAt: now.Add(SignatureLife),
	}
	if err := s.records.AddSignature(ctx, p); err != nil {
		return ProvidedSignature{}, Unavailable(err)
	}
	s.announce(p.Identifier)
	return p, nil
}

// CheckPrivilege answers "admin", "fluxteam", "user" or, for credentials that
// don't verify, "none".
func (s *Service) CheckPrivilege(ctx context.Context, c Claim) (string, error) {
	none := func(p *string, odd bool) bool { return !odd && (p == nil || *p == "") }
	switch {
	case none(c.FluxID, c.NotString.FluxID):
		return "", invalid("No user Flux ID specificed")
	case none(c.Message, c.NotString.Message):
		return "", invalid("No user loginPhrase specificed")
	case none(c.Signature, c.NotString.Signature):
		return "", invalid("No user Flux ID signature specificed")
	case c.NotString.FluxID || c.NotString.Message || c.NotString.Signature:
		return "none", nil
	}
	id, err := s.Authenticate(ctx, Credentials{FluxID: *c.FluxID, Text: *c.Message, Signature: *c.Signature})
	switch {
	case err != nil && Reason(err) == "unavailable":
		return "", Unavailable(err)
	case err != nil:
		return "none", nil
	case s.IsAdmin(id):
		return "admin", nil
	case s.isTeam(id):
		return "fluxteam", nil
	}
	return "user", nil
}

// SessionsOf returns the running sessions of the caller, oldest first.
func (s *Service) SessionsOf(ctx context.Context, id Identity) ([]Session, error) {
	held, err := s.sessionsOf(ctx, id.FluxID)
	if err != nil {
		return nil, Unavailable(err)
	}
	return s.running(held), nil
}

// Sessions returns all running sessions, oldest first.
func (s *Service) Sessions(ctx context.Context) ([]Session, error) {
	all, err := s.records.Sessions(ctx)
	if err != nil {
		return nil, Unavailable(err)
	}
	return s.running(all), nil
}

func (s *Service) running(all []Session) []Session {
	now, out := s.now(), make([]Session, 0, len(all))
	for _, ses := range all {
		if now.Before(ses.ExpireAt) {
			out = append(out, ses)
		}
	}
	return out
}

// Phrases returns the login phrases that wait for a login.
func (s *Service) Phrases(ctx context.Context) ([]Phrase, error) {
	all, err := s.records.Phrases(ctx)
	if err != nil {
		return nil, Unavailable(err)
	}
	now, out := s.now(), make([]Phrase, 0, len(all))
	for _, p := range all {
		if now.Before(p.ExpireAt) {
			out = append(out, p)
		}
	}
	return out, nil
}

// Logout ends the session that the caller came with. Without one it does nothing.
func (s *Service) Logout(ctx context.Context, id Identity) error {
	err := s.records.RemoveSession(ctx, id.FluxID, id.Phrase)
	s.sessions.Remove(id.FluxID)
	s.fresh.Remove(id.Phrase)
	if err != nil && !errors.Is(err, ErrNoRecord) {
		return Unavailable(err)
	}
	return nil
}

// LogoutPhrase ends the session with that phrase, whoever holds it: knowing the
// phrase is the proof. It answers false when there is none.
func (s *Service) LogoutPhrase(ctx context.Context, phrase string) (bool, error) {
	if phrase == "" || len(phrase) > maxPhrase {
		return false, nil
	}
	ses, err := s.records.SessionByPhrase(ctx, phrase)
	if errors.Is(err, ErrNoRecord) {
		return false, nil
	} else if err != nil {
		return false, Unavailable(err)
	}
	err = s.records.RemoveSession(ctx, ses.FluxID, phrase)
	s.sessions.Remove(ses.FluxID)
	s.fresh.Remove(phrase)
	switch {
	case errors.Is(err, ErrNoRecord):
		return false, nil
	case err != nil:
		return false, Unavailable(err)
	}
	return true, nil
}

// LogoutAll ends all sessions of the caller.
func (s *Service) LogoutAll(ctx context.Context, id Identity) error {
	err := s.records.RemoveSessionsOf(ctx, id.FluxID)
	s.sessions.Remove(id.FluxID)
	if err != nil {
		return Unavailable(err)
	}
	return nil
}

// LogoutEverybody ends every session on this node.
func (s *Service) LogoutEverybody(ctx context.Context) error {
	err := s.records.RemoveSessions(ctx)
	s.sessions.Remove()
	if err != nil {
		return Unavailable(err)
	}
	return nil
}

func invalid(msg string) error { return fault.New(fault.Invalid, msg) }

// Unavailable is what a caller reads when the store can't be asked.
func Unavailable(err error) error {
	return fault.Wrap(fault.Unavailable, err, "The node's database can't be reached. Please try again.")
}

// StoreFailed reports whether an error of a Service means that its records
// can't be reached.
func StoreFailed(err error) bool { return fault.KindOf(err) == fault.Unavailable }
