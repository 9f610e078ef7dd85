package measure

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// speedServer answers as NetworkOptions.Servers says, and counts what it moves.
type speedServer struct {
	*httptest.Server
	downloads, uploads atomic.Int64 // bytes
	requests           atomic.Int64
}

func newSpeedServer(t *testing.T) *speedServer {
	s := &speedServer{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /speed/download", func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		n, err := strconv.ParseInt(r.URL.Query().Get("bytes"), 10, 64)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		sent, _ := io.CopyN(w, &repeated{block: make([]byte, 32<<10)}, n)
		s.downloads.Add(sent)
	})
	mux.HandleFunc("POST /speed/upload", func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		n, _ := io.Copy(io.Discard, r.Body)
		s.uploads.Add(n)
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func TestNetworkIsMeasuredForItsTime(t *testing.T) {
	server := newSpeedServer(t)
	var s steps
	got, err := MeasureNetwork(t.Context(), NetworkOptions{
		Servers: []string{"http://127.0.0.1:1", server.URL + "/speed/"}, Time: 300 * time.Millisecond, Streams: 2, MaxBytes: 1 << 50,
	}, s.watch(t))
	if err != nil {
		t.Fatal(err)
	}
	s.complete(t, StepPing, StepDownload, StepUpload)
	if got.Server != server.URL+"/speed/" {
		t.Errorf("got server %q, want the one that answers", got.Server)
	}
	if len(got.Ping.Runs) != pings || got.Ping.Median <= 0 || got.Ping.Median > 5000 {
		t.Errorf("got ping %+v, want %d of some ms", got.Ping, pings)
	}
	for name, f := range map[string]Figure{"download": got.Download, "upload": got.Upload} {
		if len(f.Runs) != parts || f.Median <= 0.1 {
			t.Errorf("%s: got %+v, want %d parts", name, f, parts)
		}
	}
	if got.DownloadBytes < 1<<20 || got.UploadBytes < 1<<20 {
		t.Errorf("got %d and %d bytes moved", got.DownloadBytes, got.UploadBytes)
	}
}

func TestNetworkVolumeIsBounded(t *testing.T) {
	server := newSpeedServer(t)
	const volume = 3 << 20
	got, err := MeasureNetwork(t.Context(), NetworkOptions{
		Servers: []string{server.URL + "/speed"}, Time: time.Minute, Streams: 3, MaxBytes: volume,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.DownloadBytes != volume || got.UploadBytes != volume {
		t.Errorf("got %d and %d bytes, want %d each", got.DownloadBytes, got.UploadBytes, volume)
	}
	if server.uploads.Load() != volume || server.downloads.Load() != volume {
		t.Errorf("the server took %d and sent %d, want %d each", server.uploads.Load(), server.downloads.Load(), volume)
	}
	if got.Download.Median <= 0 || got.Upload.Median <= 0 {
		t.Errorf("got %+v, want speeds", got)
	}
}

func TestServersThatCannotMeasureAreRefused(t *testing.T) {
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		want    string
	}{
		{"no ping", http.NotFound, "ping http://127.0.0.1"},
		{"page instead of a file", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }, "want 1048576 or more"},
		{"no upload", func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				http.Error(w, "no", http.StatusMethodNotAllowed)
				return
			}
			io.CopyN(w, &repeated{block: make([]byte, 4096)}, 4<<20)
		}, "upload to http://127.0.0.1"},
		{"download fails midway", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "99999999")
			w.Write(make([]byte, 100))
		}, "unexpected EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(c.handler)
			defer server.Close()
			_, err := MeasureNetwork(t.Context(), NetworkOptions{Servers: []string{server.URL}, Time: 10 * time.Second, MaxBytes: 8 << 20}, nil)
			wantError(t, err, c.want)
		})
	}
}

func TestNoServerThatAnswersNamesEach(t *testing.T) {
	_, err := MeasureNetwork(t.Context(), NetworkOptions{Servers: []string{"http://127.0.0.1:1", "http://127.0.0.1:2"}}, nil)
	wantError(t, err, "127.0.0.1:1", "127.0.0.1:2", "refused")
}

func TestNetworkMeasurementEndsWithItsContext(t *testing.T) {
	server := newSpeedServer(t)
	for _, at := range []string{StepPing, StepDownload, StepUpload} {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := MeasureNetwork(ctx, NetworkOptions{Servers: []string{server.URL + "/speed"}, Time: 200 * time.Millisecond}, func(step string, done float64) {
			if step == at {
				cancel()
			}
		})
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want %v", at, err, context.Canceled)
		}
	}
}

func TestSilentServerDoesNotHoldTheMeasurement(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodHead {
			io.Copy(io.Discard, r.Body)
			<-release
		}
	}))
	defer server.Close()
	defer close(release)
	_, err := MeasureNetwork(t.Context(), NetworkOptions{Servers: []string{server.URL}, Time: 100 * time.Millisecond}, nil)
	wantError(t, err, "nothing was moved in 100ms")
}

func TestRatesAreOfEqualPartsAfterTheWarmUp(t *testing.T) {
	const s = time.Second
	steady := func(n int, slow int) (list []sample) {
		var bytes int64
		for i := range n + 1 {
			list = append(list, sample{time.Duration(i) * s, bytes})
			if i < slow {
				bytes += 125_000 // 1 Mbit
			} else {
				bytes += 1_250_000
			}
		}
		return list
	}
	for _, c := range []struct {
		name string
		list []sample
		warm time.Duration
		want []float64
	}{
		{"the slow start is not counted", steady(10, 2), 2 * s, []float64{10, 10, 10, 10}},
		{"over before the warm-up: all counts", []sample{{}, {s / 2, 1_250_000}}, 2 * s, []float64{20}},
		{"over soon after the warm-up: all counts", steady(3, 0), 2 * s, []float64{10, 10, 10}},
		{"nothing moved", []sample{{}, {s, 0}, {2 * s, 0}}, s, nil},
		{"nothing after the warm-up: all counts", []sample{{}, {s, 125_000}, {2 * s, 125_000}, {3 * s, 125_000}, {4 * s, 125_000}, {5 * s, 125_000}}, s, []float64{1, 0, 0, 0}},
		{"two samples at one time", []sample{{}, {s, 125_000}, {s, 125_000}}, 0, []float64{1}},
	} {
		if diff := cmp.Diff(c.want, rates(c.list, c.warm), cmpopts.EquateApprox(0, 1e-9)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestNetworkOptionsThatAreRefused(t *testing.T) {
	ok := []string{"https://speed.example.org"}
	for want, o := range map[string]NetworkOptions{
		"no servers given":           {},
		`server "ftp://x"`:           {Servers: []string{"ftp://x"}},
		`server "speed.example.org"`: {Servers: []string{"speed.example.org"}},
		`server "http://x?y=1"`:      {Servers: []string{"http://x?y=1"}},
		`server "http://"`:           {Servers: []string{"http://"}},
		"time -1s":                   {Servers: ok, Time: -time.Second},
		"at most 1m0s":               {Servers: ok, Time: time.Hour},
		"streams 33: want 1 to 32":   {Servers: ok, Streams: 33},
		"max bytes 5: want 1048576":  {Servers: ok, MaxBytes: 5},
	} {
		_, err := MeasureNetwork(t.Context(), o, nil)
		wantError(t, err, want)
	}
	if o, err := (NetworkOptions{Servers: ok}).complete(); err != nil || o.Time != 10*time.Second || math.Abs(warmShare*o.Time.Seconds()-2) > 1e-9 {
		t.Errorf("got %+v, %v; want 10 s of which 2 are warm-up", o, err)
	}
}
