// Package logins keeps login phrases, sessions and provided signatures in the
// document store, in the shapes and collections of FluxOS.
//
// It is the records that package permissions asks for, and decides nothing.
package logins

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fluxosd/fluxosd/internal/permissions"
	"github.com/fluxosd/fluxosd/internal/store"
)

// Records implements permissions.Records.
type Records struct{ Store store.Store }

type phraseDoc struct {
	Phrase    string        `bson:"loginPhrase"`
	CreatedAt bson.DateTime `bson:"createdAt"`
	ExpireAt  bson.DateTime `bson:"expireAt"`
}

// sessionDoc has an empty signature: the document's shape is kept, and no
// credential is.
type sessionDoc struct {
	FluxID    string        `bson:"zelid"`
	Phrase    string        `bson:"loginPhrase"`
	Signature string        `bson:"signature"`
	CreatedAt bson.DateTime `bson:"createdAt"`
	ExpireAt  bson.DateTime `bson:"expireAt"`
}

type signatureDoc struct {
	Signature  string        `bson:"signature"`
	Identifier string        `bson:"identifier"`
	CreatedAt  bson.DateTime `bson:"createdAt"`
	ExpireAt   bson.DateTime `bson:"expireAt"`
}

// date is a time as documents have it, to the millisecond.
func date(t time.Time) bson.DateTime { return bson.NewDateTimeFromTime(t) }

// AddPhrase implements permissions.Records.
func (r Records) AddPhrase(ctx context.Context, p permissions.Phrase) error {
	return r.Store.Insert(ctx, store.ActiveLoginPhrases, phraseDoc{p.Text, date(p.CreatedAt), date(p.ExpireAt)})
}

// FindPhrase implements permissions.Records.
func (r Records) FindPhrase(ctx context.Context, text string) (permissions.Phrase, error) {
	var d phraseDoc
	err := r.Store.FindOne(ctx, store.ActiveLoginPhrases, store.Query{Filter: store.Where("loginPhrase", text)}, &d)
	return d.phrase(), found(err, "login phrase")
}

func (d phraseDoc) phrase() permissions.Phrase {
	return permissions.Phrase{Text: d.Phrase, CreatedAt: d.CreatedAt.Time(), ExpireAt: d.ExpireAt.Time()}
}

// TakePhrase implements permissions.Records.
func (r Records) TakePhrase(ctx context.Context, text string) error {
	return found(r.Store.Take(ctx, store.ActiveLoginPhrases, store.Where("loginPhrase", text), nil), "login phrase")
}

// listLimit bounds the lists that are shown to the node owner; the newest count.
const listLimit = 10000

// newestFirst asks for the newest listLimit documents; callers turn them round.
func newestFirst(f store.Filter) store.Query {
	return store.Query{Filter: f, Sort: []store.Sort{{Field: "createdAt", Type: store.Time, Desc: true}}, Limit: listLimit}
}

// Phrases implements permissions.Records: the newest 10,000, oldest first.
func (r Records) Phrases(ctx context.Context) ([]permissions.Phrase, error) {
	var docs []phraseDoc
	if err := r.Store.Find(ctx, store.ActiveLoginPhrases, newestFirst(nil), &docs); err != nil {
		return nil, fmt.Errorf("list login phrases: %w", err)
	}
	return reversed(docs, phraseDoc.phrase), nil
}

// AddSession implements permissions.Records.
func (r Records) AddSession(ctx context.Context, s permissions.Session) error {
	return r.Store.Insert(ctx, store.LoggedUsers, sessionDoc{FluxID: s.FluxID, Phrase: s.Phrase, CreatedAt: date(s.CreatedAt), ExpireAt: date(s.ExpireAt)})
}

func (d sessionDoc) session() permissions.Session {
	return permissions.Session{FluxID: d.FluxID, Phrase: d.Phrase, CreatedAt: d.CreatedAt.Time(), ExpireAt: d.ExpireAt.Time()}
}

func (r Records) sessions(ctx context.Context, f store.Filter) ([]permissions.Session, error) {
	var docs []sessionDoc
	if err := r.Store.Find(ctx, store.LoggedUsers, newestFirst(f), &docs); err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return reversed(docs, sessionDoc.session), nil
}

// SessionsOf implements permissions.Records: the newest 10,000, oldest first.
func (r Records) SessionsOf(ctx context.Context, fluxID string) ([]permissions.Session, error) {
	return r.sessions(ctx, store.Where("zelid", fluxID))
}

// Sessions implements permissions.Records: the newest 10,000, oldest first.
func (r Records) Sessions(ctx context.Context) ([]permissions.Session, error) {
	return r.sessions(ctx, nil)
}

// SessionByPhrase implements permissions.Records.
func (r Records) SessionByPhrase(ctx context.Context, phrase string) (permissions.Session, error) {
	var d sessionDoc
	err := r.Store.FindOne(ctx, store.LoggedUsers, store.Query{Filter: store.Where("loginPhrase", phrase)}, &d)
	return d.session(), found(err, "session")
}

// RemoveSession implements permissions.Records.
func (r Records) RemoveSession(ctx context.Context, fluxID, phrase string) error {
	n, err := r.Store.Delete(ctx, store.LoggedUsers, store.Where("loginPhrase", phrase).And("zelid", store.Eq, fluxID))
	if err == nil && n == 0 {
		err = store.ErrNotFound
	}
	return found(err, "session")
}

// RemoveSessionsOf implements permissions.Records.
func (r Records) RemoveSessionsOf(ctx context.Context, fluxID string) error {
	_, err := r.Store.Delete(ctx, store.LoggedUsers, store.Where("zelid", fluxID))
	return err
}

// RemoveSessions implements permissions.Records.
func (r Records) RemoveSessions(ctx context.Context) error {
	_, err := r.Store.Clear(ctx, store.LoggedUsers)
	return err
}

// AddSignature implements permissions.Records.
func (r Records) AddSignature(ctx context.Context, p permissions.ProvidedSignature) error {
	return r.Store.Insert(ctx, store.ActiveSignatures, signatureDoc{p.Signature, p.Identifier, date(p.CreatedAt), date(p.ExpireAt)})
}

// FindSignature implements permissions.Records.
func (r Records) FindSignature(ctx context.Context, identifier string) (permissions.ProvidedSignature, error) {
	var d signatureDoc
	q := newestFirst(store.Where("identifier", identifier))
	err := r.Store.FindOne(ctx, store.ActiveSignatures, q, &d)
	return permissions.ProvidedSignature{Signature: d.Signature, Identifier: d.Identifier, CreatedAt: d.CreatedAt.Time(), ExpireAt: d.ExpireAt.Time()},
		found(err, "signature")
}

// found turns the store's word for a missing document into that of permissions.
func found(err error, what string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("%s: %w", what, permissions.ErrNoRecord)
	}
	return fmt.Errorf("%s: %w", what, err)
}

func reversed[D, T any](docs []D, as func(D) T) []T {
	out := make([]T, len(docs))
	for i, d := range docs {
		out[len(docs)-1-i] = as(d)
	}
	return out
}
