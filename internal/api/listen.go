package api

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/fluxosd/fluxosd/internal/logattr"
)

// Times of a connection. A client that drips its headers is gone after
// headerTime, one that takes no data after writeTime.
const (
	headerTime = 15 * time.Second
	idleTime   = 2 * time.Minute
	writeTime  = 5 * time.Minute
)

// connShare is the part of all connections that one address may have: a quarter.
const connShare = 4

// exemptFromConnLimit spares the addresses that the operator spared, and
// proxies, whose connections are those of many.
func (s *Server) exemptFromConnLimit(a netip.Addr) bool {
	return s.limits.spared(a) || slices.ContainsFunc(s.proxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

// maxHeaderBytes bounds a request's headers.
const maxHeaderBytes = 64 << 10

// Listeners are the open sockets of the API and of the private listener.
type Listeners struct {
	API, TLS, Private net.Listener // nil ones are not served
	Certificate       *tls.Certificate
	MaxConnections    int
	Shutdown          time.Duration // how long requests in flight may take to finish
}

// ServeListeners answers on all listeners until ctx ends, then stops accepting,
// lets requests in flight finish and returns. private serves the private one.
func (s *Server) ServeListeners(ctx context.Context, l Listeners, private http.Handler) error {
	limiter := newConnLimit(l.MaxConnections, l.MaxConnections/connShare, s.metrics.Connections, s.exemptFromConnLimit)
	errLog := slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)
	var servers []*http.Server
	g, gctx := errgroup.WithContext(ctx)
	start := func(ln net.Listener, h http.Handler, cert *tls.Certificate) {
		if ln == nil {
			return
		}
		srv := newHTTPServer(h, errLog)
		if cert != nil {
			srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*cert}, MinVersion: tls.VersionTLS12}
		}
		servers = append(servers, srv)
		g.Go(func() error {
			var err error
			if cert != nil {
				err = srv.ServeTLS(ln, "", "")
			} else {
				err = srv.Serve(ln)
			}
			if errors.Is(err, http.ErrServerClosed) || (gctx.Err() != nil && errors.Is(err, net.ErrClosed)) {
				return nil // the second: an Accept that saw the stop before the server did
			}
			return fmt.Errorf("serve %s: %w", ln.Addr(), err)
		})
	}
	if l.API != nil {
		start(limiter.wrap(l.API), s, nil)
	}
	if l.TLS != nil {
		start(limiter.wrap(l.TLS), s, l.Certificate)
	}
	start(l.Private, private, nil)
	g.Go(func() error {
		<-gctx.Done()
		s.Stop()
		limiter.stop()
		grace, cancel := context.WithTimeout(context.Background(), l.Shutdown)
		defer cancel()
		var down errgroup.Group
		for _, srv := range servers {
			down.Go(func() error {
				if err := srv.Shutdown(grace); err != nil {
					s.log.Warn("Requests in flight were cut off", slog.String("after", l.Shutdown.String()), logattr.Err(err))
					return srv.Close()
				}
				return nil
			})
		}
		return down.Wait()
	})
	return g.Wait()
}

func newHTTPServer(h http.Handler, errLog *log.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, WriteTimeout: writeTime,
		MaxHeaderBytes: maxHeaderBytes, ErrorLog: errLog,
	}
}

// connLimit holds the number of open connections of several listeners under a
// limit, and those of one address under a smaller one, so that nobody can take
// all of them. Over the first, connections wait in the kernel's queue; over the
// second they are closed.
type connLimit struct {
	slots      chan struct{}
	perAddress int
	exempt     func(netip.Addr) bool
	open       prometheus.Gauge
	done       chan struct{}
	once       sync.Once

	mu    sync.Mutex
	peers map[netip.Addr]int
}

func newConnLimit(all, perAddress int, open prometheus.Gauge, exempt func(netip.Addr) bool) *connLimit {
	return &connLimit{slots: make(chan struct{}, max(all, 1)), perAddress: max(perAddress, 1), exempt: exempt, open: open,
		done: make(chan struct{}), peers: make(map[netip.Addr]int)}
}

// stop ends Accept calls that wait for a slot.
func (c *connLimit) stop() { c.once.Do(func() { close(c.done) }) }

func (c *connLimit) wrap(l net.Listener) net.Listener { return &limitedListener{l, c} }

// enter counts a connection of the address under its network, which it returns
// for leave, unless that has too many.
func (c *connLimit) enter(a netip.Addr) (from netip.Addr, ok bool) {
	from = network(a)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.peers[from] >= c.perAddress && !c.exempt(a) {
		return from, false
	}
	c.peers[from]++
	return from, true
}

func (c *connLimit) leave(from netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.peers[from]--; c.peers[from] <= 0 {
		delete(c.peers, from)
	}
}

type limitedListener struct {
	net.Listener
	limit *connLimit
}

func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		select {
		case l.limit.slots <- struct{}{}:
		case <-l.limit.done:
			return nil, net.ErrClosed
		}
		conn, err := l.Listener.Accept()
		if err != nil {
			<-l.limit.slots
			return nil, err
		}
		var remote netip.Addr
		if ap, err := netip.ParseAddrPort(conn.RemoteAddr().String()); err == nil {
			remote = ap.Addr().Unmap()
		}
		from, ok := l.limit.enter(remote)
		if !ok {
			conn.Close()
			<-l.limit.slots
			continue
		}
		l.limit.open.Inc()
		return &limitedConn{Conn: conn, from: from, limit: l.limit}, nil
	}
}

type limitedConn struct {
	net.Conn
	from  netip.Addr
	limit *connLimit
	once  sync.Once
}

func (c *limitedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		c.limit.leave(c.from)
		<-c.limit.slots
		c.limit.open.Dec()
	})
	return err
}

// Certificate loads the given pair, or the node's own self-signed one from dir,
// which it makes when it isn't there or has ended.
func Certificate(certFile, keyFile, dir string) (*tls.Certificate, error) {
	if certFile != "" || keyFile != "" {
		pair, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			return nil, fmt.Errorf("load api.tls_cert and api.tls_key: %w", err)
		}
		return &pair, nil
	}
	certFile, keyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err == nil && pair.Leaf != nil && time.Now().Before(pair.Leaf.NotAfter) {
		return &pair, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("load the node's own certificate: %w (remove both %s and %s to have them made again)", err, certFile, keyFile)
	}
	certPEM, keyPEM, err := selfSigned(time.Now())
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	if err := errors.Join(os.WriteFile(keyFile, keyPEM, 0o600), os.WriteFile(certFile, certPEM, 0o644)); err != nil {
		return nil, fmt.Errorf("keep the node's own certificate: %w", err)
	}
	pair, err = tls.X509KeyPair(certPEM, keyPEM)
	return &pair, err
}

// selfSigned makes a certificate for ten years. Clients can't verify it: it
// keeps the traffic from listeners, not from somebody in the middle.
func selfSigned(now time.Time) (certPEM, keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, nil, err
	}
	tmpl := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "fluxosd"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(10, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		return nil, nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), nil
}
