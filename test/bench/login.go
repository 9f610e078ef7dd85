package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/fluxosd/fluxosd/internal/wallet"
)

// logins makes the requests of logins at one server, by users whose keys it
// holds. Safe for concurrent use.
type logins struct {
	addr   string
	phrase []byte // the request for a login phrase
	keys   []*wallet.Key
}

// newLogins makes the keys of n users.
func newLogins(addr string, n int) (*logins, error) {
	l := &logins{addr: addr, phrase: get(addr, "/id/loginphrase"), keys: make([]*wallet.Key, n)}
	for i := range l.keys {
		k, err := wallet.GenerateKey()
		if err != nil {
			return nil, fmt.Errorf("make a key: %w", err)
		}
		l.keys[i] = k
	}
	return l, nil
}

// claim is the body of a login.
type claim struct {
	FluxID    string `json:"zelid"`
	Phrase    string `json:"loginPhrase"`
	Signature string `json:"signature"`
}

// header is the zelidauth line that later requests carry.
func (c claim) header() string {
	return "zelidauth: zelid=" + url.QueryEscape(c.FluxID) + "&signature=" + url.QueryEscape(c.Signature) + "&loginPhrase=" + url.QueryEscape(c.Phrase)
}

// sign fetches a phrase and signs it as the n-th user.
func (l *logins) sign(c *client, n int) (claim, error) {
	body, err := c.succeed(l.phrase)
	if err != nil {
		return claim{}, err
	}
	var envelope struct {
		Data string `json:"data"`
	}
	if err := json.Unmarshal(body, &envelope); err != nil {
		return claim{}, fmt.Errorf("read the login phrase: %w", err)
	}
	if envelope.Data == "" {
		return claim{}, fmt.Errorf("read the login phrase: there is none in %s", body)
	}
	key := l.keys[n%len(l.keys)]
	// The body lives in the client's buffer; what is kept must not.
	phrase := strings.Clone(envelope.Data)
	return claim{key.FluxID(), phrase, key.SignMessage(phrase)}, nil
}

// verify is the request that logs in with a claim.
func (l *logins) verify(c claim) ([]byte, error) {
	body, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	return post(l.addr, "/id/verifylogin", body), nil
}

// whole is a step: a phrase, its signature, and the login with both.
func (l *logins) whole(c *client, n int) error {
	_, err := l.login(c, n)
	return err
}

// login logs the n-th user in.
func (l *logins) login(c *client, n int) (claim, error) {
	signed, err := l.sign(c, n)
	if err != nil {
		return claim{}, err
	}
	request, err := l.verify(signed)
	if err != nil {
		return claim{}, err
	}
	_, err = c.succeed(request)
	return signed, err
}

// signInto returns a step that prepares the login request of its number.
func (l *logins) signInto(requests [][]byte) func(*client, int) error {
	return func(c *client, n int) error {
		signed, err := l.sign(c, n)
		if err != nil {
			return err
		}
		requests[n], err = l.verify(signed)
		return err
	}
}
