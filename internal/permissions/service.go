package permissions

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/fluxosd/fluxosd/internal/recent"
	"github.com/fluxosd/fluxosd/internal/wallet"
)

// sessionCache is how long the sessions of an identity are remembered. A logout
// here is seen at once; one made by another program on a shared database within
// this time.
const sessionCache = 5 * time.Second

// cacheEntries bounds each cache of a Service.
const cacheEntries = 20000

// Config is what a Service needs.
type Config struct {
	Admin string   // the node owner's Flux ID; empty admits no admin
	Team  []string // the Flux team's and the support team's Flux IDs
	// OperatorMayManageApps gives the node owner the level AppOwnerAbove.
	OperatorMayManageApps bool
	// SIWEDomains are the domains that a Sign-In with Ethereum text may name.
	SIWEDomains []string
	// SignatureCache is how long a verified triple needs no second verification.
	SignatureCache time.Duration
	Records        Records
	Owners         Owners
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Service issues login phrases, keeps sessions and answers who may do what.
// Safe for concurrent use.
type Service struct {
	admin                 string
	team                  []string
	operatorMayManageApps bool
	siweDomains           []string
	records               Records
	owners                Owners
	now                   func() time.Time

	verified *recent.Map[[sha256.Size]byte, proof]
	sessions *recent.Map[string, []Session]
	// fresh holds the signatures of the last logins, by phrase.
	fresh *recent.Map[string, string]

	mu sync.Mutex
	// waiters are told when a login or signature that they wait for arrives.
	waiters map[string][]chan struct{}
}

// proof is a verified triple.
type proof struct {
	phrase   string
	issuedAt time.Time
	siwe     *wallet.SIWE // nil for a plain phrase
}

// New returns a Service. Records and Owners are required.
func New(cfg Config) (*Service, error) {
	if cfg.Records == nil || cfg.Owners == nil {
		return nil, errors.New("permissions: records and owners are required")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.SignatureCache <= 0 {
		cfg.SignatureCache = 5 * time.Minute
	}
	s := &Service{
		admin: CanonicalID(cfg.Admin), operatorMayManageApps: cfg.OperatorMayManageApps, siweDomains: cfg.SIWEDomains,
		records: cfg.Records, owners: cfg.Owners, now: cfg.Now,
		verified: recent.New[[sha256.Size]byte, proof](cfg.SignatureCache, cacheEntries, cfg.Now),
		sessions: recent.New[string, []Session](sessionCache, cacheEntries, cfg.Now),
		waiters:  make(map[string][]chan struct{}),
		fresh:    recent.New[string, string](signatureFetch, cacheEntries, cfg.Now),
	}
	for _, t := range cfg.Team {
		s.team = append(s.team, CanonicalID(t))
	}
	return s, nil
}

// Authenticate proves an identity. It needs a current phrase (at most 16 hours
// old, 40 to 70 characters) or a session on this node; what that is good for is
// the business of Allow.
func (s *Service) Authenticate(ctx context.Context, c Credentials) (Identity, error) {
	if err := c.check(); err != nil {
		return Identity{}, err
	}
	if !wallet.ValidFluxID(c.FluxID) {
		return Identity{}, ErrMalformed
	}
	p, err := s.prove(c)
	if err != nil {
		return Identity{}, err
	}
	id := Identity{FluxID: c.FluxID, Phrase: p.phrase, IssuedAt: p.issuedAt}
	held, err := s.sessionsOf(ctx, id.FluxID)
	if err != nil {
		return Identity{}, err
	}
	now := s.now()
	for _, h := range held {
		if h.Phrase == p.phrase && now.Before(h.ExpireAt) {
			id.Session = true
			return id, nil
		}
	}
	age := now.Sub(p.issuedAt)
	if p.issuedAt.IsZero() || age < 0 || age > userPhraseAge || len(p.phrase) < minPhrase || len(p.phrase) > maxPhrase {
		return Identity{}, ErrExpired
	}
	if p.siwe != nil {
		if err := s.checkSIWE(*p.siwe); err != nil {
			return Identity{}, fmt.Errorf("%w: %w", ErrExpired, err)
		}
	}
	return id, nil
}

// prove verifies the signature, or remembers that it did.
func (s *Service) prove(c Credentials) (proof, error) {
	key := tripleKey(c)
	if p, ok := s.verified.Get(key); ok {
		return p, nil
	}
	phrase, ok := phraseOf(c.Text)
	if !ok {
		return proof{}, ErrMalformed
	}
	p := proof{phrase: phrase}
	p.issuedAt, _ = phraseTime(phrase)
	if phrase != c.Text {
		m, err := wallet.ParseSIWE(c.Text)
		if err != nil {
			return proof{}, ErrMalformed
		}
		if CanonicalID(m.Address) != CanonicalID(c.FluxID) {
			return proof{}, fmt.Errorf("%w: the text names another address", ErrBadSignature)
		}
		p.siwe = &m
	}
	epoch := s.verified.Begin()
	if err := wallet.Verify(c.FluxID, c.Text, c.Signature); err != nil {
		return proof{}, fmt.Errorf("%w: %w", ErrBadSignature, err)
	}
	s.verified.Put(key, p, epoch)
	return p, nil
}

// checkSIWE wants a text for one of our domains inside its time window.
func (s *Service) checkSIWE(m wallet.SIWE) error {
	return m.Check(wallet.SIWECheck{Domains: s.siweDomains, Now: s.now(), MaxSkew: time.Minute})
}

// tripleKey hashes the members with their lengths, so that no two triples have one key.
func tripleKey(c Credentials) [sha256.Size]byte {
	h := sha256.New()
	for _, m := range []string{c.FluxID, c.Text, c.Signature} {
		n := len(m)
		h.Write([]byte{byte(n >> 16), byte(n >> 8), byte(n)})
		io.WriteString(h, m)
	}
	var key [sha256.Size]byte
	h.Sum(key[:0])
	return key
}

// sessionsOf returns the sessions of an identity, oldest first, ended ones included.
func (s *Service) sessionsOf(ctx context.Context, fluxID string) ([]Session, error) {
	if held, ok := s.sessions.Get(fluxID); ok {
		return held, nil
	}
	epoch := s.sessions.Begin()
	held, err := s.records.SessionsOf(ctx, fluxID)
	if err != nil {
		return nil, fmt.Errorf("read sessions: %w", err)
	}
	s.sessions.Put(fluxID, held, epoch)
	return held, nil
}
