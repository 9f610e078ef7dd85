package place

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Dial opens a connection, as net.Dialer.DialContext does.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// headerLimit is more than any honest answer's headers take, in bytes.
const headerLimit = 16 << 10

// fetcher asks outside services: one bounded GET each, over connections of one
// kind, without proxies, redirects, cookies and reuse.
type fetcher struct {
	client *http.Client
	limit  int64 // most bytes of an answer
}

// newFetcher returns a fetcher over network, which is tcp, tcp4 or tcp6. A nil
// dial is net.Dialer's, nil roots are the host's.
func newFetcher(network string, timeout time.Duration, limit int64, dial Dial, roots *x509.CertPool) *fetcher {
	if dial == nil {
		dial = (&net.Dialer{Timeout: timeout}).DialContext
	}
	return &fetcher{limit: limit, client: &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
				return dial(ctx, network, address)
			},
			TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    timeout,
			MaxResponseHeaderBytes: headerLimit,
			// A new connection for each question: a kept one would outlive a
			// change of the address that the question is about.
			DisableKeepAlives:  true,
			DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// get returns the body of address. An answer other than 200, and one longer
// than the limit, are errors. Errors never contain the address: it may hold an
// operator's key.
func (f *fetcher) get(ctx context.Context, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, errors.New("not a URL")
	}
	req.Header.Set("User-Agent", "fluxosd")
	resp, err := f.client.Do(req)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answered with HTTP status %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, f.limit+1))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if int64(len(body)) > f.limit {
		return nil, fmt.Errorf("answered with more than %d bytes", f.limit)
	}
	return body, nil
}

// checkService returns the parsed form of an address of a service.
func checkService(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || u.User != nil || u.Fragment != "" {
		return nil, errors.New("want an http or https URL without user and fragment")
	}
	return u, nil
}
