package measure

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Defaults and limits of NetworkOptions.
const (
	defaultNetworkTime = 10 * time.Second
	maxNetworkTime     = time.Minute
	defaultStreams     = 4
	maxStreams         = 32
	defaultMaxBytes    = 1_000_000_000
	minMaxBytes        = 1 << 20
	// pings is the number of round trips whose median counts.
	pings = 10
	// connectTime bounds looking up, connecting and the first answer.
	connectTime = 5 * time.Second
)

// NetworkOptions say how to measure. Zero values stand for the defaults, except
// Servers.
type NetworkOptions struct {
	// Servers are http or https base URLs. A server answers
	//
	//	GET  {base}/download?bytes=N  with N bytes, or with any large file
	//	POST {base}/upload            after it has read and dropped the body
	//
	// The one with the shortest round trip is used.
	Servers  []string
	Time     time.Duration // of each direction, up to 1 min, default 10 s; its first fifth is not counted
	Streams  int           // parallel connections, 1 to 32, default 4
	MaxBytes int64         // of each direction, 1 MiB or more, default 10^9
	// Client is used for every request; nil means one of our own that speaks
	// HTTP/1.1, so that every stream has its connection.
	Client *http.Client
}

func (o NetworkOptions) complete() (NetworkOptions, error) {
	if o.Time == 0 {
		o.Time = defaultNetworkTime
	}
	if o.Streams == 0 {
		o.Streams = defaultStreams
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultMaxBytes
	}
	switch {
	case len(o.Servers) == 0:
		return o, errors.New("no servers given: want base URLs such as https://speed.example.org")
	case o.Time < 0 || o.Time > maxNetworkTime:
		return o, fmt.Errorf("time %v: want more than 0 and at most %v", o.Time, maxNetworkTime)
	case o.Streams < 1 || o.Streams > maxStreams:
		return o, fmt.Errorf("streams %d: want 1 to %d", o.Streams, maxStreams)
	case o.MaxBytes < minMaxBytes:
		return o, fmt.Errorf("max bytes %d: want %d or more", o.MaxBytes, minMaxBytes)
	}
	for _, server := range o.Servers {
		u, err := url.Parse(server)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
			return o, fmt.Errorf("server %q: want an http or https base URL such as https://speed.example.org", server)
		}
	}
	return o, nil
}

// Network is how fast this machine reaches the best of the given servers.
type Network struct {
	Server        string // its base URL as given
	Ping          Figure // ms of a round trip on a warm connection
	Download      Figure // Mbit/s, 10^6 bits; its runs are equal parts of the counted time
	Upload        Figure // the same
	DownloadBytes int64  // moved in all, with what was not counted
	UploadBytes   int64
}

// Steps of MeasureNetwork, as told to Progress.
const (
	StepPing     = "network ping"
	StepDownload = "network download"
	StepUpload   = "network upload"
)

// MeasureNetwork measures round trip, download and upload. Servers that do not
// answer are left out; the error names the reason of each when none does.
func MeasureNetwork(ctx context.Context, options NetworkOptions, progress Progress) (Network, error) {
	o, err := options.complete()
	if err != nil {
		return Network{}, fmt.Errorf("measure network: %w", err)
	}
	if o.Client == nil {
		transport := newTransport(o.Streams)
		defer transport.CloseIdleConnections()
		o.Client = &http.Client{Transport: transport}
	}
	best, err := nearest(ctx, o, progress)
	if err != nil {
		return Network{}, fmt.Errorf("measure network: %w", err)
	}
	base := strings.TrimRight(best.Server, "/")
	if best.Download, best.DownloadBytes, err = transfer(ctx, o, StepDownload, downloader(o.Client, base), progress); err != nil {
		return Network{}, fmt.Errorf("download from %s: %w", best.Server, err)
	}
	if best.Upload, best.UploadBytes, err = transfer(ctx, o, StepUpload, uploader(o.Client, base), progress); err != nil {
		return Network{}, fmt.Errorf("upload to %s: %w", best.Server, err)
	}
	return best, nil
}

// newTransport makes one whose silence is bounded. Compression is off since it
// would be measured too, and HTTP/2 since it puts all streams on one connection.
func newTransport(streams int) *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: connectTime}).DialContext,
		TLSHandshakeTimeout:   connectTime,
		ResponseHeaderTimeout: connectTime,
		MaxIdleConnsPerHost:   streams,
		DisableCompression:    true,
		TLSNextProto:          map[string]func(string, *tls.Conn) http.RoundTripper{},
	}
}

// nearest pings all servers and returns the one with the lowest median.
func nearest(ctx context.Context, o NetworkOptions, progress Progress) (Network, error) {
	var best Network
	var failed []error
	progress.report(StepPing, 0)
	for i, server := range o.Servers {
		figure, err := ping(ctx, o.Client, strings.TrimRight(server, "/")+"/download?bytes=0")
		if ctx.Err() != nil {
			return Network{}, context.Cause(ctx)
		}
		switch {
		case err != nil:
			failed = append(failed, fmt.Errorf("ping %s: %w", server, err))
		case best.Server == "" || figure.Median < best.Ping.Median:
			best = Network{Server: server, Ping: figure}
		}
		progress.report(StepPing, float64(i+1)/float64(len(o.Servers)))
	}
	if best.Server == "" {
		return Network{}, errors.Join(failed...)
	}
	return best, nil
}

// ping measures round trips after one that opens the connection.
func ping(ctx context.Context, client *http.Client, address string) (Figure, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	var times []float64
	for i := range pings + 1 {
		start := time.Now()
		request, err := http.NewRequestWithContext(ctx, http.MethodHead, address, nil)
		if err != nil {
			return Figure{}, err
		}
		response, err := client.Do(request)
		if err != nil {
			return Figure{}, err
		}
		response.Body.Close()
		if err := success(response); err != nil {
			return Figure{}, err
		}
		if i > 0 {
			times = append(times, float64(time.Since(start))/float64(time.Millisecond))
		}
	}
	return figure(times), nil
}

func success(response *http.Response) error {
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("answered %s", response.Status)
	}
	return nil
}

// A request moves up to n bytes in one direction and calls moved for each part,
// from any goroutine.
type request func(ctx context.Context, n int64, moved func(int)) error

func downloader(client *http.Client, base string) request {
	return func(ctx context.Context, n int64, moved func(int)) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/download?bytes=%d", base, n), nil)
		if err != nil {
			return err
		}
		response, err := client.Do(r)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if err := success(response); err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, &meter{from: io.LimitReader(response.Body, n), moved: moved})
		return err
	}
}

func uploader(client *http.Client, base string) request {
	block := make([]byte, 64<<10)
	rand.Read(block) // so that nothing on the way can compress it
	return func(ctx context.Context, n int64, moved func(int)) error {
		body := &meter{from: io.LimitReader(&repeated{block: block}, n), moved: moved}
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/upload", body)
		if err != nil {
			return err
		}
		r.ContentLength = n
		r.Header.Set("Content-Type", "application/octet-stream")
		response, err := client.Do(r)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		return success(response)
	}
}

// meter tells moved what is read from it.
type meter struct {
	from  io.Reader
	moved func(int)
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.from.Read(p)
	m.moved(n)
	return n, err
}

// repeated is an endless repetition of block.
type repeated struct {
	block []byte
	at    int
}

func (r *repeated) Read(p []byte) (int, error) {
	n := copy(p, r.block[r.at:])
	r.at = (r.at + n) % len(r.block)
	return n, nil
}
