package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/fluxosd/fluxosd/internal/benchmark"
	"github.com/fluxosd/fluxosd/internal/benchmark/measure"
	"github.com/fluxosd/fluxosd/internal/fault"
	"github.com/fluxosd/fluxosd/internal/node"
	"github.com/fluxosd/fluxosd/internal/version"
)

// The handlers of the rows that tell what this node is.

func (s *Server) fluxVersion(context.Context, *Request) (any, error) { return version.FluxOS, nil }

func (s *Server) fluxInfo(ctx context.Context, _ *Request) (any, error) { return s.node.Info(ctx) }

func (s *Server) fluxTier(ctx context.Context, _ *Request) (any, error) { return s.node.Tier(ctx) }

func (s *Server) fluxTimezone(context.Context, *Request) (any, error) { return s.node.Timezone(), nil }

func (s *Server) fluxVersions(context.Context, *Request) (any, error) { return s.node.Versions(), nil }

func (s *Server) fluxIP(context.Context, *Request) (any, error) { return s.node.Address(), nil }

func (s *Server) fluxStaticIP(context.Context, *Request) (any, error) { return s.node.StaticIP(), nil }

func (s *Server) fluxGeolocation(context.Context, *Request) (any, error) {
	return s.node.Geolocation(), nil
}

func (s *Server) fluxID(context.Context, *Request) (any, error) { return s.node.FluxID(), nil }

func (s *Server) fluxIDs(context.Context, *Request) (any, error) { return s.node.FluxIDs(), nil }

func (s *Server) fluxPGP(context.Context, *Request) (any, error) { return s.node.PGP(), nil }

// fluxCruxID answers null: there are no CruxIDs any more.
func (s *Server) fluxCruxID(context.Context, *Request) (any, error) { return nil, nil }

// fluxArcaneOS answers false while nobody can be asked, and then for this call only.
func (s *Server) fluxArcaneOS(ctx context.Context, _ *Request) (any, error) {
	arcane, sure := s.node.ArcaneOS(ctx)
	if !sure {
		return passing{arcane}, nil
	}
	return arcane, nil
}

func (s *Server) fluxMarketplace(context.Context, *Request) (any, error) {
	return s.node.MarketplaceURL(), nil
}

func (s *Server) fluxEnterpriseOwners(context.Context, *Request) (any, error) {
	return node.EnterpriseOwners(), nil
}

func (s *Server) fluxUptime(context.Context, *Request) (any, error) { return s.node.Uptime(), nil }

func (s *Server) fluxSystemUptime(ctx context.Context, _ *Request) (any, error) {
	up, err := measure.Uptime(ctx)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Unavailable, Msg: "Error obtaining uptime", Err: err}
	}
	return int64(up / time.Second), nil
}

func (s *Server) fluxClockDrift(context.Context, *Request) (any, error) {
	return s.node.ClockDrift(), nil
}

// fluxFolder tells programs on this machine where the node keeps its things.
func (s *Server) fluxFolder(_ context.Context, r *Request) (any, error) {
	if !r.Remote.IsLoopback() {
		return Raw{Status: http.StatusUnauthorized, ContentType: "text/plain; charset=utf-8", Body: []byte("Access denied")}, nil
	}
	return s.host.Folder, nil
}

// fluxDoctor looks at everything now.
func (s *Server) fluxDoctor(ctx context.Context, _ *Request) (any, error) {
	return s.doctor.Examine(ctx)
}

// The handlers of the rows about tiers, and about the node's own measurements.

func (s *Server) benchmarkTiers(ctx context.Context, _ *Request) (any, error) {
	type tiers struct {
		Source    string                `json:"source"`
		Time      *time.Time            `json:"time"` // of the measurement; null when it isn't known
		Tiers     []benchmark.Verdict   `json:"tiers"`
		Disturbed []measure.Disturbance `json:"disturbed"`
	}
	f, err := s.benchmark.Facts(ctx)
	if err != nil {
		return nil, err
	}
	out := tiers{Source: f.Source, Tiers: f.Tiers(), Disturbed: []measure.Disturbance{}}
	if out.Tiers == nil {
		out.Tiers = []benchmark.Verdict{}
		return passing{out}, nil
	}
	if !f.Time.IsZero() {
		out.Time = &f.Time
	}
	if latest := s.runner.Latest(); f.Source == benchmark.SourceNative && latest != nil {
		out.Disturbed = append(out.Disturbed, latest.Disturbances()...)
	}
	return out, nil
}

func (s *Server) benchmarkHistory(ctx context.Context, r *Request) (any, error) {
	const usual, most = 10, 100
	count, err := number(r.Text("count"), usual, 1, most, "count")
	if err != nil {
		return nil, err
	}
	list, err := s.history.List(ctx, count)
	if err != nil {
		return nil, err
	}
	type entry struct {
		benchmark.Benchmarks
		By        string                `json:"by"`   // schedule or request
		Took      float64               `json:"took"` // seconds
		Single    measure.Figure        `json:"events_single"`
		Multi     measure.Figure        `json:"events_multi"`
		Write     []measure.Figure      `json:"disk_write"` // MiB/s, in the order of disksinfo
		Disturbed []measure.Disturbance `json:"disturbed"`
	}
	out := []entry{}
	for _, res := range list {
		address := ""
		if a := s.node.Address(); a != nil {
			address = strings.TrimSuffix(*a, ":16127")
		}
		e := entry{Benchmarks: benchmark.Reply(res, address), By: "request", Took: res.Took.Seconds(), Single: res.CPU.Single, Multi: res.CPU.Multi,
			Write: []measure.Figure{}, Disturbed: res.Disturbances()}
		if res.By == benchmark.BySchedule {
			e.By = res.By // who asked is nobody's business
		}
		for _, d := range res.Disks {
			e.Write = append(e.Write, d.Speed.MiBps)
		}
		if e.Disturbed == nil {
			e.Disturbed = []measure.Disturbance{}
		}
		out = append(out, e)
	}
	return out, nil
}
