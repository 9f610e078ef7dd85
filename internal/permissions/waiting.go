package permissions

import (
	"context"
	"errors"
	"slices"
)

// ErrPending says that what a caller waits for is not there yet.
var ErrPending = errors.New("not there yet")

// LoginOf returns the login made with a phrase. ErrPending means that the
// phrase still waits for its login; a fault with the documented text, that it
// is gone. With Unavailable, session tells which of the two records failed.
func (s *Service) LoginOf(ctx context.Context, phrase string) (l Login, session bool, err error) {
	if len(phrase) < minPhrase || len(phrase) > maxPhrase {
		return Login{}, false, invalid(msgPhraseGone)
	}
	ses, err := s.records.SessionByPhrase(ctx, phrase)
	switch {
	case err == nil && s.now().Before(ses.ExpireAt):
		signature, _ := s.fresh.Get(phrase)
		return s.login(ses, signature), true, nil
	case err != nil && !errors.Is(err, ErrNoRecord):
		return Login{}, true, Unavailable(err)
	}
	p, err := s.records.FindPhrase(ctx, phrase)
	switch {
	case errors.Is(err, ErrNoRecord) || (err == nil && !s.now().Before(p.ExpireAt)):
		return Login{}, false, invalid(msgPhraseGone)
	case err != nil:
		return Login{}, false, Unavailable(err)
	}
	return Login{}, false, ErrPending
}

// SignatureOf returns the signature that was left under an identifier, or ErrPending.
func (s *Service) SignatureOf(ctx context.Context, identifier string) (ProvidedSignature, error) {
	p, err := s.records.FindSignature(ctx, identifier)
	switch {
	case errors.Is(err, ErrNoRecord) || (err == nil && !s.now().Before(p.ExpireAt)):
		return ProvidedSignature{}, ErrPending
	case err != nil:
		return ProvidedSignature{}, Unavailable(err)
	}
	return p, nil
}

// Await returns a channel that gets a value when a login with that phrase, or a
// signature with that identifier, arrives. The caller must call stop.
func (s *Service) Await(key string) (arrived <-chan struct{}, stop func()) {
	ch := make(chan struct{}, 1)
	s.mu.Lock()
	s.waiters[key] = append(s.waiters[key], ch)
	s.mu.Unlock()
	return ch, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		rest := slices.DeleteFunc(s.waiters[key], func(c chan struct{}) bool { return c == ch })
		if len(rest) == 0 {
			delete(s.waiters, key)
			return
		}
		s.waiters[key] = rest
	}
}

func (s *Service) announce(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ch := range s.waiters[key] {
		select {
		case ch <- struct{}{}:
		default: // it has not looked at the last one yet
		}
	}
}
