package permissions

import (
	"context"
	"errors"
	"time"
)

// ErrNoRecord is what Records answers when there is no such record.
var ErrNoRecord = errors.New("no such record")

// Phrase is an issued login phrase.
type Phrase struct {
	Text      string
	CreatedAt time.Time
	ExpireAt  time.Time
}

// Session is a login. Its signature is never kept: the header of each call
// brings its own.
type Session struct {
	FluxID    string
	Phrase    string
	CreatedAt time.Time // the time in the phrase
	ExpireAt  time.Time
}

// ProvidedSignature is a signature that a wallet left for somebody who waits for it.
type ProvidedSignature struct {
	Signature  string
	Identifier string // address + last 13 characters of the message
	CreatedAt  time.Time
	ExpireAt   time.Time
}

// Records keeps phrases, sessions and provided signatures. Methods answer
// ErrNoRecord (wrapped) where there is none, and must be safe for concurrent use.
type Records interface {
	AddPhrase(ctx context.Context, p Phrase) error
	FindPhrase(ctx context.Context, text string) (Phrase, error)
	// TakePhrase removes the phrase; of several callers one succeeds.
	TakePhrase(ctx context.Context, text string) error
	Phrases(ctx context.Context) ([]Phrase, error)

	AddSession(ctx context.Context, s Session) error
	// SessionsOf returns the sessions of an identity, oldest first.
	SessionsOf(ctx context.Context, fluxID string) ([]Session, error)
	SessionByPhrase(ctx context.Context, phrase string) (Session, error)
	Sessions(ctx context.Context) ([]Session, error)
	RemoveSession(ctx context.Context, fluxID, phrase string) error
	RemoveSessionsOf(ctx context.Context, fluxID string) error
	RemoveSessions(ctx context.Context) error

	AddSignature(ctx context.Context, p ProvidedSignature) error
	// FindSignature returns the newest one with the identifier.
	FindSignature(ctx context.Context, identifier string) (ProvidedSignature, error)
}

// Owners knows who owns an application.
type Owners interface {
	// AppOwner returns the identity that owns the application of that name,
	// letter case ignored, or ErrNoRecord (wrapped).
	AppOwner(ctx context.Context, app string) (string, error)
}
